package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
)

// older makes a data folder one of format 1, with n entries in the stream log, of
// which the first is trimmed, and one in another.
func older(t *testing.T, dir string, n uint64) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, EventsFolder)); err != nil {
		t.Fatal(err)
	}
	set(t, filepath.Join(dir, StateFile), 1)
	db, err := bbolt.Open(filepath.Join(dir, oldEvents), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		f := format{version: 1, buckets: [][]byte{streamsBucket, entriesBucket, madeBucket, expiryBucket}}
		err := f.make(tx)
		for p := uint64(2); p <= n; p++ {
			err = errors.Join(err, tx.Bucket(entriesBucket).Put(numbered("log", p), encodeTimed(time.Unix(int64(p), 0), fmt.Append(nil, p))))
		}
		return errors.Join(err,
			tx.Bucket(streamsBucket).Put([]byte("log"), binary.BigEndian.AppendUint64(number(n), 1)),
			tx.Bucket(streamsBucket).Put([]byte("other"), append(number(1), number(0)...)),
			tx.Bucket(entriesBucket).Put(numbered("other", 1), encodeTimed(time.Unix(1, 0), []byte("one"))))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// wantMigrated finds what older made.
func wantMigrated(t *testing.T, s *Store, n uint64) {
	t.Helper()
	entries, err := s.Read(t.Context(), "log", 0, 100_000)
	if err != nil || uint64(len(entries)) != n-1 {
		t.Fatalf("%d entries, %v, want %d", len(entries), err, n-1)
	}
	for i, e := range entries {
		p := uint64(i + 2)
		if e.Position != p || string(e.Value) != fmt.Sprint(p) || !e.Time.Equal(time.Unix(int64(p), 0)) {
			t.Fatalf("at %d is %+v", p, e)
		}
	}
	if other, err := s.Read(t.Context(), "other", 0, 0); err != nil || len(other) != 1 || string(other[0].Value) != "one" {
		t.Errorf("the other stream has %v, %v", other, err)
	}
	if _, err := s.Get(t.Context(), "s", "old"); err != nil {
		t.Errorf("the record: %v", err)
	}
}

func TestStreamsOfAnOlderFolderAreMigrated(t *testing.T) {
	const n = 5000
	dir := filled(t)
	older(t, dir, n)
	s := openIn(t, dir)
	wantMigrated(t, s, n)
	if p, err := s.Append(t.Context(), "log", "", []byte("new")); err != nil || p != n+1 {
		t.Errorf("position %d, %v", p, err)
	}
	closed(t, s)
	s = openIn(t, dir)
	defer closed(t, s)
	if e, err := s.ReadBack(t.Context(), "log", 0, 1); err != nil || len(e) != 1 || e[0].Position != n+1 {
		t.Errorf("the last one is %v, %v", e, err)
	}
	for _, name := range []string{StateFile, oldEvents} { // the copies
		if v := versionOf(t, filepath.Join(dir, name+".format-1")); v != 1 {
			t.Errorf("the copy of %s has version %d", name, v)
		}
	}
	for _, gone := range []string{oldEvents, filepath.Join(EventsFolder, migrating)} {
		if _, err := os.Lstat(filepath.Join(dir, gone)); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is there: %v", gone, err)
		}
	}
}

// A program of format 1 looks at state.db first, and finds a newer one.
func TestAnOlderProgramRefusesTheFolder(t *testing.T) {
	dir := filled(t)
	one := stateFormat
	one.version = 1
	_, _, err := openInspected(filepath.Join(dir, StateFile), one)
	if !errors.Is(err, state.ErrNewer) || !strings.Contains(err.Error(), "it has format 2, this program knows 1") {
		t.Errorf("it says %v", err)
	}
}

// The migration is cut off after each of its steps: opened again, all is there
// once.
func TestAMigrationThatWasCutOff(t *testing.T) {
	const n = 300
	for name, until := range map[string]func(s *Store, dir, folder string) error{
		"the journal is filled in part": func(s *Store, dir, folder string) error {
			if err := s.migrateStreams(dir, folder); err != nil {
				return err
			}
			segments, err := filepath.Glob(filepath.Join(folder, "log", "*"))
			return errors.Join(err, os.Truncate(segments[0], 1000))
		},
		"the journal is filled": func(s *Store, dir, folder string) error { return s.migrateStreams(dir, folder) },
		"the records have the new format": func(s *Store, dir, folder string) error {
			if err := s.migrateStreams(dir, folder); err != nil {
				return err
			}
			db, version, err := openInspected(filepath.Join(dir, StateFile), stateFormat)
			if err != nil {
				return err
			}
			return errors.Join(stateFormat.prepare(db, version), db.Close())
		},
		"the old file is aside": func(s *Store, dir, folder string) error {
			if err := s.migrateStreams(dir, folder); err != nil {
				return err
			}
			db, version, err := openInspected(filepath.Join(dir, StateFile), stateFormat)
			if err != nil {
				return err
			}
			path := filepath.Join(dir, oldEvents)
			return errors.Join(stateFormat.prepare(db, version), db.Close(), os.Rename(path, old(path, 1)))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filled(t)
			older(t, dir, n)
			if err := until(discarding(), dir, filepath.Join(dir, EventsFolder)); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				s := openIn(t, dir)
				wantMigrated(t, s, n)
				closed(t, s)
			}
		})
	}
}

// Who goes back to an older program, with its copies, and on again loses neither
// what was appended meanwhile nor what was before.
func TestThereAndBack(t *testing.T) {
	dir := filled(t)
	s := openIn(t, dir)
	if _, err := s.Append(t.Context(), "log", "", []byte("of the newer program")); err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	whole := filepath.Join(dir, EventsFolder)
	away := filepath.Join(dir, "away")
	if err := os.Rename(whole, away); err != nil {
		t.Fatal(err)
	}
	older(t, dir, 3)
	if err := os.Rename(away, whole); err != nil {
		t.Fatal(err)
	}
	s = openIn(t, dir)
	defer closed(t, s)
	wantMigrated(t, s, 3)
	aside, err := filepath.Glob(whole + ".*/log/*")
	if err != nil || len(aside) != 1 {
		t.Errorf("put aside are %v, %v", aside, err)
	}
}

// An entry of the old file that cannot be read hides no others, and is not passed
// over in silence.
func TestADamagedEntryIsAGapAfterTheMigration(t *testing.T) {
	dir := filled(t)
	older(t, dir, 5)
	db, err := bbolt.Open(filepath.Join(dir, oldEvents), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(entriesBucket).Put(numbered("log", 3), []byte("?")) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s := openIn(t, dir)
	defer closed(t, s)
	if e, err := s.Read(t.Context(), "log", 0, 0); err != nil || len(e) != 1 || e[0].Position != 2 {
		t.Errorf("before it: %v, %v", e, err)
	}
	var damage *state.DamageError
	if _, err := s.Read(t.Context(), "log", 2, 0); !errors.As(err, &damage) || damage.First != 3 || damage.Last != 3 {
		t.Errorf("at it: %v", err)
	}
	if e, err := s.Read(t.Context(), "log", 3, 0); err != nil || len(e) != 2 || e[0].Position != 4 {
		t.Errorf("after it: %v, %v", e, err)
	}
}
