package session

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/nodes"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
	"gatehouse/storage/state/redis"
	"gatehouse/storage/state/redis/redistest"
)

const lease = 10 * time.Second

// join takes the world in among the gateways on its store.
func (w *world) join(ctx context.Context, node, epoch string) {
	w.t.Helper()
	var err error
	w.nodes, err = nodes.Open(ctx, nodes.Config{State: w.store, Node: node, Epoch: epoch, Place: node, Lease: lease})
	w.must(err)
}

// kill ends a node for the others, as kill -9 does or a cable that is pulled:
// nothing that it does arrives any more.
func (w *world) kill() { w.store.failAfter(0) }

// newNodes makes so many gateways on one store and one tree.
func newNodes(t *testing.T, n int) []*world {
	t.Helper()
	st := memory.New()
	return nodesOn(t, n, func() state.Store { return st })
}

func nodesOn(t *testing.T, n int, store func() state.Store) []*world {
	t.Helper()
	dir := t.TempDir()
	var all []*world
	for i := range n {
		all = append(all, open(t, store(), dir, fmt.Sprint("node", i+1), "1", true))
	}
	return all
}

// newRedisNodes makes gateways on a real Redis.
func newRedisNodes(t *testing.T, n int) []*world {
	t.Helper()
	server := redistest.Start(t)
	return nodesOn(t, n, func() state.Store {
		st, err := redis.Open(t.Context(), redis.Options{URL: server.URL()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = st.Close() })
		return st
	})
}

// bubble runs a test of several nodes with its own time.
func bubble(t *testing.T, n int, test func(t *testing.T, all []*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(t, newNodes(t, n)) })
}

// after lets time pass in a bubble, until all is still.
func after(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// everyStore runs a test of several nodes on a store in memory, and on Redis.
func everyStore(t *testing.T, n int, test func(t *testing.T, all []*world)) {
	t.Run("memory", func(t *testing.T) { test(t, newNodes(t, n)) })
	t.Run("redis", func(t *testing.T) { test(t, newRedisNodes(t, n)) })
}

// addKnown makes an account that all nodes know of.
func addKnown(t *testing.T, all []*world, name string, change func(*accounts.Account)) accounts.Account {
	t.Helper()
	a := all[0].add(name, change)
	for _, w := range all {
		w.must(w.accounts.CatchUpAll(t.Context()))
	}
	return a
}

// changeKnown changes the site, as all nodes know then.
func changeKnown(t *testing.T, all []*world, change func(*accounts.Site)) {
	t.Helper()
	all[0].changeSite(change)
	for _, w := range all {
		w.must(w.accounts.CatchUpAll(t.Context()))
	}
}

// eventually waits for what other goroutines do at once.
func eventually(t *testing.T, otherwise string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); {
		if time.Since(began) > soonEnough {
			t.Fatal(otherwise)
		}
		time.Sleep(time.Millisecond)
	}
}

// everywhere are the sessions that a node sees, by id.
func (w *world) everywhere() map[string]Description {
	w.t.Helper()
	list, err := w.Everywhere(w.t.Context(), "")
	w.must(err)
	found := make(map[string]Description)
	for _, d := range list {
		if _, twice := found[d.ID]; twice {
			w.t.Errorf("the session %s is listed twice", d.ID)
		}
		found[d.ID] = d
	}
	return found
}

// sees waits until a node sees so many sessions.
func (w *world) sees(n int) {
	w.t.Helper()
	eventually(w.t, fmt.Sprintf("it does not see %d sessions", n), func() bool { return len(w.everywhere()) == n })
}

func TestSessionsOfAllNodesAreListed(t *testing.T) {
	everyStore(t, 3, func(t *testing.T, all []*world) {
		ann := addKnown(t, all, "ann", nil)
		addKnown(t, all, "bob", nil)
		first, second := all[0].login(sftp("ann")), all[1].login(sftp("bob"))
		for _, w := range all {
			w.sees(2)
			d := w.everywhere()[first.ID()]
			if d.Account != "ann" || len(d.Nodes) != 1 || d.Nodes[0] != "node1" || d.Address != client {
				t.Errorf("got %+v", d)
			}
			own, err := w.Everywhere(t.Context(), ann.ID)
			if err != nil || len(own) != 1 || own[0].ID != first.ID() {
				t.Errorf("got %v, %v, want the session of ann", own, err)
			}
		}
		if n := len(all[2].List()); n != 0 {
			t.Errorf("a node lists %d sessions of others as its own", n)
		}
		second.Close()
		all[0].sees(1)
	})
}

func TestSessionEndsElsewhere(t *testing.T) {
	everyStore(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", nil)
		s := all[0].login(sftp("ann"))
		all[1].sees(1)
		ended, err := all[1].EndAnywhere(t.Context(), s.ID(), "enough")
		if err != nil || !ended {
			t.Fatalf("got %v, %v", ended, err)
		}
		if rule := waitCut(t, s); rule != policy.RuleEnded {
			t.Errorf("ended by %s", rule)
		}
		if left := all[1].everywhere(); len(left) != 0 {
			t.Errorf("it is still listed: %v", left)
		}
		if ended, err := all[1].EndAnywhere(t.Context(), "nobody", "enough"); ended || err != nil {
			t.Errorf("got %v, %v for a session that there is not", ended, err)
		}
	})
}

// A revocation must reach the sessions of every node.
func TestRevocationCutsOnOtherNodes(t *testing.T) {
	everyStore(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", nil)
		s := all[1].login(sftp("ann"))
		all[0].change("ann", func(a *accounts.Account) { a.Status.Disabled = true })
		if rule := waitCut(t, s); rule != policy.RuleStatus {
			t.Errorf("cut by %s", rule)
		}
	})
}

// Whoever has stolen a password or a key must be out, on every node, once the owner
// has changed the password.
func TestOwnPasswordChangeEndsSessionsElsewhere(t *testing.T) {
	everyStore(t, 2, func(t *testing.T, all []*world) {
		public, key := newKey(t, 1)
		addKnown(t, all, "ann", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
		addKnown(t, all, "bob", nil)
		byKey := sftp("ann")
		byKey.Password, byKey.Key = "", public
		stolen, other := all[1].login(byKey), all[1].login(sftp("bob"))
		own := all[0].login(api("ann"))
		if err := all[0].ChangeOwnPassword(t.Context(), own, "another good horse"); err != nil {
			t.Fatal(err)
		}
		if rule := waitCut(t, stolen); rule != policy.RuleEnded {
			t.Errorf("ended by %s", rule)
		}
		if own.Context().Err() != nil || other.Context().Err() != nil {
			t.Error("the one that changed it, or another account's, ended as well")
		}
	})
}

func TestSessionsOfDeadNodeDisappear(t *testing.T) {
	bubble(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", func(a *accounts.Account) { a.Limits.Sessions = 1 })
		all[0].login(sftp("ann"))
		all[1].sees(1)
		after(2 * lease)
		all[0].kill()
		after(lease / 2)
		all[1].sees(1)
		after(3 * lease)
		all[1].sees(0)
		page, err := all[1].memory.List(t.Context(), presenceScope, "", "", 0)
		if err != nil || len(page.Records) != 0 {
			t.Errorf("got %v, %v, want no presence", page.Records, err)
		}
		after(placeLife)
		all[1].login(sftp("ann"))
		all[0].store.heal()
		after(time.Second)
	})
}

// A node that was cut off for so long that others have taken over must not go on
// with a single session.
func TestLapsedNodeCutsItsSessions(t *testing.T) {
	bubble(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", nil)
		s := all[0].login(sftp("ann"))
		after(2 * lease)
		all[0].kill()
		after(5 * lease)
		if s.Context().Err() != nil {
			t.Error("it was cut while it could still read")
		}
		all[0].store.heal()
		after(time.Second)
		if rule := waitCut(t, s); rule != policy.RuleShutdown {
			t.Errorf("cut by %s", rule)
		}
		if _, err := all[0].Login(t.Context(), sftp("ann")); !errors.Is(err, ErrShuttingDown) {
			t.Errorf("got %v, want that nobody comes in any more", err)
		}
	})
}

func TestNobodyComesInWhileCutOff(t *testing.T) {
	bubble(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", nil)
		old, done, err := all[0].Request(t.Context(), webdav("ann"))
		all[0].must(err)
		done()
		after(lease)
		all[0].kill()
		all[1].kill()
		after(lease)
		if _, err := all[0].Login(t.Context(), sftp("ann")); !errors.Is(err, nodes.ErrNotHeld) || !errors.Is(err, state.ErrAway) {
			t.Errorf("got %v, want one that is temporary", err)
		}
		elsewhere := webdav("ann")
		elsewhere.Transport = policy.TLSProxied
		if _, _, err := all[0].Request(t.Context(), elsewhere); !errors.Is(err, nodes.ErrNotHeld) {
			t.Errorf("got %v, want that a first request is refused", err)
		}
		s, done, err := all[0].Request(t.Context(), webdav("ann"))
		if err != nil || s != old {
			t.Fatalf("a session that is open does not go on: %v", err)
		}
		done()
		all[0].store.heal()
		all[1].store.heal()
		after(time.Second)
		all[0].login(sftp("ann"))
		if old.Context().Err() != nil {
			t.Error("the session is lost that was there all the while")
		}
	})
}

func TestAloneTellsNobody(t *testing.T) {
	w := newWorld(t)
	w.add("ann", func(a *accounts.Account) { a.Limits.Sessions = 3 })
	s := w.login(sftp("ann"))
	if d := w.everywhere()[s.ID()]; d.Account != "ann" || d.Nodes != nil {
		t.Errorf("got %+v", d)
	}
	if ended, err := w.EndAnywhere(t.Context(), s.ID(), "enough"); !ended || err != nil {
		t.Errorf("got %v, %v", ended, err)
	}
	w.must(w.Shutdown(t.Context()))
	for _, scope := range []string{presenceScope, endScope, placeScope} {
		if n, err := w.memory.Revision(t.Context(), scope); n != 0 || err != nil {
			t.Errorf("%s has the revision %d, %v", scope, n, err)
		}
	}
	if w.store.counted != 0 {
		t.Errorf("%d operations on places", w.store.counted)
	}
}
