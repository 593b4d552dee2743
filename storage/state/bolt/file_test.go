package bolt

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"gatehouse/storage/state"
)

const fullVariable = "GATEHOUSE_TEST_FULL" // set in the child with the full disk

func closed(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func put(ctx context.Context, s *Store, scope, name string) error {
	_, err := s.Apply(ctx, state.Batch{Scope: scope, Puts: []state.Put{{Name: name, Value: make([]byte, 1000)}}})
	return err
}

func commits(t *testing.T, f *file) int {
	t.Helper()
	tx, err := f.db.Begin(false)
	if err != nil {
		t.Fatal(err)
	}
	n := tx.ID()
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestManyWritersShareCommits(t *testing.T) {
	s := open1(t)
	defer closed(t, s)
	before := commits(t, s.records)
	const writers, each = 64, 8
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for n := range each {
				if err := put(t.Context(), s, fmt.Sprint(w), fmt.Sprint(n)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n := commits(t, s.records) - before; n > writers*each/4 {
		t.Errorf("%d commits for %d changes", n, writers*each)
	}
}

func TestALoneWriterDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open1(t)
		defer closed(t, s)
		before := time.Now()
		for n := range 20 {
			if err := put(t.Context(), s, "s", fmt.Sprint(n)); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(before); waited > 0 {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestAppendsDoNotCommitRecords(t *testing.T) {
	s := open1(t)
	defer closed(t, s)
	records := commits(t, s.records)
	if _, err := s.Append(t.Context(), "log", "", []byte("e")); err != nil {
		t.Fatal(err)
	}
	if commits(t, s.records) != records {
		t.Error("an append went through the file of the records")
	}
}

func TestWhatChangesNothingIsNotCommitted(t *testing.T) {
	s := open1(t)
	defer closed(t, s)
	limit := int64(1)
	b := state.Batch{Scope: "s", ID: state.NewOperationID(), Puts: []state.Put{{Name: "a"}}}
	lease := state.Lease{Name: "n", Holder: "h", SetLimit: &limit, Want: 1}
	if _, err := s.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Count(t.Context(), "s", lease); err != nil {
		t.Fatal(err)
	}
	before := commits(t, s.records)
	for _, try := range []func() error{
		func() error { _, err := s.Apply(t.Context(), b); return err },
		func() error { _, err := s.Count(t.Context(), "s", lease); return err }, // refused
		func() error { _, err := s.Count(t.Context(), "s", state.Lease{Name: "n"}); return err },
		func() error { _, err := s.Count(t.Context(), "s", state.Drop{Name: "none"}); return err },
	} {
		if err := try(); err != nil {
			t.Error(err)
		}
	}
	if n := commits(t, s.records) - before; n > 0 {
		t.Errorf("%d commits", n)
	}
}

// hold stops the writer of the records after its next commit, until released.
func hold(s *Store) (held <-chan struct{}, release func()) {
	stopped, going, over := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s.records.committed = func() {
		close(stopped)
		<-going
		s.records.committed = nil
		close(over)
	}
	return stopped, func() {
		close(going)
		<-over
	}
}

func TestWhatWaitsCanBeGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open1(t)
		defer closed(t, s)
		held, release := hold(s)
		var all sync.WaitGroup
		all.Go(func() {
			if err := put(t.Context(), s, "s", "first"); err != nil {
				t.Error(err)
			}
		})
		<-held
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := put(ctx, s, "s", "second"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, state.ErrUnknown) {
			t.Errorf("given up: %v", err)
		}
		release()
		all.Wait()
		if _, err := s.Get(t.Context(), "s", "second"); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("it was made all the same: %v", err)
		}
	})
}

func TestWhatWasNotBegunCanBeGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open1(t)
		defer closed(t, s)
		s.records.last = 2 // it waits for a second one
		ctx, cancel := context.WithTimeout(t.Context(), groupPatience/2)
		defer cancel()
		if err := put(ctx, s, "s", "a"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, state.ErrUnknown) {
			t.Errorf("given up: %v", err)
		}
		time.Sleep(time.Second)
		if _, err := s.Get(t.Context(), "s", "a"); !errors.Is(err, state.ErrNotFound) {
			t.Errorf("it was made all the same: %v", err)
		}
	})
}

func TestCloseWaitsForWhatWasBegun(t *testing.T) {
	for range 10 {
		synctest.Test(t, func(t *testing.T) {
			s := open1(t)
			held, release := hold(s)
			var all sync.WaitGroup
			begin := func(name string) {
				all.Go(func() {
					if err := put(t.Context(), s, "s", name); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				})
			}
			begin("first")
			<-held
			begin("second")
			synctest.Wait()
			all.Go(func() { closed(t, s) })
			synctest.Wait()
			release()
			all.Wait()
		})
	}
}

func TestWatchersHearWhatItsCallerDidNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open1(t)
		defer closed(t, s)
		changes, err := s.Watch(t.Context(), "s", 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := cut(t, s, func(ctx context.Context) error { return put(ctx, s, "s", "a") }); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("the caller heard %v", err)
		}
		if c := <-changes; c.Name != "a" {
			t.Errorf("got %+v", c)
		}
	})
}

// A commit whose last step failed can be seen and may not be durable: what
// finds it made is not told so before a further commit.
func TestAnUnsureCommitIsSettled(t *testing.T) {
	s := open1(t)
	defer closed(t, s)
	b := state.Batch{Scope: "s", ID: state.NewOperationID(), Puts: []state.Put{{Name: "a"}}}
	if _, err := s.Apply(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("input/output error")
	before := commits(t, s.records)
	if err := s.records.unsure(uint64(before), broken); !errors.Is(err, state.ErrUnknown) || !errors.Is(err, broken) {
		t.Errorf("a commit that is visible: %v", err)
	}
	for range 2 {
		if _, err := s.Apply(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if n := commits(t, s.records) - before; n != 1 {
		t.Errorf("%d commits, want one that settles it", n)
	}
	if err := s.records.unsure(uint64(commits(t, s.records))+1, broken); errors.Is(err, state.ErrUnknown) || !errors.Is(err, broken) {
		t.Errorf("a commit that is not visible: %v", err)
	}
}

// The disk is full: changes are refused, what is there stays readable, and
// when there is room again all goes on. It runs in a child, of which no file may
// grow beyond a limit.
func TestFullDisk(t *testing.T) {
	if os.Getenv(fullVariable) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFullDisk$", "-test.v")
		cmd.Env = append(os.Environ(), fullVariable+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: TestFullDisk") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	s := open1(t)
	defer closed(t, s)
	if err := put(t.Context(), s, "s", "before"); err != nil {
		t.Fatal(err)
	}
	signal.Ignore(syscall.SIGXFSZ)
	defer signal.Reset(syscall.SIGXFSZ)
	var old syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	full := syscall.Rlimit{Cur: 8 << 10, Max: old.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &full); err != nil {
		t.Fatal(err)
	}
	failures := make([]error, 0, 20)
	for n := range 10 {
		_, err := s.Append(t.Context(), "log", "", make([]byte, 9000))
		failures = append(failures, err, put(t.Context(), s, "s", fmt.Sprint(n)))
	}
	_, readable := s.Get(t.Context(), "s", "before")
	revision, err := s.Revision(t.Context(), "s")
	if err := errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &old)); err != nil {
		t.Fatal(err)
	}
	for i, err := range failures {
		if err == nil || errors.Is(err, state.ErrUnknown) {
			t.Errorf("change %d on a full disk: %v", i, err)
		}
		if i%2 == 1 && !errors.Is(err, state.ErrFull) { // of records
			t.Errorf("change %d on a full disk: %v, want ErrFull", i, err)
		}
	}
	if readable != nil || revision != 1 {
		t.Errorf("meanwhile revision %d, get: %v", revision, readable)
	}
	if err := put(t.Context(), s, "s", "after"); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if p, err := s.Append(t.Context(), "log", "", []byte("e")); err != nil || p != 1 {
		t.Errorf("with room again at %d: %v", p, err)
	}
	page, err := s.List(t.Context(), "s", "", "", 0)
	if err != nil || len(page.Records) != 2 {
		t.Errorf("%d records, %v", len(page.Records), err)
	}
}

// One change that fails while it is written takes those of its commit with it,
// and nobody else.
func TestAFailedWriteEndsItsCommitAlone(t *testing.T) {
	s := open1(t)
	defer closed(t, s)
	broken := errors.New("broken")
	err := s.update(t.Context(), func(tx *bbolt.Tx) (func() error, error) {
		return func() error { return errors.Join(tx.Bucket(recordsBucket).Put([]byte("half"), nil), broken) }, nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	err = s.update(t.Context(), func(*bbolt.Tx) (func() error, error) { panic("a page is wrong") })
	if err == nil {
		t.Error("a panic of the library was not an error")
	}
	if err := put(t.Context(), s, "s", "a"); err != nil {
		t.Errorf("after it: %v", err)
	}
	err = s.records.db.View(func(tx *bbolt.Tx) error {
		if tx.Bucket(recordsBucket).Get([]byte("half")) != nil {
			t.Error("half a change is there")
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Who dumps asks the store for more while it is being closed: neither waits for
// the other.
func TestCloseDuringADump(t *testing.T) {
	s := open1(t)
	for n := range 3 {
		if err := put(t.Context(), s, "s", fmt.Sprint(n)); err != nil {
			t.Fatal(err)
		}
	}
	ending := make(chan error, 1)
	var last error
	seen := 0
	for _, err := range s.Dump(t.Context()) {
		if seen++; seen == 1 {
			go func() { ending <- s.Close() }()
			<-s.ctx.Done()
			if _, err := s.Get(t.Context(), "s", "0"); !errors.Is(err, state.ErrClosed) {
				t.Errorf("get: %v", err)
			}
		}
		last = err
	}
	if !errors.Is(last, state.ErrClosed) {
		t.Errorf("the dump ended with %v", last)
	}
	if err := <-ending; err != nil {
		t.Error(err)
	}
}
