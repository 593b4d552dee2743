// Package backup writes a hot snapshot of the state and of the small files that
// belong to it into one encrypted container, and restores it into an empty data
// folder. Users' files are not part of it. The key comes from a passphrase
// that the administrator keeps: it is in no backup and in no data folder.
package backup

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"gatehouse/storage/state"
)

// Errors of what is read.
var (
	ErrPassphrase = errors.New("the passphrase is not that of this backup")
	ErrDamaged    = errors.New("the backup is damaged or incomplete")
	ErrNewer      = errors.New("the backup was written by a newer version of the program")
	ErrNotBackup  = errors.New("this is not a backup")
	ErrNotEmpty   = errors.New("the data folder is not empty")
)

// MinPassphrase is the length of the shortest passphrase that Write takes.
const MinPassphrase = 8

// maxFile bounds a file of a backup: they are keys and certificates.
const maxFile = 16 << 20

// A Source is what is backed up.
type Source struct {
	State   state.Store
	Files   []File
	Program string // the version of the program, for who looks at the backup
}

// A File is a small file: Name is where it belongs, below the data folder, with
// slashes; Path is where it is read.
type File struct{ Name, Path string }

// A Summary tells what a backup holds.
type Summary struct {
	Made    time.Time `json:"made"`
	Program string    `json:"program"`
	Files   []string  `json:"files"`
	Scopes  int       `json:"scopes"`
	Records int       `json:"records"`
	Counts  int       `json:"counters"`
	Entries int       `json:"entries"`
}

// Write writes a backup. What was written before an error is no backup: it
// lacks its end, and Restore refuses it.
func Write(ctx context.Context, w io.Writer, passphrase string, src Source) (Summary, error) {
	if len(passphrase) < MinPassphrase {
		return Summary{}, fmt.Errorf("the passphrase has fewer than %d characters", MinPassphrase)
	}
	return write(ctx, w, passphrase, presentCost, src)
}

func write(ctx context.Context, w io.Writer, passphrase string, c cost, src Source) (Summary, error) {
	sum := Summary{Made: time.Now().UTC().Round(0), Program: src.Program}
	sealed, err := newSealWriter(w, passphrase, c)
	if err != nil {
		return sum, fmt.Errorf("begin the backup: %w", err)
	}
	packed, err := gzip.NewWriterLevel(sealed, gzip.BestSpeed)
	if err != nil {
		return sum, fmt.Errorf("begin the backup: %w", err)
	}
	if err := writeAll(ctx, &frameWriter{w: packed}, src, &sum); err != nil {
		return sum, fmt.Errorf("write the backup: %w", err)
	}
	if err := packed.Close(); err != nil {
		return sum, fmt.Errorf("end the backup: %w", err)
	}
	if err := sealed.Close(); err != nil {
		return sum, fmt.Errorf("end the backup: %w", err)
	}
	return sum, nil
}

func writeAll(ctx context.Context, w *frameWriter, src Source, sum *Summary) error {
	if err := w.begin(*sum); err != nil {
		return err
	}
	for _, f := range src.Files {
		content, mode, err := readFile(f)
		if err != nil {
			return err
		}
		if err := w.file(f.Name, mode, content); err != nil {
			return err
		}
		sum.Files = append(sum.Files, f.Name)
	}
	for item, err := range src.State.Dump(ctx) {
		if err != nil {
			return err
		}
		if err := w.item(item); err != nil {
			return err
		}
		sum.count(item)
	}
	return w.end(*sum)
}

func readFile(f File) ([]byte, fs.FileMode, error) {
	if err := checkName(f.Name); err != nil {
		return nil, 0, err
	}
	info, err := os.Stat(f.Path)
	if err != nil {
		return nil, 0, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, 0, fmt.Errorf("%s is not a small regular file", f.Path)
	}
	content, err := os.ReadFile(f.Path)
	return content, info.Mode().Perm(), err
}

// checkName refuses a name that is not clean and below the data folder, and one
// that the stores or a restore use themselves.
func checkName(name string) error {
	local := filepath.FromSlash(name)
	if !filepath.IsLocal(local) || filepath.Clean(local) != local || name[0] == '.' {
		return fmt.Errorf("%q cannot be the name of a file in a backup", name)
	}
	return nil
}

func (s *Summary) count(item state.Item) {
	switch item.Kind {
	case state.ItemScope:
		s.Scopes++
	case state.ItemRecord:
		s.Records++
	case state.ItemCounter:
		s.Counts++
	case state.ItemEntry:
		s.Entries++
	}
}
