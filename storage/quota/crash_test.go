package quota_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/quota"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// killed opens a ledger that will not be closed; kill ends it as a crash does.
func killed(t testing.TB, s state.Store, epoch string, d *disk) (l *quota.Ledger, kill func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	l, err := quota.New(ctx, s, "node", epoch, d.walk)
	if err != nil {
		t.Fatal(err)
	}
	return l, cancel
}

// After a kill the figures are right again by themselves, and meanwhile the
// limit is not passed, since what the dead one leased stays counted.
func TestCrash(t *testing.T) {
	tests := map[string]func(t *testing.T, l *quota.Ledger, d *disk){
		"written and not booked": func(t *testing.T, l *quota.Ledger, d *disk) {
			if err := d.write(t.Context(), l, p("/q/a"), 600); err != nil {
				t.Fatal(err)
			}
		},
		"reserved and half written": func(t *testing.T, l *quota.Ledger, d *disk) {
			if _, err := l.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 600, Files: 1}); err != nil {
				t.Fatal(err)
			}
			d.put("/q/a")
		},
		"reserved and not written": func(t *testing.T, l *quota.Ledger, _ *disk) {
			if _, err := l.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 600, Files: 1}); err != nil {
				t.Fatal(err)
			}
		},
		"removed and not booked, after a rest": func(t *testing.T, l *quota.Ledger, d *disk) {
			if err := d.write(t.Context(), l, p("/q/a"), 600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if err := d.remove(t.Context(), l, p("/q/a")); err != nil {
				t.Fatal(err)
			}
		},
		"removed and not released": func(t *testing.T, l *quota.Ledger, d *disk) {
			if err := d.write(t.Context(), l, p("/q/a"), 600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if _, err := l.Touch(t.Context(), p("/q/a")); err != nil {
				t.Fatal(err)
			}
			d.mu.Lock()
			delete(d.files, p("/q/a"))
			d.mu.Unlock()
		},
		"the folder above removed and not released": func(t *testing.T, l *quota.Ledger, d *disk) {
			if err := d.write(t.Context(), l, p("/q/a"), 600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			if _, err := l.Touch(t.Context(), path.Root); err != nil {
				t.Fatal(err)
			}
			d.mu.Lock()
			delete(d.files, p("/q/a"))
			d.mu.Unlock()
		},
	}
	for name, before := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, s := newDisk(), &audited{Store: memory.New()}
				l, kill := killed(t, s, "1", d)
				d.put("/q/b")
				set(t, l, "/q", 1000, 10)
				time.Sleep(time.Minute)
				before(t, l, d)
				kill()
				synctest.Wait()

				d.pace(func() { time.Sleep(time.Second) })
				again := open(t, s, "2", d)
				n, err := d.stream(t.Context(), again, p("/q/b"), 1, 1000)
				if total := d.total(p("/q")).Bytes; total > 1000 {
					t.Errorf("%d bytes right after the start (%d more, %v)", total, n, err)
				}
				time.Sleep(time.Minute)
				wantUsed(t, again, "/q", d.total(p("/q")))
				if n := leases(t, s); n != 0 {
					t.Errorf("the dead one still leases %d", n)
				}
				if page, err := s.List(t.Context(), "quotas:open", "", "", 0); err != nil || len(page.Records) > 0 {
					t.Errorf("marks are left: %+v, %v", page, err)
				}
			})
		})
	}
}

// A change begins while the last lease is being given back, and the kill comes
// before what it freed is known: the lease tells nobody any more.
func TestCrashInAChangeThatOutlivedTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDisk(), &meddled{Store: memory.New()}
		l, kill := killed(t, s, "1", d)
		set(t, l, "/q", 1000, 10)
		if err := d.write(t.Context(), l, p("/q/a"), 600); err != nil {
			t.Fatal(err)
		}
		touched := make(chan error, 1)
		var once sync.Once
		s.onCount(func(op state.Lease) error {
			if op.Release > 0 {
				once.Do(func() {
					go func() {
						_, err := l.Touch(t.Context(), p("/q/a"))
						touched <- err
					}()
					time.Sleep(time.Millisecond)
				})
			}
			return nil
		})
		time.Sleep(time.Minute)
		if err := <-touched; err != nil {
			t.Fatal(err)
		}
		d.mu.Lock()
		d.files[p("/q/a")] = 100
		d.mu.Unlock()
		kill()
		synctest.Wait()
		again := open(t, s, "2", d)
		time.Sleep(time.Minute)
		wantUsed(t, again, "/q", d.total(p("/q")))
	})
}

// A kill between the rename of a tree on disk and its booking, or before that is
// at the store: neither quota keeps what it does not hold.
func TestCrashWhileMoving(t *testing.T) {
	for name, booked := range map[string]bool{"not booked": false, "booked in memory": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, s := newDisk(), &audited{Store: memory.New()}
				l, kill := killed(t, s, "1", d)
				set(t, l, "/from", 1000, 10)
				set(t, l, "/to", 1000, 10)
				if err := d.write(t.Context(), l, p("/from/a"), 600); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Minute)
				if _, err := l.Touch(t.Context(), p("/from/a"), p("/to/a")); err != nil {
					t.Fatal(err)
				}
				moved, err := l.Move(t.Context(), p("/from/a"), p("/to/a"), quota.Amount{Bytes: 600, Files: 1})
				if err != nil {
					t.Fatal(err)
				}
				d.mu.Lock()
				d.files[p("/to/a")] = d.files[p("/from/a")]
				delete(d.files, p("/from/a"))
				d.mu.Unlock()
				if booked {
					moved.Commit(quota.Amount{Bytes: 600, Files: 1})
				}
				kill()
				synctest.Wait()
				again := open(t, s, "2", d)
				if n, err := d.stream(t.Context(), again, p("/to/b"), 1, 1000); d.total(p("/to")).Bytes > 1000 {
					t.Errorf("%d bytes more right after the start, %v", n, err)
				}
				time.Sleep(time.Minute)
				wantUsed(t, again, "/from", quota.Amount{})
				wantUsed(t, again, "/to", d.total(p("/to")))
				if n := leases(t, s); n != 0 {
					t.Errorf("the dead one still leases %d", n)
				}
			})
		})
	}
}

// After a clean end nothing has to be counted.
func TestCleanEnd(t *testing.T) {
	d, s := newDisk(), &audited{Store: memory.New()}
	l := open(t, s, "1", d)
	set(t, l, "/q", 1000, 10)
	if err := d.write(t.Context(), l, p("/q/a"), 600); err != nil {
		t.Fatal(err)
	}
	if err := d.write(t.Context(), l, p("/q/b"), 100); err != nil {
		t.Fatal(err)
	}
	if err := d.remove(t.Context(), l, p("/q/b")); err != nil {
		t.Fatal(err)
	}
	closeLedger(t, l)
	walks := d.walks.Load()
	again := open(t, s, "2", d)
	wantUsed(t, again, "/q", quota.Amount{Bytes: 600, Files: 1})
	if d.walks.Load() != walks {
		t.Error("the folder was counted")
	}
}

// A restored state says what folders held at another time: all is counted anew,
// also what nobody wrote to then, and once.
func TestDoubtCountsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDisk(), &audited{Store: memory.New()}
		l := open(t, s, "1", d)
		set(t, l, "/q", 1000, 10)
		set(t, l, "/r", 1000, 10)
		closeLedger(t, l)
		d.put("/q/a", "/q/b", "/r/a")
		if err := quota.Doubt(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		l = open(t, s, "2", d)
		time.Sleep(10 * time.Second)
		wantUsed(t, l, "/q", quota.Amount{Bytes: 20, Files: 2})
		wantUsed(t, l, "/r", quota.Amount{Bytes: 10, Files: 1})
		closeLedger(t, l)
		walks := d.walks.Load()
		l = open(t, s, "3", d)
		time.Sleep(10 * time.Second)
		wantUsed(t, l, "/q", quota.Amount{Bytes: 20, Files: 2})
		if d.walks.Load() != walks {
			t.Error("the folders were counted once more")
		}
		closeLedger(t, l)
	})
}

// A crash while a filled folder is counted: it is counted after the next start.
func TestCrashWhileCounting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDisk(), &audited{Store: memory.New()}
		d.put("/q/a", "/q/b")
		d.pace(func() { time.Sleep(time.Minute) })
		l, kill := killed(t, s, "1", d)
		set(t, l, "/q", 25, -1)
		if u := get(t, l, "/q"); !u.Counting {
			t.Errorf("not yet counted: %+v", u)
		}
		if err := d.write(t.Context(), l, p("/q/c"), 100); err != nil {
			t.Errorf("a quota that is being counted refuses: %v", err)
		}
		if _, ok, err := l.Room(t.Context(), p("/q")); ok || err != nil {
			t.Errorf("room by a quota that is being counted: %v, %v", ok, err)
		}
		kill()
		time.Sleep(5 * time.Minute)
		d.pace(func() {})
		again := open(t, s, "2", d)
		time.Sleep(10 * time.Second)
		if u := get(t, again, "/q"); u.Counting || u.Used != (quota.Amount{Bytes: 120, Files: 3}) {
			t.Errorf("after the start: %+v", u)
		}
		wantExceeded(t, d.write(t.Context(), again, p("/q/d"), 1), "/q")
	})
}

// Writers, removers and renamers go on while the folder is counted over and
// over: at no time is less booked than there is, and in the end it is exact.
func TestCountingWhileWritesGoOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, s := newDisk(), &audited{Store: memory.New()}
		for i := range 50 {
			d.put(fmt.Sprintf("/q/old%d/file", i))
		}
		d.pace(func() { time.Sleep(time.Duration(rand.IntN(3)) * time.Millisecond) })
		l := open(t, s, "1", d)
		var wg sync.WaitGroup
		ends := time.Now().Add(20 * time.Second)
		for i := range 6 {
			random := rand.New(rand.NewPCG(uint64(i), 7))
			wg.Go(func() {
				for time.Now().Before(ends) {
					name := p(fmt.Sprintf("/q/dir%d/f%d", random.IntN(3), i*10+random.IntN(10)))
					var err error
					switch random.IntN(4) {
					case 0, 1:
						err = d.write(t.Context(), l, name, int64(random.IntN(1000)))
					case 2:
						err = d.remove(t.Context(), l, name)
					case 3:
						err = d.move(t.Context(), l, name, p(fmt.Sprintf("/q/dir%d/f%d", random.IntN(3), i*10+random.IntN(10)+1000)))
					}
					if err != nil {
						t.Error(err)
						return
					}
					time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
				}
			})
		}
		time.Sleep(100 * time.Millisecond)
		set(t, l, "/q", 1<<40, -1)
		for time.Now().Before(ends) {
			_, err := l.Rescan(t.Context(), p("/q"))
			if err != nil {
				t.Log(err)
			}
			if u := get(t, l, "/q"); u.Counting {
				t.Error("a busy folder is never counted")
			}
		}
		wg.Wait()
		if u, want := get(t, l, "/q").Used, d.total(p("/q")); u.Bytes < want.Bytes || u.Files < want.Files {
			t.Errorf("booked %+v, there are %+v", u, want)
		}
		time.Sleep(3 * time.Hour)
		wantUsed(t, l, "/q", d.total(p("/q")))
		if n := leases(t, s); n != 0 {
			t.Errorf("%d are leased", n)
		}
	})
}

// A quiet folder is counted once, and what is written right after is on top.
func TestRescan(t *testing.T) {
	d := newDisk()
	l := open(t, memory.New(), "1", d)
	set(t, l, "/q", 1000, -1)
	d.put("/q/a", "/q/b") // beside the gateway
	u, err := l.Rescan(t.Context(), p("/q"))
	if err != nil || u.Used != (quota.Amount{Bytes: 20, Files: 2}) {
		t.Fatalf("Rescan = %+v, %v", u, err)
	}
	if err := d.write(t.Context(), l, p("/q/c"), 5); err != nil {
		t.Fatal(err)
	}
	wantUsed(t, l, "/q", quota.Amount{Bytes: 25, Files: 3})
	if _, err := l.Rescan(t.Context(), p("/elsewhere")); err == nil {
		t.Error("a folder without quota was counted")
	}
	set(t, l, "/gone", 10, -1)
	if u, err := l.Rescan(t.Context(), p("/gone")); err != nil || u.Used != (quota.Amount{}) {
		t.Errorf("a folder that is not there: %+v, %v", u, err)
	}
}

// A file that was removed just before a count, and whose release comes just
// after it unannounced, must not be taken off twice.
func TestReleaseThatACountOvertook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		l := open(t, memory.New(), "1", d)
		set(t, l, "/q", 100, -1)
		for _, name := range []path.Path{p("/q/a"), p("/q/b")} {
			if err := d.write(t.Context(), l, name, 40); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Minute)
		d.mu.Lock()
		delete(d.files, p("/q/a"))
		d.mu.Unlock()
		if _, err := l.Rescan(t.Context(), p("/q")); err != nil {
			t.Fatal(err)
		}
		if err := l.Release(t.Context(), p("/q/a"), quota.Amount{Bytes: 40, Files: 1}); err != nil {
			t.Fatal(err)
		}
		wantUsed(t, l, "/q", quota.Amount{Bytes: 40, Files: 1})
		wantExceeded(t, d.write(t.Context(), l, p("/q/c"), 61), "/q")
		time.Sleep(time.Minute)
		wantUsed(t, l, "/q", quota.Amount{Bytes: 40, Files: 1})
	})
}

// away is a store that takes no marks while it is down.
type away struct {
	state.Store
	down atomic.Bool
}

func (a *away) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if b.Scope == "quotas:open" && a.down.Load() {
		return state.Result{}, errors.New("the disk is gone")
	}
	return a.Store.Apply(ctx, b)
}

// A change that cannot be marked is not begun: a crash in it would go unseen.
func TestNoChangeWithoutItsMark(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: memory.New()}
		l := open(t, s, "1", newDisk())
		set(t, l, "/q", 1000, 10)
		s.down.Store(true)
		for range 2 {
			if _, err := l.Touch(t.Context(), p("/q/a")); !errors.Is(err, quota.ErrAway) {
				t.Errorf("while no mark can be written: %v", err)
			}
		}
		s.down.Store(false)
		done, err := l.Touch(t.Context(), p("/q/a"))
		if err != nil {
			t.Fatal(err)
		}
		defer done()
		if page, err := s.List(t.Context(), "quotas:open", "", "", 0); err != nil || len(page.Records) != 1 {
			t.Errorf("marks: %+v, %v", page.Records, err)
		}
	})
}
