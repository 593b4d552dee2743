package quota_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/quota"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// meddled lets something happen right before an operation of one node at the
// store, or the operation fail.
type meddled struct {
	state.Store
	apply atomic.Pointer[func(state.Batch)]
	count atomic.Pointer[func(state.Lease) error]
}

func (m *meddled) onApply(f func(state.Batch))       { m.apply.Store(&f) }
func (m *meddled) onCount(f func(state.Lease) error) { m.count.Store(&f) }

func (m *meddled) Apply(ctx context.Context, b state.Batch) (state.Result, error) {
	if f := m.apply.Load(); f != nil {
		(*f)(b)
	}
	return m.Store.Apply(ctx, b)
}

func (m *meddled) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	if lease, ok := op.(state.Lease); ok {
		if f := m.count.Load(); f != nil {
			if err := (*f)(lease); err != nil {
				return state.CounterValue{}, err
			}
		}
	}
	return m.Store.Count(ctx, scope, op)
}

// beforeRecord runs f once, before the n-th write of a quota's record.
func (m *meddled) beforeRecord(n int32, f func()) {
	var writes atomic.Int32
	m.onApply(func(b state.Batch) {
		if b.Scope == "quotas" && writes.Add(1) == n {
			f()
		}
	})
}

// twoNodes opens the ledgers of two nodes, of which the first works with store.
func twoNodes(t *testing.T) (store *meddled, mine, theirs *quota.Ledger) {
	t.Helper()
	common := memory.New()
	store = &meddled{Store: common}
	return store, open(t, store, "1", newDisk()), another(t, common, newDisk())
}

// wantClean fails where anything is left of quotas in the store.
func wantClean(t *testing.T, s state.Store) {
	t.Helper()
	scopes, err := s.Scopes(t.Context(), "", 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, scope := range scopes {
		page, err := s.List(t.Context(), scope, "", "", 0)
		if err != nil || len(page.Records) > 0 || strings.HasPrefix(scope, "quota:") {
			t.Errorf("left in %s: %+v, %v", scope, page, err)
		}
	}
}

// Another node sets a quota on the same folder, and uses it, after this one has
// looked and before it writes: there is one quota, with all that was used.
func TestSetOnTwoNodesAtOnce(t *testing.T) {
	common, d := memory.New(), newDisk()
	store := &meddled{Store: common}
	mine, theirs := open(t, store, "1", d), another(t, common, newDisk())
	done := false
	store.beforeRecord(1, func() {
		set(t, theirs, "/q", 100, -1)
		r, err := theirs.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 60})
		if err != nil {
			t.Error(err)
			return
		}
		r.Commit(quota.Amount{Bytes: 60})
		done = true
	})
	set(t, mine, "/q", 90, -1)
	if !done {
		t.Fatal("nothing was written")
	}
	if _, err := mine.Reserve(t.Context(), p("/q/b"), quota.Amount{Bytes: 60}); !errors.Is(err, quota.ErrExceeded) {
		t.Errorf("beyond the limit: %v", err)
	}
}

// Another node removes the quota and sets it anew after this one has looked and
// before it removes it: all of the new one goes too.
func TestRemovedOnTwoNodesAtOnce(t *testing.T) {
	for name, remove := range map[string]func(t *testing.T, l *quota.Ledger){
		"set to nothing": func(t *testing.T, l *quota.Ledger) { set(t, l, "/q", -1, -1) },
		"dropped": func(t *testing.T, l *quota.Ledger) {
			if err := l.Drop(t.Context(), p("/q")); err != nil {
				t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store, mine, theirs := twoNodes(t)
				set(t, mine, "/q", 100, -1)
				synctest.Wait()
				store.beforeRecord(1, func() {
					set(t, theirs, "/q", -1, -1)
					set(t, theirs, "/q", 50, -1)
				})
				remove(t, mine)
				synctest.Wait()
				if len(mine.Limits(p("/q")))+len(theirs.Limits(p("/q"))) > 0 {
					t.Error("it is there still")
				}
				wantClean(t, store)
			})
		})
	}
}

// A quota below is removed by another node right before this one drops them all.
func TestRemovedElsewhereBeforeItIsHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, mine, theirs := twoNodes(t)
		set(t, mine, "/q", 100, -1)
		set(t, mine, "/q/in", 100, -1)
		store.beforeRecord(1, func() { set(t, theirs, "/q/in", -1, -1) })
		if err := mine.Drop(t.Context(), p("/q")); err != nil {
			t.Fatal(err)
		}
		if err := mine.Drop(t.Context(), p("/q")); err != nil {
			t.Error(err)
		}
		synctest.Wait()
		wantClean(t, store)
	})
}

// A node that has not yet heard of a removal puts a limit in force: it leaves
// nothing of the quota behind.
func TestLimitOfAQuotaRemovedElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, mine, theirs := twoNodes(t)
		set(t, theirs, "/q", 100, -1)
		synctest.Wait()
		store.onCount(func(op state.Lease) error {
			if op.SetLimit != nil {
				store.count.Store(nil)
				set(t, theirs, "/q", -1, -1)
			}
			return nil
		})
		set(t, theirs, "/q", 50, -1)
		synctest.Wait()
		if store.count.Load() != nil || len(mine.Limits(p("/q"))) > 0 {
			t.Error("the limit was not put in force, or is there still")
		}
		wantClean(t, store)
	})
}

// The limit is changed on another node right before this one notes that the
// folder is counted: the new limit stays, and is in force.
func TestLimitChangesWhileItIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		common, d := memory.New(), newDisk()
		d.put("/q/a")
		d.pace(func() { time.Sleep(time.Second) })
		store := &meddled{Store: common}
		l := open(t, store, "1", d)
		store.beforeRecord(2, func() {
			r, err := common.Get(t.Context(), "quotas", "quota/q")
			if err != nil {
				t.Error(err)
			}
			_, err = common.Apply(t.Context(), state.Batch{Scope: "quotas", ID: state.NewOperationID(), Puts: []state.Put{
				{Name: r.Name, Value: []byte(strings.Replace(string(r.Value), `"bytes":100`, `"bytes":50`, 1))},
			}})
			if err != nil {
				t.Error(err)
			}
		})
		set(t, l, "/q", 100, -1)
		synctest.Wait()
		if u := get(t, l, "/q"); u.Counting || u.Bytes != 50 || u.Used.Bytes != 10 {
			t.Errorf("got %+v", u)
		}
		wantExceeded(t, d.write(t.Context(), l, p("/q/b"), 41), "/q")
	})
}

// A quota is removed and set anew elsewhere while this node counts for the old
// one: the new one is not taken for counted.
func TestAnotherQuotaIsSetWhileCounting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		common := memory.New()
		slow := newDisk()
		slow.put("/q/a")
		slow.pace(func() { time.Sleep(time.Minute) })
		theirs := another(t, common, slow)
		var counted atomic.Int32
		mine := ledger(t, common, "node", "1", func(context.Context, path.Path) (quota.Amount, error) {
			switch counted.Add(1) {
			case 1:
				time.Sleep(time.Second) // too long for the record to wait
			case 2:
				set(t, theirs, "/q", -1, -1)
				set(t, theirs, "/q", 100, -1)
			}
			return quota.Amount{Bytes: 70}, nil
		})
		set(t, mine, "/q", 50, -1)
		synctest.Wait()
		for _, l := range []*quota.Ledger{mine, theirs} {
			if u := get(t, l, "/q"); !u.Counting || u.Bytes != 100 {
				t.Errorf("got %+v", u)
			}
		}
		time.Sleep(5 * time.Minute)
		if u := get(t, mine, "/q"); u.Counting || u.Used.Bytes != 10 {
			t.Errorf("in the end: %+v", u)
		}
		set(t, mine, "/q", -1, -1)
		closeLedger(t, mine)
		wantClean(t, common)
	})
}

// A limit that another node sets is not in force here before the folder is
// counted: it holds more than anybody knows.
func TestLimitOfAnUncountedFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		common, slow := memory.New(), newDisk()
		slow.put("/q/a")
		slow.pace(func() { time.Sleep(time.Minute) })
		mine, theirs := open(t, common, "1", slow), another(t, common, slow)
		set(t, mine, "/q", 100, -1)
		set(t, theirs, "/q", 50, -1)
		synctest.Wait()
		if err := slow.write(t.Context(), mine, p("/q/b"), 1000); err != nil {
			t.Errorf("refused before it is counted: %v", err)
		}
		time.Sleep(5 * time.Minute)
		wantExceeded(t, slow.write(t.Context(), mine, p("/q/b"), 1), "/q")
	})
}

// Another node takes the room right before this one leases: what is left is not
// hoarded by a node for which it is too little.
func TestTooLittleIsLeftToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		common := memory.New()
		store := &meddled{Store: common}
		mine := open(t, store, "1", newDisk())
		set(t, mine, "/q", 100, -1)
		theirs := another(t, common, newDisk())
		store.onCount(func(op state.Lease) error {
			if op.Want > 0 {
				store.count.Store(nil)
				if _, err := theirs.Reserve(t.Context(), p("/q/a"), quota.Amount{Bytes: 60}); err != nil {
					t.Error(err)
				}
			}
			return nil
		})
		_, err := mine.Reserve(t.Context(), p("/q/b"), quota.Amount{Bytes: 60})
		wantExceeded(t, err, "/q")
		if n := leases(t, common); n != 60 {
			t.Errorf("%d are leased, 60 are held", n)
		}
	})
}
