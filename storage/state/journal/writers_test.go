package journal

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state"
)

// Writers, readers and a trimmer at once: a reader sees no gap but at its
// beginning, and nothing twice.
func TestReadingWhileAppendingAndTrimming(t *testing.T) {
	j := openSmall(t, t.TempDir(), newDisk())
	defer closed(t, j)
	const writers, each = 4, 100
	var writing, reading sync.WaitGroup
	done := make(chan struct{})
	for w := range writers {
		writing.Go(func() {
			for n := range each {
				if _, err := j.Append(t.Context(), "log", state.NewOperationID(), fmt.Append(nil, w, " ", n), make([]byte, 100)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for _, back := range []bool{false, true} {
		reading.Go(func() {
			for at := uint64(0); ; {
				select {
				case <-done:
					return
				default:
				}
				at = readSome(t, j, at, back)
			}
		})
	}
	reading.Go(func() {
		for upTo := uint64(1); upTo < writers*each; upTo += 20 {
			if err := j.Trim(t.Context(), "log", upTo); err != nil {
				t.Error(err)
			}
		}
	})
	writing.Wait()
	close(done)
	reading.Wait()
	last, err := j.ReadBack("log", 0, 1)
	if err != nil || len(last) != 1 || last[0].Position != 2*writers*each {
		t.Errorf("the last one is %v, %v", last, err)
	}
}

func readSome(t *testing.T, j *Journal, at uint64, back bool) uint64 {
	read, step := j.Read, uint64(1)
	if back {
		read, step = j.ReadBack, ^uint64(0)
	}
	entries, err := read("log", at, 50)
	if err != nil {
		t.Errorf("after %d: %v", at, err)
		return 0
	}
	for i, e := range entries {
		if i > 0 && e.Position != entries[i-1].Position+step {
			t.Errorf("%d comes after %d", e.Position, entries[i-1].Position)
		}
	}
	if len(entries) == 0 || back && entries[len(entries)-1].Position == 1 {
		return 0
	}
	return entries[len(entries)-1].Position
}

// busy has the next write wait until it is released, and all further syncs
// counted.
func (d *disk) busy() (under <-chan struct{}, release func(), syncs func() int) {
	started, going := make(chan struct{}), make(chan struct{})
	n, first := 0, true
	d.mu.Lock()
	defer d.mu.Unlock()
	d.fail = func(what string) error {
		switch {
		case what == "sync":
			n++
		case what == "write" && first:
			first = false
			close(started)
			<-going
		}
		return nil
	}
	return started, func() { close(going) }, func() int {
		d.mu.Lock()
		defer d.mu.Unlock()
		return n
	}
}

func TestManyWritersShareSyncs(t *testing.T) {
	d := newDisk()
	j := openSmall(t, t.TempDir(), d)
	defer closed(t, j)
	add(t, j, "first")
	const writers = 50
	var all sync.WaitGroup
	write := func() {
		if _, err := j.Append(t.Context(), "log", "", []byte("e")); err != nil {
			t.Error(err)
		}
	}
	under, release, syncs := d.busy()
	all.Go(write)
	<-under
	for range writers {
		all.Go(write)
	}
	s, err := j.stream("log")
	if err != nil {
		t.Fatal(err)
	}
	for waiting := 0; waiting < writers; runtime.Gosched() {
		s.mu.Lock()
		waiting = len(s.waiting)
		s.mu.Unlock()
	}
	release()
	all.Wait()
	if n := syncs(); n > 4 { // those of a further segment among them
		t.Errorf("%d syncs for %d appends", n, writers)
	}
}

func TestWhatWaitsCanBeGivenUp(t *testing.T) {
	d := newDisk()
	j := openSmall(t, t.TempDir(), d)
	defer closed(t, j)
	add(t, j, "first")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	under, release, _ := d.busy()
	var all sync.WaitGroup
	all.Go(func() { add(t, j, "under way") })
	<-under
	_, err := j.Append(ended, "log", "", []byte("given up"))
	if !errors.Is(err, context.Canceled) || errors.Is(err, state.ErrUnknown) {
		t.Errorf("given up: %v", err)
	}
	release()
	all.Wait()
	wantTexts(t, j, "first", "under way")
}

// A disk that does not answer holds up nobody for longer than he waits.
func TestADiskThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, going := newDisk(), make(chan struct{})
		var hangs atomic.Bool
		d.fail = func(what string) error {
			if hangs.Load() && what == "sync" {
				<-going
			}
			return nil
		}
		j := openSmall(t, t.TempDir(), d)
		defer closed(t, j)
		add(t, j, "first")
		hangs.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := j.Append(ctx, "log", "", []byte("hangs")); !errors.Is(err, state.ErrUnknown) {
			t.Errorf("got %v", err)
		}
		wantTexts(t, j, "first")
		hangs.Store(false)
		close(going)
		synctest.Wait()
		wantTexts(t, j, "first", "hangs")
	})
}
