package quota_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/quota"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// A node is short of room that another one has leased ahead: that one is told first, so
// that its writers give back what they do not use, and the room changes hands.
func TestWhoLeasedAheadIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m, other := pair(t)
		held, err := m.ledger.ReserveBytes(t.Context(), p("/q/f"), 900, 900)
		if err != nil {
			t.Fatal(err)
		}
		m.ledger.Yielding(func() { held.Shrink(quota.Amount{Bytes: 100}) })
		r, err := other.ledger.Reserve(t.Context(), p("/q/g"), quota.Amount{Bytes: 800})
		if err != nil {
			t.Fatalf("there is room for it: %v", err)
		}
		r.Cancel()
		held.Cancel()
		c.close(m, other)
	})
}

// Another node asks for room in a quota of which this one has not heard, or which it has
// just forgotten: there is nothing to give back.
func TestAskedForRoomOfNoQuota(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m, other := pair(t)
		_, err := c.store.Apply(t.Context(), state.Batch{Scope: "quotas", ID: state.NewOperationID(), Puts: []state.Put{
			{Name: "reclaim/nobody/c/9", Value: []byte{}, TTL: time.Minute},
		}})
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		wantUsed(t, m.ledger, "/q", quota.Amount{})
		c.close(m, other)
	})
}

// unlisted is a store that cannot be asked for what it holds, for a while.
type unlisted struct {
	state.Store
	away bool
}

func (u *unlisted) List(ctx context.Context, scope, prefix, after string, limit int) (state.Page, error) {
	if u.away {
		return state.Page{}, state.ErrAway
	}
	return u.Store.List(ctx, scope, prefix, after, limit)
}

// Whether others have just made room cannot be found out: that is not the client's
// quota, and it may come again.
func TestFullAsFarAsCanBeSeen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m, other := pair(t)
		store := &unlisted{Store: c.store}
		c.store = store
		third := c.begin("c")
		store.away = true
		_, err := third.ledger.Reserve(t.Context(), p("/q/f"), quota.Amount{Bytes: 1001})
		if !errors.Is(err, quota.ErrAway) || errors.Is(err, quota.ErrExceeded) {
			t.Errorf("got %v", err)
		}
		store.away = false
		_, err = third.ledger.Reserve(t.Context(), p("/q/f"), quota.Amount{Bytes: 1001})
		wantExceeded(t, err, "/q")
		c.close(m, other, third)
	})
}

// What the other nodes do cannot be seen: then nothing is counted, or what they have under
// way would be missing from the figure.
func TestCountingBlindly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m, other := pair(t)
		store := &unlisted{Store: c.store}
		c.store = store
		third := c.begin("c")
		store.away = true
		if _, err := third.ledger.Rescan(t.Context(), p("/q")); !errors.Is(err, quota.ErrAway) {
			t.Errorf("got %v", err)
		}
		store.away = false
		c.close(m, other, third)
	})
}

// A count gives back what the dead have leased, and nothing of what this run itself holds.
func TestACountKeepsOnesOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, d := memory.New(), newDisk()
		l := open(t, store, "1", d)
		set(t, l, "/q", 1000, 10)
		time.Sleep(time.Hour)
		r, err := l.Reserve(t.Context(), p("/q/f"), quota.Amount{Bytes: 300, Files: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Rescan(t.Context(), p("/q")); err != nil {
			t.Fatal(err)
		}
		if v := counterOf(t, store, "/q", "bytes"); v.Leased < 300 {
			t.Errorf("300 bytes are promised, %v leased", v.Holders)
		}
		r.Cancel()
		closeLedger(t, l)
	})
}

// A run is buried by who knows that it is dead, and nothing else says so: what it leased
// and what it wrote is settled all the same.
func TestBuriedOnTheWordOfTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, d := memory.New(), newDisk()
		dead, kill := killed(t, store, "1", d)
		set(t, dead, "/q", 1000, 10)
		l := another(t, store, d)
		l.Share(quota.Sharing{})
		time.Sleep(time.Hour)
		if err := d.write(t.Context(), dead, p("/q/f"), 300); err != nil {
			t.Fatal(err)
		}
		kill()
		if err := l.Bury(t.Context(), "node", "1"); err != nil {
			t.Fatal(err)
		}
		wantSettled(t, store)
		closeLedger(t, l)
	})
}

// The state of several nodes goes on with one that is alone: what the others had leased
// comes back, though nobody is left to declare them dead.
func TestAloneAfterOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, d := memory.New(), newDisk()
		other, kill := killed(t, store, "1", d)
		set(t, other, "/q", 1000, 10)
		time.Sleep(time.Hour)
		if err := d.write(t.Context(), other, p("/q/f"), 300); err != nil {
			t.Fatal(err)
		}
		kill()
		l := ledger(t, store, "another", "1", d.walk)
		if err := l.Alone(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantSettled(t, store)
		closeLedger(t, l)
	})
}

// wantSettled waits until whatever was to be done is, and looks for the 300 bytes of a
// run that is gone.
func wantSettled(t *testing.T, store state.Store) {
	t.Helper()
	time.Sleep(time.Hour) // of the bubble
	if v := counterOf(t, store, "/q", "bytes"); v.Leased > 0 || v.Used != 300 {
		t.Errorf("300 bytes are there, %d booked, %v leased", v.Used, v.Holders)
	}
}
