package bolt

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
)

func TestOneGatewayAtATime(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) || !strings.Contains(err.Error(), "another gateway is running on this data folder") {
		t.Errorf("opened twice: %v", err)
	}
	if err := put(t.Context(), s, "s", "a"); err != nil {
		t.Errorf("the first one suffered: %v", err)
	}
	closed(t, s)
	closed(t, openIn(t, dir))
}

func TestFilesAreTheOwnersAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "data")
	closed(t, openIn(t, dir))
	for name, mode := range map[string]os.FileMode{".": os.ModeDir | 0o700, StateFile: 0o600, EventsFolder: os.ModeDir | 0o700} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s has %v, %v", name, info.Mode(), err)
		}
	}
}

// set writes a format version into a file of a store that is closed.
func set(t *testing.T, path string, version uint64) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { return tx.Bucket(metaBucket).Put(formatKey, number(version)) })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

func versionOf(t *testing.T, path string) (version uint64) {
	t.Helper()
	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.View(func(tx *bbolt.Tx) error {
		version = numberIn(tx.Bucket(metaBucket).Get(formatKey), 0)
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	return version
}

func filled(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	s := openIn(t, dir)
	if err := put(t.Context(), s, "s", "old"); err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	return dir
}

// fromZero is the state format with a way from a version before the first.
func fromZero(step func(*bbolt.Tx) error) format {
	f := stateFormat
	f.steps = map[uint64]func(*bbolt.Tx) error{0: step, 1: unchanged}
	return f
}

func TestAnOlderFileIsMigratedAfterACopy(t *testing.T) {
	dir := filled(t)
	path := filepath.Join(dir, StateFile)
	set(t, path, 0)
	renamed := func(tx *bbolt.Tx) error {
		return putRecord(tx, "s", state.Record{Name: "new", Revision: 1})
	}
	s, err := open(dir, Options{}, fromZero(renamed))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "s", "new"); err != nil {
		t.Errorf("it was not migrated: %v", err)
	}
	closed(t, s)
	if v := versionOf(t, path); v != stateFormat.version {
		t.Errorf("it has version %d", v)
	}
	if v := versionOf(t, path+".format-0"); v != 0 {
		t.Errorf("the copy has version %d", v)
	}
	restored := t.TempDir()
	if err := os.Rename(path+".format-0", filepath.Join(restored, StateFile)); err != nil {
		t.Fatal(err)
	}
	set(t, filepath.Join(restored, StateFile), stateFormat.version)
	old := openIn(t, restored)
	if _, err := old.Get(t.Context(), "s", "old"); err != nil {
		t.Errorf("the copy is not what was there: %v", err)
	}
	if _, err := old.Get(t.Context(), "s", "new"); !errors.Is(err, state.ErrNotFound) {
		t.Errorf("the copy was made after the migration: %v", err)
	}
	closed(t, old)
}

func TestAFailedMigrationLeavesTheOldFile(t *testing.T) {
	dir := filled(t)
	path := filepath.Join(dir, StateFile)
	set(t, path, 0)
	broken := errors.New("a record does not fit")
	half := func(tx *bbolt.Tx) error { return errors.Join(tx.DeleteBucket(recordsBucket), broken) }
	for _, f := range []format{fromZero(half), stateFormat} { // the last has no way from it
		if _, err := open(dir, Options{}, f); err == nil {
			t.Fatal("it was opened")
		}
		if v := versionOf(t, path); v != 0 {
			t.Errorf("it has version %d", v)
		}
	}
	s, err := open(dir, Options{}, fromZero(func(*bbolt.Tx) error { return nil }))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "s", "old"); err != nil {
		t.Errorf("something is lost: %v", err)
	}
	closed(t, s)
}

func TestANewerFileIsRefusedUntouched(t *testing.T) {
	for _, name := range []string{StateFile, oldEvents} {
		dir := filled(t)
		older(t, dir, 3)
		set(t, filepath.Join(dir, StateFile), 0)
		set(t, filepath.Join(dir, name), 7)
		before := [][]byte{read(t, filepath.Join(dir, StateFile)), read(t, filepath.Join(dir, oldEvents))}
		_, err := open(dir, Options{}, fromZero(func(*bbolt.Tx) error { return nil }))
		if !errors.Is(err, state.ErrNewer) || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "format 7") {
			t.Errorf("%s: %v", name, err)
		}
		after := [][]byte{read(t, filepath.Join(dir, StateFile)), read(t, filepath.Join(dir, oldEvents))}
		if !slices.EqualFunc(before, after, slices.Equal) {
			t.Errorf("%s: a file was changed", name)
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestOtherFilesAreRefused(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, StateFile)
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database. ", 2000)), 0o600); err != nil {
		t.Fatal(err)
	}
	before := read(t, path)
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), StateFile) {
		t.Errorf("garbage: %v", err)
	}
	if !slices.Equal(before, read(t, path)) {
		t.Error("it was changed")
	}
	dir = t.TempDir()
	db, err := bbolt.Open(filepath.Join(dir, StateFile), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("another program's")); return err })
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, Options{}); err == nil || !strings.Contains(err.Error(), "not a file of this program") {
		t.Errorf("another program's: %v", err)
	}
}

// A load is killed: when the store is opened again it is empty.
func TestALoadThatBrokeOffIsTakenOut(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	if err := s.mark(); err != nil {
		t.Fatal(err)
	}
	if err := put(t.Context(), s, "s", "half"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Append(t.Context(), "log", "", []byte("half")); err != nil {
		t.Fatal(err)
	}
	closed(t, s)
	s = openIn(t, dir)
	defer closed(t, s)
	if r, err := s.Revision(t.Context(), "s"); err != nil || r != 0 {
		t.Errorf("revision %d, %v", r, err)
	}
	if e, err := s.Read(t.Context(), "log", 0, 0); err != nil || len(e) > 0 {
		t.Errorf("%d entries, %v", len(e), err)
	}
	if err := s.Load(t.Context(), func(func(state.Item, error) bool) {}); err != nil {
		t.Errorf("it cannot be loaded: %v", err)
	}
}
