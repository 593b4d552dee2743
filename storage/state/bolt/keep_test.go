package bolt

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
)

func keys(t *testing.T, f *file, bucket []byte) (n int) {
	t.Helper()
	err := f.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(_, _ []byte) error { n++; return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestAllIsThereAfterAReopening(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	limit := int64(9)
	b := state.Batch{Scope: "s", ID: state.NewOperationID(), Puts: []state.Put{{Name: "a", Value: []byte("1")}}}
	lease := state.Lease{ID: state.NewOperationID(), Name: "n", Holder: "h", SetLimit: &limit, Want: 4}
	entry := state.NewOperationID()
	for range 2 {
		if r, err := s.Apply(t.Context(), b); err != nil || r.Revision != 1 {
			t.Errorf("revision %d, %v", r.Revision, err)
		}
		if v, err := s.Count(t.Context(), "s", lease); err != nil || v.Held != 4 {
			t.Errorf("counter %+v, %v", v, err)
		}
		if p, err := s.Append(t.Context(), "log", entry, []byte("e")); err != nil || p != 1 {
			t.Errorf("position %d, %v", p, err)
		}
		closed(t, s)
		s = openIn(t, dir)
	}
	defer closed(t, s)
	changes, err := s.Watch(t.Context(), "s", 0)
	if err != nil {
		t.Fatal(err)
	}
	if c := <-changes; c != (state.Change{Revision: 1, Name: "a"}) {
		t.Errorf("the change log has %+v", c)
	}
}

func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open1(t)
		defer closed(t, s)
		for n := range 2*sweepSize + 10 {
			b := state.Batch{Scope: fmt.Sprint("s", n%3), Puts: []state.Put{{Name: fmt.Sprint(n), TTL: 2 * time.Minute}}}
			if n%100 == 0 {
				b.ID = state.NewOperationID()
			}
			if _, err := s.Apply(t.Context(), b); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := s.Count(t.Context(), "s", state.Window{Name: "w", Period: time.Minute, Add: 1}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // renewed and cleared before they expire
		if err := put(t.Context(), s, "s0", "0"); err != nil {
			t.Fatal(err)
		}
		renewed := state.Batch{Scope: "s1", Puts: []state.Put{{Name: "1", TTL: time.Hour}}}
		if _, err := s.Apply(t.Context(), renewed); err != nil {
			t.Fatal(err)
		}
		lives := keys(t, s.records, recordsBucket) - 1 + keys(t, s.records, countersBucket) + keys(t, s.records, madeBucket)
		if n := keys(t, s.records, expiryBucket); n != lives {
			t.Errorf("%d keys in the index for %d lives", n, lives)
		}
		time.Sleep(5 * time.Minute)
		if r, c := keys(t, s.records, recordsBucket), keys(t, s.records, countersBucket); r != 2 || c != 0 {
			t.Errorf("%d records and %d counters are left, want 2 and 0", r, c)
		}
		if m := keys(t, s.records, madeBucket); m == 0 {
			t.Error("operations were swept too early")
		}
		time.Sleep(10 * time.Minute)
		if m := keys(t, s.records, madeBucket); m != 0 {
			t.Errorf("%d operations are left", m)
		}
		if n := keys(t, s.records, expiryBucket); n != 1 {
			t.Errorf("%d keys are left in the index, want 1", n)
		}
		for scope, name := range map[string]string{"s0": "0", "s1": "1"} {
			if _, err := s.Get(t.Context(), scope, name); err != nil {
				t.Errorf("%s %s: %v", scope, name, err)
			}
		}
	})
}

// The index says that a record's life has ended, the record does not: it stays.
func TestASweepTrustsTheRecord(t *testing.T) {
	s := open1(t)
	defer closed(t, s)
	if err := put(t.Context(), s, "s", "a"); err != nil {
		t.Fatal(err)
	}
	err := s.records.db.Update(func(tx *bbolt.Tx) error { return expire(tx, recordsBucket, key("s", "a"), 0, 1) })
	if err := errors.Join(err, s.sweep(t.Context())); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), "s", "a"); err != nil || keys(t, s.records, expiryBucket) != 0 {
		t.Errorf("get: %v, %d keys in the index", err, keys(t, s.records, expiryBucket))
	}
}

func TestTheChangeLogIsBounded(t *testing.T) {
	dir := t.TempDir()
	s := openIn(t, dir)
	for n := range 2 * keep {
		if err := put(t.Context(), s, fmt.Sprint("s", n%3), "a"); err != nil {
			t.Fatal(err)
		}
	}
	if c, o := keys(t, s.records, changesBucket), keys(t, s.records, orderBucket); c != keep || o != keep {
		t.Errorf("%d and %d batches are kept, want %d", c, o, keep)
	}
	closed(t, s)
	s, err := Open(dir, Options{Changes: 5})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	if c, o := keys(t, s.records, changesBucket), keys(t, s.records, orderBucket); c != 5 || o != 5 {
		t.Errorf("%d and %d batches are kept, want 5", c, o)
	}
	if err := put(t.Context(), s, "s0", "a"); err != nil {
		t.Fatal(err)
	}
	if c := keys(t, s.records, changesBucket); c != 5 {
		t.Errorf("%d batches are kept, want 5", c)
	}
}

// A dump never begins while one of the files is committed.
func TestSnapshotsWaitForACommit(t *testing.T) {
	s := open1(t)
	defer closed(t, s)
	s.moment.RLock() // as a commit does
	begun := make(chan error, 1)
	go func() {
		records, streams, err := s.snapshots()
		if err == nil {
			streams.Release()
			err = records.Rollback()
		}
		begun <- err
	}()
	for s.moment.TryRLock() { // until somebody waits for the commit
		s.moment.RUnlock()
		if len(begun) > 0 {
			t.Fatal("it did not wait")
		}
		runtime.Gosched()
	}
	s.moment.RUnlock()
	if err := <-begun; err != nil {
		t.Error(err)
	}
}

// Bytes in a file that went bad are an error, never a wrong answer or a panic.
func FuzzValues(f *testing.F) {
	f.Add(encodeRecord(state.Record{Value: []byte("v"), Revision: 1, Expires: time.Unix(1, 0)}))
	f.Add(encodeTimed(time.Unix(1, 0), []byte("{}")))
	f.Add(encodeChanges([]state.Change{{Name: "a"}, {Name: "b", Deleted: true}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		for _, err := range []error{
			second(decodeRecord("n", b)), second(decodeCounter(b, time.Now())), second(decodeChanges(nil, 1, b)),
		} {
			if err != nil && !errors.Is(err, errDamaged) {
				t.Errorf("%v", err)
			}
		}
		_, _ = recordEnd(b), counterEnd(b)
	})
}

func second[T any](_ T, err error) error { return err }
