package backup

import (
	"bufio"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"syscall"

	"gatehouse/storage/state"
)

// Folders in the data folder while it is filled. It is built in the first.
// That is renamed to the second when it is whole, and its files then go up.
const (
	building = ".restoring"
	whole    = ".restored"
)

// An OpenState opens an empty store in a folder.
type OpenState func(dir string) (state.Store, error)

// An Amendment changes a state that was restored.
type Amendment func(context.Context, state.Store) error

// Restore restores a backup into a data folder, which is made, or has to be
// empty. It is restored whole, or not at all: what is cut off by a crash is
// completed or taken out by Finish. What the state has to be told about it, then
// tells before it appears.
func Restore(ctx context.Context, r io.Reader, passphrase, dir string, open OpenState, then ...Amendment) (sum Summary, err error) {
	err = Build(dir, wantEmpty, func(aside string) (err error) {
		if sum, err = build(ctx, r, passphrase, aside, open, then); err != nil {
			return fmt.Errorf("restore the backup: %w", err)
		}
		return nil
	})
	return sum, err
}

// Build fills a data folder, which is made, where may allows it: whole, or not at
// all. fill puts files and folders into a folder aside, which take their places when
// it is done; what is cut off by a crash is completed or taken out by Finish.
func Build(dir string, may, fill func(dir string) error) (err error) {
	_, missing := os.Lstat(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	defer func() {
		if err != nil && errors.Is(missing, fs.ErrNotExist) {
			_ = os.Remove(dir) // where nothing else is in it by now
		}
	}()
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	if err := errors.Join(finish(dir), may(dir)); err != nil {
		return err
	}
	aside := filepath.Join(dir, building)
	if err := os.Mkdir(aside, 0o700); err != nil {
		return fmt.Errorf("begin to fill the data folder: %w", err)
	}
	if err = fill(aside); err == nil {
		err = syncTree(aside)
	}
	if err == nil {
		err = os.Rename(aside, filepath.Join(dir, whole))
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(aside))
	}
	return finish(dir)
}

// Finish completes a restore that was cut off when it was whole, and takes out
// what is left of one that was not. It is called before a data folder is used;
// where nothing was restored it does nothing.
func Finish(dir string) (err error) {
	if _, err := os.Lstat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	unlock, err := lock(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	return finish(dir)
}

func finish(dir string) error {
	if err := os.RemoveAll(filepath.Join(dir, building)); err != nil {
		return fmt.Errorf("take out a restore that was cut off: %w", err)
	}
	from := filepath.Join(dir, whole)
	entries, err := os.ReadDir(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("end the restore: %w", err)
	}
	if err := syncDir(dir); err != nil {
		return fmt.Errorf("end the restore: %w", err)
	}
	for _, e := range entries {
		if err := os.Rename(filepath.Join(from, e.Name()), filepath.Join(dir, e.Name())); err != nil {
			return fmt.Errorf("end the restore: %w", err)
		}
	}
	if err := errors.Join(syncDir(dir), os.Remove(from)); err != nil {
		return fmt.Errorf("end the restore: %w", err)
	}
	return nil
}

// lock keeps others from restoring into a data folder at the same time.
func lock(dir string) (unlock func() error, err error) {
	d, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if err := syscall.Flock(int(d.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("a restore into this data folder is running: %w", err), d.Close())
	}
	return d.Close, nil
}

// wantEmpty allows for what a fresh file system has.
func wantEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("look into the data folder: %w", err)
	}
	for _, e := range entries {
		if e.Name() != "lost+found" {
			return fmt.Errorf("%w: there is %s in it", ErrNotEmpty, e.Name())
		}
	}
	return nil
}

// Verify reads a backup to its end and tells what it holds.
func Verify(ctx context.Context, r io.Reader, passphrase string) (Summary, error) {
	b, err := newReader(r, passphrase)
	if err != nil {
		return Summary{}, fmt.Errorf("verify the backup: %w", err)
	}
	for _, err := range b.items(ctx, func(string, fs.FileMode, []byte) error { return nil }) {
		if err != nil {
			return b.sum, fmt.Errorf("verify the backup: %w", err)
		}
	}
	return b.sum, nil
}

// build restores into a folder of its own.
func build(ctx context.Context, r io.Reader, passphrase, dir string, open OpenState, then []Amendment) (Summary, error) {
	b, err := newReader(r, passphrase)
	if err != nil {
		return Summary{}, err
	}
	s, err := open(dir)
	if err != nil {
		return b.sum, err
	}
	err = s.Load(ctx, b.items(ctx, func(name string, mode fs.FileMode, content []byte) error {
		return writeFile(dir, name, mode, content)
	}))
	for _, amend := range then {
		if err == nil {
			err = amend(ctx, s)
		}
	}
	if err = errors.Join(err, s.Close()); err != nil {
		return b.sum, err
	}
	if !b.ended {
		return b.sum, ErrDamaged
	}
	return b.sum, nil
}

func writeFile(dir, name string, mode fs.FileMode, content []byte) (err error) {
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// syncTree makes the names in a folder and its folders durable.
func syncTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		return syncDir(path)
	})
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// A reader reads a backup once.
type reader struct {
	frames frameReader
	sum    Summary
	ended  bool
}

func newReader(r io.Reader, passphrase string) (*reader, error) {
	opened, err := newOpenReader(bufio.NewReader(r), passphrase)
	if err != nil {
		return nil, err
	}
	plain, err := gzip.NewReader(opened)
	if err != nil {
		return nil, broken(err)
	}
	b := &reader{frames: frameReader{r: bufio.NewReaderSize(plain, pieceSize)}}
	kind, content, err := b.frames.read()
	if err != nil {
		return nil, err
	}
	if kind != frameBegin || json.Unmarshal(content, &b.sum) != nil {
		return nil, fmt.Errorf("%w: its beginning", ErrDamaged)
	}
	return b, nil
}

// items yields the items and hands the files over as they come.
func (b *reader) items(ctx context.Context, file func(string, fs.FileMode, []byte) error) iter.Seq2[state.Item, error] {
	return func(yield func(state.Item, error) bool) {
		for !b.ended {
			item, ok, err := b.next(ctx, file)
			if err != nil {
				yield(state.Item{}, err)
				return
			}
			if ok && !yield(item, nil) {
				return
			}
		}
	}
}

// next reads a frame; ok says that it was an item.
func (b *reader) next(ctx context.Context, file func(string, fs.FileMode, []byte) error) (item state.Item, ok bool, err error) {
	if err := ctx.Err(); err != nil {
		return item, false, err
	}
	kind, content, err := b.frames.read()
	if err != nil {
		return item, false, err
	}
	switch kind {
	case frameFile:
		name, mode, data, err := parseFile(content)
		if err != nil {
			return item, false, err
		}
		b.sum.Files = append(b.sum.Files, name)
		return item, false, file(name, mode, data)
	case frameItem:
		item, err = parseItem(content)
		b.sum.count(item)
		return item, err == nil, err
	case frameEnd:
		return item, false, b.end(content)
	}
	return item, false, fmt.Errorf("%w: it has a piece of the kind %q", ErrNewer, kind)
}

// end compares what was read with what was written, up to the very last byte.
func (b *reader) end(content []byte) error {
	var wrote Summary
	if err := json.Unmarshal(content, &wrote); err != nil || !reflect.DeepEqual(wrote, b.sum) {
		return fmt.Errorf("%w: it does not hold what was written", ErrDamaged)
	}
	if _, err := b.frames.r.ReadByte(); !errors.Is(err, io.EOF) {
		return errors.Join(ErrDamaged, err)
	}
	b.ended = true
	return nil
}
