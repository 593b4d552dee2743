package bolt

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
	"gatehouse/storage/state/journal"
)

const (
	// oldEvents is the file that had the streams before they had a journal.
	oldEvents = "events.db"
	// migrating stands in the journal while it is filled from that file, until
	// the file is out of the way.
	migrating = "migrating"
)

// openFiles opens the file of the records and the journal. All is looked at
// before anything is changed.
func (s *Store) openFiles(dir string, records format) (*bbolt.DB, error) {
	db, version, err := openInspected(filepath.Join(dir, StateFile), records)
	if err != nil {
		return nil, err
	}
	if err := s.openStreams(dir, records, db, version); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, syncDir(dir)
}

func openInspected(path string, f format) (*bbolt.DB, uint64, error) {
	db, err := openFile(path)
	if err != nil {
		return nil, 0, fmt.Errorf("open %s: %w", filepath.Base(path), err)
	}
	version, err := f.inspect(db)
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("open %s: %w", filepath.Base(path), err), db.Close())
	}
	return db, version, nil
}

// openStreams opens the journal. A data folder of format 1 is migrated: the
// journal is filled, then the file of the records becomes one of format 2, which
// no older program opens, then the old file is put aside. Cut off before the
// second step it begins anew, after that it is ended.
func (s *Store) openStreams(dir string, records format, db *bbolt.DB, version uint64) error {
	folder := filepath.Join(dir, EventsFolder)
	older := version == fresh || version < stateFormat.version
	if older {
		if err := s.migrateStreams(dir, folder); err != nil {
			return err
		}
	}
	if err := records.prepare(db, version); err != nil {
		return fmt.Errorf("prepare %s: %w", StateFile, err)
	}
	if err := endMigration(dir, folder); err != nil {
		return fmt.Errorf("put %s aside: %w", oldEvents, err)
	}
	var err error
	if s.streams, err = journal.Open(folder, journal.Options{Moment: showing{&s.moment}, Log: s.log}); err != nil {
		return err
	}
	unfinished, err := broken(db)
	if err == nil && unfinished {
		err = s.clear(db)
	}
	if err != nil {
		return errors.Join(err, s.streams.Close())
	}
	return nil
}

// migrateStreams fills a journal from the file that had the streams, where there
// is one.
func (s *Store) migrateStreams(dir, folder string) error {
	path := filepath.Join(dir, oldEvents)
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	from, version, err := openInspected(path, oldStreams)
	if err != nil {
		return err
	}
	unfinished := version == fresh
	if !unfinished {
		unfinished, err = broken(from)
	}
	if err == nil {
		err = s.fillJournal(folder, from, unfinished)
	}
	if err = errors.Join(err, from.Close()); err != nil {
		return fmt.Errorf("migrate %s: %w", oldEvents, err)
	}
	return nil
}

// fillJournal makes a journal anew. One that is there already and was whole is of
// somebody who went back to an older program: it is put aside.
func (s *Store) fillJournal(folder string, from *bbolt.DB, unfinished bool) error {
	mark := filepath.Join(folder, migrating)
	streams, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		return err
	}
	if _, err := os.Lstat(mark); len(streams) > 0 && errors.Is(err, fs.ErrNotExist) {
		aside := folder + time.Now().UTC().Format(".20060102T150405.000000000Z")
		s.log.Warn("the events of a newer program are put aside", slog.String("folder", aside))
		if err := os.Rename(folder, aside); err != nil {
			return err
		}
	}
	if err := errors.Join(os.RemoveAll(folder), os.Mkdir(folder, 0o700), os.WriteFile(mark, nil, 0o600), syncDir(folder)); err != nil {
		return err
	}
	to, err := journal.Open(folder, journal.Options{Log: s.log})
	if err != nil {
		return err
	}
	if !unfinished {
		err = from.View(func(tx *bbolt.Tx) error { return s.copyStreams(tx, to) })
	}
	return errors.Join(err, to.Close())
}

// endMigration puts the old file aside, which is the copy of what was migrated.
func endMigration(dir, folder string) error {
	mark := filepath.Join(folder, migrating)
	if _, err := os.Lstat(mark); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	path := filepath.Join(dir, oldEvents)
	if err := os.Rename(path, old(path, oldStreams.version)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := syncDir(dir); err != nil {
		return err
	}
	return errors.Join(os.Remove(mark), syncDir(folder))
}

func (s *Store) copyStreams(tx *bbolt.Tx, to *journal.Journal) error {
	c := tx.Bucket(streamsBucket).Cursor()
	for k, v := c.First(); k != nil; k, v = c.Next() {
		cp := copying{to: to, stream: string(k), log: s.log}
		if err := cp.all(tx, numberIn(v, 0), numberIn(v, 1)); err != nil {
			return fmt.Errorf("the stream %s: %w", cp.stream, err)
		}
	}
	return nil
}

// A copying is a stream on its way. What cannot be read leaves a gap.
type copying struct {
	to      *journal.Journal
	log     *slog.Logger
	stream  string
	last    uint64
	pending []state.Entry
	size    int
}

func (c *copying) all(tx *bbolt.Tx, last, trimmed uint64) error {
	c.last = trimmed
	if err := c.to.Begin(c.stream, trimmed); err != nil {
		return err
	}
	err := each(tx, entriesBucket, c.stream, func(position string, value []byte) error {
		p := numberIn([]byte(position), 0)
		at, entry, err := decodeTimed(value)
		if err != nil || p <= c.last || p > last {
			c.log.Error("an entry of a stream is damaged", slog.String("stream", c.stream), slog.Uint64("position", p))
			return nil
		}
		return c.add(state.Entry{Position: p, Time: at, Value: bytes.Clone(entry)})
	})
	if err == nil {
		err = c.flush()
	}
	if err == nil && c.last < last {
		err = c.to.Begin(c.stream, last)
	}
	return err
}

func (c *copying) add(e state.Entry) error {
	if e.Position != c.last+1 {
		if err := errors.Join(c.flush(), c.to.Begin(c.stream, e.Position-1)); err != nil {
			return err
		}
	}
	c.pending, c.last = append(c.pending, e), e.Position
	if c.size += len(e.Value) + 100; c.size < loadSize {
		return nil
	}
	return c.flush()
}

func (c *copying) flush() error {
	if len(c.pending) == 0 {
		return nil
	}
	err := c.to.Fill(context.Background(), c.stream, c.pending)
	c.pending, c.size = c.pending[:0], 0
	return err
}
