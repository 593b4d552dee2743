package quota_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/quota"
	"gatehouse/storage/state/memory"
)

// What another node, or this one, has reserved and not yet written is nothing
// that a count finds: it stays reserved, or the limit is passed.
func TestCountingKeepsReservations(t *testing.T) {
	for _, counter := range []int{0, 1} {
		store, d := memory.New(), newDisk()
		first := open(t, store, "1", d)
		set(t, first, "/q", 100, -1)
		nodes := []*quota.Ledger{first, another(t, store, d)}
		r, err := first.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 60})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nodes[counter].Rescan(t.Context(), p("/q")); err != nil {
			t.Fatal(err)
		}
		for i, l := range nodes {
			if _, err := l.Reserve(t.Context(), p("/q/b"), quota.Amount{Bytes: 60}); !errors.Is(err, quota.ErrExceeded) {
				t.Errorf("counted by node %d, reserved on node %d: %v", counter, i, err)
			}
		}
		r.Cancel()
	}
}

// While something may be moved or removed, what a walk finds is not put in
// force: it may have seen it twice, or not at all.
func TestNoCountDuringAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		l := open(t, memory.New(), "1", d)
		set(t, l, "/q", 100, -1)
		done, err := l.Touch(t.Context(), p("/q/a"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Rescan(t.Context(), p("/q")); !errors.Is(err, quota.ErrBusy) {
			t.Errorf("during the change: %v", err)
		}
		done()
		if _, err := l.Rescan(t.Context(), p("/q")); err != nil {
			t.Errorf("after it: %v", err)
		}
	})
}

// What was reserved before the walk began may be on disk already when it ends,
// and be found; or be written behind its back. In the end it counts once, and at
// no time not at all.
func TestCountingWhileReserved(t *testing.T) {
	for name, seen := range map[string]bool{"seen": true, "not seen": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var held *quota.Reservation
				var total int64
				write := func() {
					if held != nil {
						total += 40
						if !seen {
							held.Commit(quota.Amount{Bytes: 40})
						}
						held = nil
					}
				}
				l := ledger(t, memory.New(), "1", "1", func(context.Context, path.Path) (quota.Amount, error) {
					if seen {
						write()
					}
					found := total
					write()
					return quota.Amount{Bytes: found}, nil
				})
				set(t, l, "/q", 100, -1)
				r, err := l.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 40})
				if err != nil {
					t.Fatal(err)
				}
				held = r
				if u, err := l.Rescan(t.Context(), p("/q")); err != nil || u.Used.Bytes < total {
					t.Errorf("used %d of %d, %v", u.Used.Bytes, total, err)
				}
				r.Commit(quota.Amount{Bytes: 40})
				if u := get(t, l, "/q"); u.Used.Bytes < total {
					t.Errorf("used %d of %d", u.Used.Bytes, total)
				}
				time.Sleep(time.Minute)
				wantUsed(t, l, "/q", quota.Amount{Bytes: total})
			})
		})
	}
}

// What is released long enough after a count is booked at once, announced or not.
func TestReleaseLongAfterACount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		l := open(t, memory.New(), "1", d)
		d.put("/q/a", "/q/b")
		set(t, l, "/q", 100, -1)
		time.Sleep(2 * time.Second)
		if err := l.Release(t.Context(), p("/q/a"), quota.Amount{Bytes: 10, Files: 1}); err != nil {
			t.Fatal(err)
		}
		wantUsed(t, l, "/q", quota.Amount{Bytes: 10, Files: 1})
	})
}

func TestSetIsRefused(t *testing.T) {
	l, err := quota.New(t.Context(), memory.New(), "1", "1", nil)
	if err != nil {
		t.Fatal(err)
	}
	long := p(strings.Repeat("/a", path.MaxLength/2)).Append(p("/b"))
	limit := quota.Limit{Folder: long, Amount: quota.Amount{Bytes: 1, Files: 1}}
	if err := l.Set(t.Context(), limit); !errors.Is(err, path.ErrTooLong) {
		t.Errorf("on a path of %d bytes: %v", len(long.String()), err)
	}
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	limit.Folder = p("/q")
	if err := l.Set(t.Context(), limit); err == nil {
		t.Error("set on a closed ledger, which counts nothing any more")
	}
}

// While a folder is counted somebody writes. What the walk saw is not counted
// twice; where it never saw the last write, that is counted all the same.
func TestCountingWhileOthersWrite(t *testing.T) {
	for name, tt := range map[string]struct {
		writes int  // how many walks are disturbed
		sees   bool // whether a walk sees what was written during it
		exact  bool
	}{
		"once, seen":        {1, true, true},
		"once, not seen":    {1, false, true},
		"always, not seen":  {1000, false, false},
		"always, also seen": {1000, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l *quota.Ledger
				var total int64
				writes := 0
				l = ledger(t, memory.New(), "1", "1", func(ctx context.Context, _ path.Path) (quota.Amount, error) {
					seen := total
					if writes > 0 {
						writes--
						r, err := l.Reserve(ctx, p("/q/a"), quota.Amount{Bytes: 10})
						if err != nil {
							return quota.Amount{}, err
						}
						r.Commit(quota.Amount{Bytes: 10})
						total += 10
					}
					if tt.sees {
						seen = total
					}
					return quota.Amount{Bytes: seen}, nil
				})
				set(t, l, "/q", 100_000, -1)
				writes = tt.writes
				u, err := l.Rescan(t.Context(), p("/q"))
				writes = 0
				if err != nil || u.Used.Bytes < total || tt.exact && u.Used.Bytes != total {
					t.Errorf("used %d, written %d, %v", u.Used.Bytes, total, err)
				}
			})
		})
	}
}
