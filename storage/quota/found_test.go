package quota_test

import (
	"context"
	"errors"
	"fmt"
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

// dying is a store that does so many operations more, and none after them.
type dying struct {
	state.Store
	left atomic.Int64
}

var errDead = errors.New("dead")

func (d *dying) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if d.left.Add(-1) < 0 {
		return state.Result{}, errDead
	}
	return d.Store.Apply(ctx, b)
}

func (d *dying) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	if d.left.Add(-1) < 0 {
		return state.CounterValue{}, errDead
	}
	return d.Store.Count(ctx, scope, op)
}

// The gateway is killed at any moment while a quota is set: afterwards there is
// none, or the whole of it with its owner and the right figures.
func TestCrashWhileSetting(t *testing.T) {
	for name, walk := range map[string]time.Duration{"counted at once": 0, "counted later": time.Second} {
		t.Run(name, func(t *testing.T) {
			set, none := 0, 0
			for n, over := int64(0), false; !over; n++ {
				synctest.Test(t, func(t *testing.T) {
					var there bool
					there, over = crashWhileSetting(t, n, walk)
					if there {
						set++
					} else {
						none++
					}
				})
			}
			if set == 0 || none == 0 {
				t.Errorf("%d times there was a quota, %d times none: nothing was cut short", set, none)
			}
		})
	}
}

// crashWhileSetting dies after n operations. over is true where that was after
// the quota was set and counted.
func crashWhileSetting(t *testing.T, n int64, walk time.Duration) (there, over bool) {
	common, d := memory.New(), newDisk()
	d.put("/q/a")
	d.pace(func() { time.Sleep(walk) })
	store := &dying{Store: common}
	store.left.Store(n)
	l, kill := killed(t, store, "1", d)
	limit := quota.Limit{Folder: p("/q"), Amount: quota.Amount{Bytes: 100, Files: -1}, Owner: "account/x"}
	_ = l.Set(t.Context(), limit)
	u, ok, err := l.Get(t.Context(), p("/q"))
	over = ok && err == nil && !u.Counting
	kill()
	synctest.Wait()

	again := open(t, common, "2", d)
	now, there := again.On(p("/q"))
	if there && now != limit {
		t.Errorf("after %d operations: got %+v, want %+v", n, now, limit)
	}
	time.Sleep(time.Minute)
	if err := again.Set(t.Context(), limit); err != nil {
		t.Errorf("after %d operations: set it again: %v", n, err)
	}
	time.Sleep(time.Minute)
	wantUsed(t, again, "/q", quota.Amount{Bytes: 10, Files: 1})
	wantExceeded(t, d.write(t.Context(), again, p("/q/b"), 91), "/q")
	if err := d.write(t.Context(), again, p("/q/b"), 90); err != nil {
		t.Errorf("after %d operations: up to the limit: %v", n, err)
	}
	return there, over
}

// Somebody writes while a new quota's folder is looked at: it is not refused by a
// limit that is not in force, and counted all the same.
func TestWriteWhileAQuotaIsSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, d := &audited{Store: memory.New()}, newDisk()
		var l *quota.Ledger
		var walks atomic.Int32
		l = ledger(t, s, "node", "1", func(ctx context.Context, folder path.Path) (quota.Amount, error) {
			if walks.Add(1) == 1 {
				if err := d.write(ctx, l, p("/q/a"), 60); err != nil {
					t.Errorf("refused while it is counted: %v", err)
				}
				return quota.Amount{}, nil // it had looked there before
			}
			return d.walk(ctx, folder)
		})
		set(t, l, "/q", 50, -1)
		synctest.Wait()
		if u := get(t, l, "/q"); u.Counting || u.Used != (quota.Amount{Bytes: 60, Files: 1}) {
			t.Errorf("got %+v, want all that was written", u)
		}
		wantExceeded(t, d.write(t.Context(), l, p("/q/b"), 1), "/q")
	})
}

// Quotas of other folders are set, changed, dropped and counted while one waits
// for the store.
func TestFoldersDoNotWaitForEachOther(t *testing.T) {
	for name, do := range map[string]func(t *testing.T, l *quota.Ledger){
		"set": func(t *testing.T, l *quota.Ledger) { set(t, l, "/q", 10, -1) },
		"changed": func(t *testing.T, l *quota.Ledger) {
			set(t, l, "/held", 10, -1)
		},
		"dropped": func(t *testing.T, l *quota.Ledger) {
			if err := l.Drop(t.Context(), p("/held")); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := &meddled{Store: memory.New()}
			l := open(t, store, "1", newDisk())
			set(t, l, "/held", 5, -1)
			set(t, l, "/other/gone", 5, -1)
			store.beforeRecord(1, func() {
				set(t, l, "/other", 20, -1)
				set(t, l, "/other", 30, -1)
				if err := l.Drop(t.Context(), p("/other/gone")); err != nil {
					t.Error(err)
				}
			})
			do(t, l)
			if now, _ := l.On(p("/other")); now.Bytes != 30 {
				t.Errorf("got %+v, want what was set meanwhile", now)
			}
		})
	}
}

// Many set the quota of one folder, remove and drop it at once: what is in force
// is what is recorded, and of what was removed nothing is left.
func TestManySetOneQuota(t *testing.T) {
	common, d := memory.New(), newDisk()
	l := open(t, common, "1", d)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 20 {
				folder := p(fmt.Sprintf("/q/%d", n%2))
				limit := quota.Limit{Folder: folder, Amount: quota.Amount{Bytes: int64(100*i + n), Files: -1}}
				var err error
				switch (i + n) % 4 {
				case 0:
					limit.Amount = quota.Amount{Bytes: -1, Files: -1}
					err = l.Set(t.Context(), limit)
				case 1:
					err = l.Drop(t.Context(), p("/q"))
				default:
					err = l.Set(t.Context(), limit)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for _, name := range []string{"/q/0", "/q/1"} {
		set(t, l, name, 70, -1)
		if err := d.write(t.Context(), l, p(name+"/a"), 70); err != nil {
			t.Errorf("up to the limit of %s: %v", name, err)
		}
		wantExceeded(t, d.write(t.Context(), l, p(name+"/a"), 1), name)
		set(t, l, name, -1, -1)
	}
	closeLedger(t, l)
	wantClean(t, common)
}

// Another node writes after this one could have counted the folder of a new quota
// and before it can know of it: what it wrote is charged all the same, and the
// limit holds.
func TestWritesOfAnotherNodeWhileFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		common, d := memory.New(), newDisk()
		store := &meddled{Store: common}
		mine, theirs := open(t, store, "1", d), another(t, common, d)
		mine.Share(quota.Sharing{})
		store.beforeRecord(1, func() {
			if err := d.write(t.Context(), theirs, p("/q/other"), 60); err != nil {
				t.Error(err)
			}
		})
		set(t, mine, "/q", 100, -1)
		wantUsed(t, mine, "/q", quota.Amount{Bytes: 60, Files: 1})
		wantExceeded(t, d.write(t.Context(), mine, p("/q/mine"), 41), "/q")
		time.Sleep(time.Hour)
		if err := d.write(t.Context(), mine, p("/q/mine"), 40); err != nil {
			t.Error(err)
		}
		wantUsed(t, mine, "/q", d.total(p("/q")))
	})
}
