package quota_test

import (
	"context"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/quota"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// pair begins two nodes on one store, with a quota on /q that both have known for long.
func pair(t *testing.T) (c *crowd, m, other *member) {
	c = &crowd{t: t, store: memory.New(), disk: newDisk(), random: rand.New(rand.NewPCG(1, 1)), dead: make(map[string]bool)}
	m, other = c.begin("a"), c.begin("b")
	set(t, m.ledger, "/q", 1000, 10)
	time.Sleep(time.Hour)
	return c, m, other
}

func (c *crowd) close(list ...*member) {
	for _, m := range list {
		closeLedger(c.t, m.ledger)
	}
}

// count puts what somebody has found in force who is gone a moment later.
func (c *crowd) count(bytes, files int64) {
	c.t.Helper()
	for name, found := range map[string]int64{"bytes": bytes, "files": files} {
		op := state.Lease{ID: state.NewOperationID(), Name: name, SetUsed: &found}
		if _, err := c.store.Count(c.t.Context(), "quota:"+quotaID(c.t, c.store), op); err != nil {
			c.t.Fatal(err)
		}
	}
}

// becomes asks that a figure is never too small, and soon that of the disk.
func (c *crowd) becomes(m *member) {
	c.t.Helper()
	want := c.disk.total(p("/q"))
	for range 120 {
		time.Sleep(time.Second)
		for name, is := range map[string]int64{"bytes": want.Bytes, "files": want.Files} {
			if v := counterOf(c.t, c.store, "/q", name); v.Used+v.Leased < is {
				c.t.Fatalf("%d %s are on disk, %d used and %v leased", is, name, v.Used, v.Holders)
			}
		}
	}
	wantUsed(c.t, m.ledger, "/q", want)
}

// A node has removed something, and somebody counts before that is booked, who saw it or
// did not: the figure is never too small, and soon right.
func TestRemovedBeforeACountAndBookedAfterIt(t *testing.T) {
	for name, tt := range map[string]struct {
		bytes, files int64
		heard        bool // the node hears of the count before it books
	}{
		"it was seen":                   {80, 2, false},
		"it was not":                    {50, 1, false},
		"it was seen, and it is heard":  {80, 2, true},
		"it was not, and that is heard": {50, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, m, other := pair(t)
				if err := c.disk.write(t.Context(), m.ledger, p("/q/f"), 30); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				c.disk.mu.Lock()
				c.disk.files[p("/q/x")] = 50 // behind the gateway's back
				c.disk.mu.Unlock()
				if err := c.disk.remove(t.Context(), m.ledger, p("/q/f")); err != nil {
					t.Fatal(err)
				}
				c.count(tt.bytes, tt.files)
				if tt.heard {
					get(t, m.ledger, "/q")
				}
				c.becomes(other)
				c.close(m, other)
			})
		})
	}
}

// A change is under way when somebody counts: what it frees may have been found, or not.
func TestCountedWhileAChangeIsUnderWay(t *testing.T) {
	for name, seen := range map[string]bool{"it was seen": true, "it was not": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, m, other := pair(t)
				if err := c.disk.write(t.Context(), m.ledger, p("/q/f"), 30); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				end, err := m.ledger.Touch(t.Context(), p("/q/f"))
				if err != nil {
					t.Fatal(err)
				}
				c.disk.mu.Lock()
				c.disk.files[p("/q/x")] = 50 // behind the gateway's back
				delete(c.disk.files, p("/q/f"))
				c.disk.mu.Unlock()
				if seen {
					c.count(80, 2)
				} else {
					c.count(50, 1)
				}
				get(t, m.ledger, "/q") // it hears of that
				if err := m.ledger.Release(t.Context(), p("/q/f"), quota.Amount{Bytes: 30, Files: 1}); err != nil {
					t.Fatal(err)
				}
				end()
				c.becomes(other)
				c.close(m, other)
			})
		})
	}
}

// Another node may not have heard of a new quota in time, and written something that its
// count did not see: it is counted a second time by itself.
func TestANewQuotaIsCountedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &crowd{t: t, store: memory.New(), disk: newDisk(), random: rand.New(rand.NewPCG(1, 1)), dead: make(map[string]bool)}
		m := c.begin("a")
		set(t, m.ledger, "/q", 1000, 10)
		time.Sleep(time.Second)
		c.disk.put("/q/f")
		time.Sleep(time.Minute)
		wantUsed(t, m.ledger, "/q", c.disk.total(p("/q")))
		c.close(m)
	})
}

// A count that was over before a change began puts nothing in doubt.
func TestCountedBeforeAChangeBegan(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, m, other := pair(t)
		if err := c.disk.write(t.Context(), m.ledger, p("/q/f"), 30); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := other.ledger.Rescan(t.Context(), p("/q")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		walks := c.disk.walks.Load()
		if err := c.disk.remove(t.Context(), m.ledger, p("/q/f")); err != nil {
			t.Fatal(err)
		}
		c.becomes(other)
		if n := c.disk.walks.Load() - walks; n > 0 {
			t.Errorf("it was counted %d times", n)
		}
		c.close(m, other)
	})
}

// A node removes something between the last look of who counts and the new figure: what
// it has booked is part of that figure again, and who counts finds out.
func TestRemovedRightBeforeTheNewFigure(t *testing.T) {
	for name, later := range map[string]time.Duration{"the note still stands": 2 * time.Second, "the note is gone": 8 * time.Second} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				common, d := memory.New(), newDisk()
				store := &meddled{Store: common}
				mine, theirs := open(t, store, "1", d), another(t, common, d)
				mine.Share(quota.Sharing{})
				theirs.Share(quota.Sharing{})
				set(t, mine, "/q", 1000, 10)
				if err := d.write(t.Context(), theirs, p("/q/f"), 30); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				removed := make(chan struct{}) // both figures wait for it
				var first atomic.Bool
				store.onCount(func(op state.Lease) error {
					switch {
					case op.SetUsed == nil:
					case first.CompareAndSwap(false, true):
						if err := d.remove(t.Context(), theirs, p("/q/f")); err != nil {
							t.Error(err)
						}
						time.Sleep(later)
						close(removed)
					default:
						<-removed
					}
					return nil
				})
				if _, err := mine.Rescan(t.Context(), p("/q")); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				wantUsed(t, theirs, "/q", quota.Amount{})
				if u := get(t, mine, "/q"); u.Doubt {
					t.Errorf("in the end %+v", u)
				}
			})
		})
	}
}

// deaf is a store of which some answers are lost after it did what it was asked for,
// or calls before.
type deaf struct {
	state.Store
	after, before atomic.Bool
}

func (u *deaf) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if b.Scope != "quotas:open" {
		return u.Store.Apply(ctx, b)
	}
	if u.before.CompareAndSwap(true, false) {
		return state.Result{}, state.ErrUnknown
	}
	made, err := u.Store.Apply(ctx, b)
	if u.after.CompareAndSwap(true, false) {
		return state.Result{}, state.ErrUnknown
	}
	return made, err
}

// A note of changes that stands though nobody knows would keep every other node from
// counting exactly: it goes.
func TestNoNoteIsLeftBehind(t *testing.T) {
	for name, fail := range map[string]func(u *deaf, l *quota.Ledger) error{
		"it was made, and nobody heard": func(u *deaf, l *quota.Ledger) error {
			u.after.Store(true)
			_, err := l.Touch(context.Background(), p("/q/f"))
			return err
		},
		"it could not be taken away": func(u *deaf, l *quota.Ledger) error {
			end, err := l.Touch(context.Background(), p("/q/f"))
			if err != nil {
				return nil
			}
			u.before.Store(true)
			end()
			return state.ErrUnknown
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &deaf{Store: memory.New()}
				l := open(t, store, "1", newDisk())
				l.Share(quota.Sharing{})
				set(t, l, "/q", 1000, 10)
				time.Sleep(time.Minute)
				if fail(store, l) == nil {
					t.Fatal("nothing failed")
				}
				time.Sleep(time.Minute)
				page, err := store.List(t.Context(), "quotas:open", "", "", 0)
				if err != nil {
					t.Fatal(err)
				}
				for _, r := range page.Records {
					if strings.HasSuffix(r.Name, "/node/1") {
						t.Errorf("%s stands", r.Name)
					}
				}
			})
		})
	}
}
