package quota_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/quota"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// counterOf is what the store says of a figure of a folder's quota.
func counterOf(t *testing.T, s state.Store, folder, figure string) state.CounterValue {
	t.Helper()
	v, err := s.Count(t.Context(), "quota:"+idOf(t, s, folder), state.Lease{Name: figure, Holder: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// A run is declared dead and buried: what it has sent before and arrives then is refused
// by the store, of every quota, whether it leased something of it or not.
func TestLateCallsOfTheBuried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{t: t, store: memory.New(), disk: newDisk(), random: rand.New(rand.NewPCG(1, 1)), dead: make(map[string]bool)}
		m, other := c.begin("a"), c.begin("b")
		set(t, m.ledger, "/q", 1000, 10)
		set(t, m.ledger, "/idle", 1000, 10)
		time.Sleep(time.Hour)
		if err := c.disk.write(t.Context(), m.ledger, p("/q/f"), 300); err != nil {
			t.Fatal(err)
		}
		c.declareDead(m)
		if err := other.ledger.Bury(t.Context(), m.node, m.epoch); err != nil {
			t.Fatal(err)
		}
		c.refused(m, "/q", "/idle")
		wantUsed(t, other.ledger, "/q", quota.Amount{Bytes: 300, Files: 1})
		closeLedger(t, m.ledger)
		closeLedger(t, other.ledger)
	})
}

// refused asks that nothing more of a run comes to these quotas.
func (c *crowd) refused(m *member, folders ...string) {
	c.t.Helper()
	for _, folder := range folders {
		for _, name := range []string{"bytes", "files"} {
			before, scope := counterOf(c.t, c.store, folder, name), "quota:"+idOf(c.t, c.store, folder)
			for _, late := range []state.Lease{{Min: 1, Want: 2}, {Commit: 1}, {Commit: -1}, {SetUsed: new(int64)}, {SetLimit: new(int64)}} {
				late.ID, late.Name, late.Holder = state.NewOperationID(), name, m.holder()
				if _, err := c.store.Count(c.t.Context(), scope, late); !errors.Is(err, state.ErrBuried) {
					c.t.Errorf("%s, %s: %+v: %v", folder, name, late, err)
				}
			}
			if after := counterOf(c.t, c.store, folder, name); after.Used != before.Used || after.Limit != before.Limit {
				c.t.Errorf("%s, %s: %+v became %+v", folder, name, before, after)
			}
		}
	}
}

// Who counts a folder has the store refuse the late calls of those who are dead before
// the walk begins: what the walk finds would be booked again by them.
func TestWhoCountsHasTheDeadRefusedFirst(t *testing.T) {
	for name, leave := range map[string]func(c *crowd, m *member) error{
		"with a lease": func(c *crowd, m *member) error {
			return c.disk.write(c.t.Context(), m.ledger, p("/q/f"), 300)
		},
		"with a note": func(c *crowd, m *member) error {
			_, err := m.ledger.Touch(c.t.Context(), p("/q/f"))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := &crowd{t: t, store: memory.New(), disk: newDisk(), random: rand.New(rand.NewPCG(1, 1)), dead: make(map[string]bool)}
				m, other := c.begin("a"), c.begin("b")
				set(t, m.ledger, "/q", 1000, 10)
				c.disk.put("/q/there")
				time.Sleep(time.Hour)
				if err := leave(c, m); err != nil {
					t.Fatal(err)
				}
				c.declareDead(m)
				walked := false
				c.disk.pace(func() {
					if !walked {
						walked = true
						c.refused(m, "/q")
					}
				})
				if _, err := other.ledger.Rescan(t.Context(), p("/q")); err != nil || !walked {
					t.Errorf("%v; walked: %v", err, walked)
				}
				wantUsed(t, other.ledger, "/q", c.disk.total(p("/q")))
				closeLedger(t, m.ledger)
				closeLedger(t, other.ledger)
			})
		})
	}
}

// A tree is moved out of a walk's way each time, while what a dead run has written and
// not booked is counted: what that had leased stays taken, until a walk has surely seen it.
func TestMovedOutOfTheWayOfACount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{t: t, store: memory.New(), disk: newDisk(), random: rand.New(rand.NewPCG(1, 1)), dead: make(map[string]bool)}
		m, other, third := c.begin("a"), c.begin("b"), c.begin("c")
		set(t, m.ledger, "/q", 1000, 10)
		time.Sleep(time.Hour)
		if err := c.disk.write(t.Context(), m.ledger, p("/q/z"), 300); err != nil {
			t.Fatal(err)
		}
		c.declareDead(m)
		stop := c.disk.flee(t, third.ledger, "/q/z", "/q/a")
		_, _ = other.ledger.Rescan(t.Context(), p("/q"))
		if v := counterOf(t, c.store, "/q", "bytes"); v.Used+v.Leased < 300 {
			t.Errorf("300 bytes are there, %d used and %v leased", v.Used, v.Holders)
		}
		stop()
		time.Sleep(6 * time.Hour)
		wantUsed(t, other.ledger, "/q", quota.Amount{Bytes: 300, Files: 1})
		for _, m := range []*member{m, other, third} {
			closeLedger(t, m.ledger)
		}
	})
}

// A node sets a limit and dies; another one has set it anew before the first one's call
// arrives: the newer limit stays in force.
func TestLimitOfADyingNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		common, d := memory.New(), newDisk()
		store := &meddled{Store: common}
		theirs := another(t, common, d)
		ctx, die := context.WithCancel(t.Context())
		mine, err := quota.New(ctx, store, "node", "1", d.walk)
		if err != nil {
			t.Fatal(err)
		}
		set(t, theirs, "/q", 100, 10)
		synctest.Wait()
		store.onCount(func(op state.Lease) error {
			if op.SetLimit != nil && *op.SetLimit == 70 {
				store.onCount(func(state.Lease) error { return errKilled })
				set(t, theirs, "/q", 50, 10)
				die()
			}
			return nil
		})
		// What it hears does not matter: it is gone then.
		_ = mine.Set(t.Context(), quota.Limit{Folder: p("/q"), Amount: quota.Amount{Bytes: 70, Files: 10}})
		synctest.Wait()
		if v := counterOf(t, common, "/q", "bytes"); v.Limit != 50 {
			t.Errorf("the limit in force is %d, that of the record 50", v.Limit)
		}
	})
}

// A limit whose record stands, and which the store did not take for its counter, is in
// force once the store takes it, and after a restart.
func TestLimitIsPutInForceLater(t *testing.T) {
	for name, again := range map[string]bool{"in the same run": false, "in the next one": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				common, d := memory.New(), newDisk()
				store := &meddled{Store: common}
				ctx, die := context.WithCancel(t.Context())
				defer die()
				l, err := quota.New(ctx, store, "node", "1", d.walk)
				if err != nil {
					t.Fatal(err)
				}
				set(t, l, "/q", 100, 10)
				if err := d.write(t.Context(), l, p("/q/f"), 10); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				store.onCount(func(op state.Lease) error {
					if op.SetLimit != nil {
						return state.ErrAway
					}
					return nil
				})
				limit := quota.Limit{Folder: p("/q"), Amount: quota.Amount{Bytes: 50, Files: 10}}
				if err := l.Set(t.Context(), limit); !errors.Is(err, state.ErrAway) {
					t.Errorf("the store took nothing: %v", err)
				}
				walks := d.walks.Load()
				if again {
					die()
					open(t, common, "2", d)
				}
				store.count.Store(nil)
				time.Sleep(5 * time.Second)
				if v := counterOf(t, common, "/q", "bytes"); v.Limit != 50 {
					t.Errorf("the limit in force is %d, that of the record 50", v.Limit)
				}
				if d.walks.Load() > walks {
					t.Error("the folder was counted for it")
				}
			})
		})
	}
}

// The store has lost its last moments in one place and not in the other, as a Cluster
// may: the counter's limit is of a record that nobody knows any more. A limit that is
// set then is in force all the same.
func TestLimitAfterTheStoreHasLostARecord(t *testing.T) {
	s := memory.New()
	l := open(t, s, "1", newDisk())
	set(t, l, "/q", 100, 10)
	ahead := state.Lease{Name: "bytes", SetLimit: new(int64), LimitAt: 1000}
	if _, err := s.Count(t.Context(), "quota:"+idOf(t, s, "/q"), ahead); err != nil {
		t.Fatal(err)
	}
	set(t, l, "/q", 70, 10)
	if v := counterOf(t, s, "/q", "bytes"); v.Limit != 70 {
		t.Errorf("the limit in force is %d, that of the record 70", v.Limit)
	}
	set(t, l, "/q", 60, 10)
	if v := counterOf(t, s, "/q", "bytes"); v.Limit != 60 {
		t.Errorf("the next one in force is %d, that of the record 60", v.Limit)
	}
}

// flee moves what lies at one of two paths to the other one between two steps of each
// walk, so that no walk sees it, until it is told to stop.
func (d *disk) flee(t *testing.T, l *quota.Ledger, one, two string) (stop func()) {
	var stopped atomic.Bool
	d.pace(func() {
		if stopped.Load() {
			return
		}
		done, err := l.Touch(t.Context(), p(one), p(two))
		if err != nil {
			t.Error(err)
			return
		}
		defer done()
		d.mu.Lock()
		defer d.mu.Unlock()
		from, to := p(one), p(two)
		if _, there := d.files[from]; !there {
			from, to = to, from
		}
		d.files[to] = d.files[from]
		delete(d.files, from)
	})
	return func() { stopped.Store(true) }
}

// A tree is moved out of the way of each walk: what was booked of it stays booked, and a
// new quota is not enforced by what such a walk found.
func TestMovedOutOfTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		l := open(t, memory.New(), "1", d)
		set(t, l, "/q", 1000, 10)
		if err := d.write(t.Context(), l, p("/q/a/f"), 300); err != nil {
			t.Fatal(err)
		}
		stop := d.flee(t, l, "/q/a/f", "/q/a/g")
		_, _ = l.Rescan(t.Context(), p("/q"))
		if u := get(t, l, "/q"); u.Used.Bytes < 300 || u.Used.Files < 1 {
			t.Errorf("counted while it was moved: %+v", u)
		}
		set(t, l, "/q/a", 400, 10)
		time.Sleep(time.Minute)
		if u := get(t, l, "/q/a"); !u.Counting && u.Used.Bytes < 300 {
			t.Errorf("a new quota is enforced by what was not seen: %+v", u)
		}
		stop()
		time.Sleep(6 * time.Hour)
		for _, folder := range []string{"/q", "/q/a"} {
			wantUsed(t, l, folder, quota.Amount{Bytes: 300, Files: 1})
			if u := get(t, l, folder); u.Counting || u.Doubt {
				t.Errorf("in the end %+v", u)
			}
		}
	})
}
