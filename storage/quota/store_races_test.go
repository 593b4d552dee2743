package quota_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/quota"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// What is given back here while the store is asked is used, and nothing leased.
func TestGivenBackMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &meddled{Store: memory.New()}
		l := open(t, store, "1", newDisk())
		set(t, l, "/q", 100, -1)
		first, err := l.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 60}) // of 80 that are leased
		if err != nil {
			t.Fatal(err)
		}
		looked := false
		store.onCount(func(op state.Lease) error {
			if looked {
				t.Errorf("asked for more: %+v", op)
			}
			looked = true
			first.Cancel()
			return nil
		})
		if _, err := l.Reserve(t.Context(), p("/q/b"), quota.Amount{Bytes: 80}); err != nil || !looked {
			t.Errorf("%v, looked %v", err, looked)
		}
		store.count.Store(nil)
	})
}

// A refusal comes at once where no other node could give anything back.
func TestRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &meddled{Store: memory.New()}
		l := open(t, store, "1", newDisk())
		set(t, l, "/q", 100, -1)
		store.onApply(func(b state.Batch) { t.Errorf("written: %+v", b) })
		began := time.Now()
		_, err := l.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 101})
		wantExceeded(t, err, "/q")
		if waited := time.Since(began); waited > 0 {
			t.Errorf("after %s", waited)
		}
		store.apply.Store(nil)
	})
}

// What a store that is away may or may not have booked is used all the same.
func TestUsedWhileBookingFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, d := &meddled{Store: memory.New()}, newDisk()
		l := open(t, store, "1", d)
		set(t, l, "/q", 100, -1)
		if err := d.write(t.Context(), l, p("/q/a"), 40); err != nil {
			t.Fatal(err)
		}
		var failed atomic.Bool
		store.onCount(func(op state.Lease) error {
			if op.Commit == 0 {
				return nil
			}
			failed.Store(true)
			return errors.New("away")
		})
		time.Sleep(3 * time.Second)
		if !failed.Load() {
			t.Fatal("nothing was booked")
		}
		wantUsed(t, l, "/q", quota.Amount{Bytes: 40, Files: 1})
		store.count.Store(nil)
		time.Sleep(3 * time.Second)
		wantUsed(t, l, "/q", quota.Amount{Bytes: 40, Files: 1})
	})
}

// While a node waits for what others give back it hears of their changes.
func TestChangesAreHeardWhileShortOfRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		common := memory.New()
		mine := open(t, common, "1", newDisk())
		set(t, mine, "/q", 100, -1)
		theirs := another(t, common, newDisk())
		synctest.Wait()
		held, err := theirs.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 60})
		if err != nil {
			t.Fatal(err)
		}
		refused := make(chan error)
		go func() {
			_, err := mine.Reserve(t.Context(), p("/q/b"), quota.Amount{Bytes: 60})
			refused <- err
		}()
		synctest.Wait() // it waits
		set(t, theirs, "/other", 10, -1)
		synctest.Wait()
		if len(mine.Limits(p("/other"))) == 0 {
			t.Error("a new quota was not heard of")
		}
		wantExceeded(t, <-refused, "/q")
		held.Cancel()
	})
}

// A quota that is removed while a change below it begins leaves no mark.
func TestRemovedWhileAChangeBegins(t *testing.T) {
	store := &meddled{Store: memory.New()}
	l := open(t, store, "1", newDisk())
	set(t, l, "/", 100, -1)
	set(t, l, "/q", 100, -1)
	store.onApply(func(b state.Batch) {
		if b.Scope == "quotas:open" {
			store.apply.Store(nil)
			set(t, l, "/q", -1, -1)
		}
	})
	done, err := l.Touch(t.Context(), p("/q/a"))
	if err != nil {
		t.Fatal(err)
	}
	done()
	set(t, l, "/", -1, -1)
	closeLedger(t, l)
	wantClean(t, store)
}

// A quota that is removed while its folder is counted, or while a reservation
// of it is held, does not come back with the next booking.
func TestNothingIsBookedOnWhatIsRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l *quota.Ledger
		store := memory.New()
		remove := false
		l = ledger(t, store, "node", "1", func(context.Context, path.Path) (quota.Amount, error) {
			if remove {
				set(t, l, "/q", -1, -1)
			}
			return quota.Amount{Bytes: 10}, nil
		})
		set(t, l, "/q", 100, -1)
		r, err := l.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 10})
		if err != nil {
			t.Fatal(err)
		}
		remove = true
		if _, err := l.Rescan(t.Context(), p("/q")); err != nil {
			t.Fatal(err)
		}
		r.Commit(quota.Amount{Bytes: 10})
		time.Sleep(time.Minute)
		wantClean(t, store)
	})
}
