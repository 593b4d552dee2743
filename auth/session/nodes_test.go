package session

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/auth/session/limits"
	"gatehouse/auth/session/presence"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/nodes"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
	"gatehouse/storage/state/redis"
	"gatehouse/storage/state/redis/redistest"
)

// kill ends a node for the others, as kill -9 does or a cable that is pulled:
// nothing that it does arrives any more.
func (w *world) kill() { w.Store.FailAfter(0) }

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
		all = append(all, open(t, authtest.Config{State: store(), Dir: dir, Node: fmt.Sprint("node", i+1), Shares: true}))
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

// everyStore runs a test of several nodes on a store in memory, and on Redis.
func everyStore(t *testing.T, n int, test func(t *testing.T, all []*world)) {
	t.Run("memory", func(t *testing.T) { test(t, newNodes(t, n)) })
	t.Run("redis", func(t *testing.T) { test(t, newRedisNodes(t, n)) })
}

// addKnown makes an account that all nodes know of.
func addKnown(t *testing.T, all []*world, name string, change func(*accounts.Account)) accounts.Account {
	t.Helper()
	a := all[0].Add(name, change)
	for _, w := range all {
		w.Must(w.Accounts.CatchUpAll(t.Context()))
	}
	return a
}

// changeKnown changes the site, as all nodes know then.
func changeKnown(t *testing.T, all []*world, change func(*accounts.Site)) {
	t.Helper()
	all[0].ChangeSite(change)
	for _, w := range all {
		w.Must(w.Accounts.CatchUpAll(t.Context()))
	}
}

// everywhere are the sessions that a node sees, by id.
func (w *world) everywhere() map[string]Description {
	w.t.Helper()
	list, err := w.Everywhere(w.t.Context(), "")
	w.Must(err)
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
	authtest.Eventually(w.t, fmt.Sprintf("it does not see %d sessions", n), func() bool { return len(w.everywhere()) == n })
}

func TestSessionsOfAllNodesAreListed(t *testing.T) {
	everyStore(t, 3, func(t *testing.T, all []*world) {
		ann := addKnown(t, all, "ann", nil)
		addKnown(t, all, "bob", nil)
		first, second := all[0].login(authtest.SFTP("ann")), all[1].login(authtest.SFTP("bob"))
		for _, w := range all {
			w.sees(2)
			d := w.everywhere()[first.ID()]
			if d.Account != "ann" || len(d.Nodes) != 1 || d.Nodes[0] != "node1" || d.Address != authtest.Client() {
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
		s := all[0].login(authtest.SFTP("ann"))
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
		s := all[1].login(authtest.SFTP("ann"))
		all[0].Change("ann", func(a *accounts.Account) { a.Status.Disabled = true })
		if rule := waitCut(t, s); rule != policy.RuleStatus {
			t.Errorf("cut by %s", rule)
		}
	})
}

// Whoever has stolen a password or a key must be out, on every node, once the owner
// has changed the password.
func TestOwnPasswordChangeEndsSessionsElsewhere(t *testing.T) {
	everyStore(t, 2, func(t *testing.T, all []*world) {
		public, key := authtest.NewKey(t, 1)
		addKnown(t, all, "ann", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
		addKnown(t, all, "bob", nil)
		byKey := authtest.SFTP("ann")
		byKey.Password, byKey.Key = "", public
		stolen, other := all[1].login(byKey), all[1].login(authtest.SFTP("bob"))
		own := all[0].login(authtest.API("ann"))
		if err := all[0].changeOwnPassword(own, "another good horse"); err != nil {
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
		all[0].login(authtest.SFTP("ann"))
		all[1].sees(1)
		authtest.After(2 * authtest.Lease)
		all[0].kill()
		authtest.After(authtest.Lease / 2)
		all[1].sees(1)
		authtest.After(3 * authtest.Lease)
		all[1].sees(0)
		page, err := all[1].Memory.List(t.Context(), presence.Scope, "", "", 0)
		if err != nil || len(page.Records) != 0 {
			t.Errorf("got %v, %v, want no presence", page.Records, err)
		}
		authtest.After(limits.Life)
		all[1].login(authtest.SFTP("ann"))
		all[0].Store.Heal()
		authtest.After(time.Second)
	})
}

// A node that was cut off for so long that others have taken over must not go on
// with a single session.
func TestLapsedNodeCutsItsSessions(t *testing.T) {
	bubble(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", nil)
		s := all[0].login(authtest.SFTP("ann"))
		authtest.After(2 * authtest.Lease)
		all[0].kill()
		authtest.After(5 * authtest.Lease)
		if s.Context().Err() != nil {
			t.Error("it was cut while it could still read")
		}
		all[0].Store.Heal()
		authtest.After(time.Second)
		if rule := waitCut(t, s); rule != policy.RuleShutdown {
			t.Errorf("cut by %s", rule)
		}
		if _, err := all[0].Login(t.Context(), authtest.SFTP("ann")); !errors.Is(err, ErrShuttingDown) {
			t.Errorf("got %v, want that nobody comes in any more", err)
		}
	})
}

func TestNobodyComesInWhileCutOff(t *testing.T) {
	bubble(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", nil)
		old, done, err := all[0].Request(t.Context(), authtest.WebDAV("ann"))
		all[0].Must(err)
		done()
		authtest.After(authtest.Lease)
		all[0].kill()
		all[1].kill()
		authtest.After(authtest.Lease)
		if _, err := all[0].Login(t.Context(), authtest.SFTP("ann")); !errors.Is(err, nodes.ErrNotHeld) || !errors.Is(err, state.ErrAway) {
			t.Errorf("got %v, want one that is temporary", err)
		}
		elsewhere := authtest.WebDAV("ann")
		elsewhere.Transport = policy.TLSProxied
		if _, _, err := all[0].Request(t.Context(), elsewhere); !errors.Is(err, nodes.ErrNotHeld) {
			t.Errorf("got %v, want that a first request is refused", err)
		}
		s, done, err := all[0].Request(t.Context(), authtest.WebDAV("ann"))
		if err != nil || s != old {
			t.Fatalf("a session that is open does not go on: %v", err)
		}
		done()
		all[0].Store.Heal()
		all[1].Store.Heal()
		authtest.After(time.Second)
		all[0].login(authtest.SFTP("ann"))
		if old.Context().Err() != nil {
			t.Error("the session is lost that was there all the while")
		}
	})
}

func TestAloneTellsNobody(t *testing.T) {
	w := newWorld(t)
	w.Add("ann", func(a *accounts.Account) { a.Limits.Sessions = 3 })
	s := w.login(authtest.SFTP("ann"))
	if d := w.everywhere()[s.ID()]; d.Account != "ann" || d.Nodes != nil {
		t.Errorf("got %+v", d)
	}
	if ended, err := w.EndAnywhere(t.Context(), s.ID(), "enough"); !ended || err != nil {
		t.Errorf("got %v, %v", ended, err)
	}
	w.Must(w.Shutdown(t.Context()))
	for _, scope := range []string{presence.Scope, endScope, limits.Scope} {
		if n, err := w.Memory.Revision(t.Context(), scope); n != 0 || err != nil {
			t.Errorf("%s has the revision %d, %v", scope, n, err)
		}
	}
	if n := w.Store.Counted(limits.Scope); n != 0 {
		t.Errorf("%d operations on places", n)
	}
}
