package session

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/auth/session/limits"
	"gatehouse/auth/session/presence"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// A store that lost its last second has forgotten who came in it, and knows who left:
// a session that nobody sees could not be ended from elsewhere.
func TestLostPresenceIsToldAnew(t *testing.T) {
	bubble(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", nil)
		s := all[0].login(authtest.SFTP("ann"))
		authtest.After(time.Second)
		own := all[0].Nodes.Holder() + "/"
		ghost, err := typed.Put(own+"gone", Description{ID: "gone", Account: "ann"})
		all[0].Must(err)
		_, err = all[0].Memory.Apply(t.Context(), state.Batch{
			Scope: presence.Scope, Puts: []state.Put{ghost}, Deletes: []string{own + s.ID()},
		})
		all[0].Must(err)
		authtest.After(presence.Refresh + time.Second)
		if found := all[1].everywhere(); len(found) != 1 || found[s.ID()].Account != "ann" {
			t.Errorf("got %v", found)
		}
		if ended, err := all[1].EndAnywhere(t.Context(), s.ID(), "enough"); !ended || err != nil {
			t.Errorf("got %v, %v", ended, err)
		}
	})
}

// A login whose client vanished, or whose answer was lost, takes nobody's place.
func TestPlaceOfUnknownOutcomeIsGivenBack(t *testing.T) {
	bubble(t, 1, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", func(a *accounts.Account) { a.Limits.Sessions = 1 })
		all[0].Store.Answer(func(scope string, v state.CounterValue) (state.CounterValue, error) {
			if scope == limits.Scope && v.Granted > 0 {
				return state.CounterValue{}, state.ErrUnknown
			}
			return v, nil
		})
		if _, err := all[0].Login(t.Context(), authtest.SFTP("ann")); !errors.Is(err, state.ErrUnknown) {
			t.Fatalf("got %v", err)
		}
		all[0].Store.Answer(nil)
		all[0].login(authtest.SFTP("ann"))
	})
}

// After the store was away for longer than places last, who was in all the while is
// counted before others are let in beyond the limit.
func TestPlacesAreCountedOnceTheStoreIsBack(t *testing.T) {
	bubble(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", func(a *accounts.Account) { a.Limits.Sessions = 1 })
		all[0].login(authtest.SFTP("ann"))
		authtest.After(2 * authtest.Lease)
		for _, w := range all {
			w.kill()
		}
		authtest.After(2*limits.Life + limits.Renewal/2)
		for _, w := range all {
			w.Store.Heal()
		}
		authtest.After(2 * time.Second)
		if rule := all[1].refusedBy(authtest.SFTP("ann")); rule != policy.RuleSessionsAccount {
			t.Errorf("refused by %q", rule)
		}
	})
}

// leased is how many places of a great site the nodes have.
func leased(t *testing.T, w *world) int64 {
	t.Helper()
	v, err := w.Memory.Count(t.Context(), limits.Scope, state.Lease{Name: limits.SitePlaces})
	w.Must(err)
	return v.Leased
}

// Places that nobody has any more must not be lost to the site for ever: those of an
// attempt that came to nothing on a node without sessions, and those that a call of a
// dead node took after it was buried.
func TestLeasedPlacesAreNotLost(t *testing.T) {
	bubble(t, 1, func(t *testing.T, all []*world) {
		w, limit := all[0], int64(state.MaxMembers+100)
		changeKnown(t, all, func(s *accounts.Site) { s.MaxSessions = int(limit) })
		for _, holder := range []string{w.Nodes.Holder(), "dead/1"} {
			_, err := w.Memory.Count(t.Context(), limits.Scope, state.Lease{
				ID: state.NewOperationID(), Name: limits.SitePlaces, Holder: holder, Min: 3, Want: 3, SetLimit: &limit,
			})
			w.Must(err)
		}
		authtest.After(3 * limits.Renewal)
		if n := leased(t, w); n != 0 {
			t.Errorf("%d places are leased to nobody", n)
		}
	})
}

// A node that others may have declared dead counts nobody: what it took would be
// given back by no burial.
func TestNothingIsLeasedWhileNotHeld(t *testing.T) {
	bubble(t, 1, func(t *testing.T, all []*world) {
		w := all[0]
		addKnown(t, all, "ann", func(a *accounts.Account) { a.Limits.Sessions = 1 })
		w.login(authtest.SFTP("ann"))
		authtest.After(authtest.Lease)
		w.kill()
		authtest.After(authtest.Lease)
		w.Store.FailAfter(-1) // heard of again, but not yet by its own beat
		before := w.Store.Counted(limits.Scope)
		if err := w.limits.RenewAll(t.Context()); err == nil || w.Store.Counted(limits.Scope) != before {
			t.Errorf("got %v", err)
		}
		authtest.After(2 * time.Second)
	})
}

// One session that is new to a limit does not have all others counted anew.
func TestOneMissingPlaceAsksForOne(t *testing.T) {
	bubble(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", func(a *accounts.Account) { a.Limits.Sessions = 50 })
		for range 20 {
			all[1].login(authtest.SFTP("ann"))
		}
		first := all[0].login(authtest.API("ann"))
		authtest.After(time.Second)
		before := all[1].Store.Counted(limits.Scope)
		all[1].resume(carried(t, first))
		authtest.After(time.Second)
		if n := all[1].Store.Counted(limits.Scope) - before; n > 2 {
			t.Errorf("it asked %d times", n)
		}
	})
}

// A cookie that is used at the very moment at which its session is ended elsewhere
// must not bring it back.
func TestResumeMeetsTheEnd(t *testing.T) {
	all := newNodes(t, 2)
	addKnown(t, all, "ann", nil)
	for range 300 {
		s := all[0].login(authtest.API("ann"))
		r := carried(t, s)
		s.Leave()
		done := make(chan struct{})
		go func() {
			defer close(done)
			all[1].grant(endSession+r.ID, ending{Why: "enough", At: time.Now()}, func(*Session) bool { return true })
		}()
		_, _ = all[1].Resume(t.Context(), r)
		<-done
		if _, open := all[1].table.get(r.ID); open {
			t.Fatal("the session goes on though it was ended")
		}
	}
}

// A wish that was missed for a while is granted whatever the clock of who wished it.
func TestMissedEndIsGrantedInSpiteOfClocks(t *testing.T) {
	all := newNodes(t, 1)
	w := all[0]
	addKnown(t, all, "ann", nil)
	s := w.login(authtest.SFTP("ann"))
	r, done, err := w.Request(t.Context(), authtest.WebDAV("ann"))
	w.Must(err)
	done()
	for _, id := range []string{s.ID(), r.ID()} {
		name, e := endSession+id, ending{Why: "enough", At: time.Now().Add(-time.Minute)}
		w.grant(name, e, func(s *Session) bool { return s.isMeant(name, e) })
	}
	if rule := waitCut(t, s); rule != policy.RuleEnded {
		t.Errorf("ended by %s", rule)
	}
	if r.Context().Err() != nil {
		t.Error("a session of requests ends by a wish for the one before it")
	}
}

// Whoever ends a session that is on a dead node hears that it is not done, until the
// node is known to be dead and there is nothing to end.
func TestEndOfASessionOnADeadNode(t *testing.T) {
	bubble(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", nil)
		s := all[0].login(authtest.SFTP("ann"))
		authtest.After(2 * authtest.Lease)
		all[0].kill()
		silent := all[0].Store.Silence()
		for range 2 {
			began := time.Now()
			ended, err := all[1].EndAnywhere(t.Context(), s.ID(), "enough")
			if !ended || !errors.Is(err, ErrNotEnded) || time.Since(began) > 5*time.Second {
				t.Errorf("got %v, %v after %v", ended, err, time.Since(began))
			}
		}
		authtest.After(4 * authtest.Lease)
		if ended, err := all[1].EndAnywhere(t.Context(), s.ID(), "enough"); ended || err != nil {
			t.Errorf("got %v, %v for one that ended with its node", ended, err)
		}
		close(silent)
		all[0].Store.Heal()
		authtest.After(time.Second)
		if s.Context().Err() == nil {
			t.Error("it goes on when its node is back")
		}
	})
}

// A store that takes every call and answers none must not keep a node from ending,
// however many sessions it has.
func TestShutdownIsBoundedWhileTheStoreHangs(t *testing.T) {
	bubble(t, 1, func(t *testing.T, all []*world) {
		w := all[0]
		addKnown(t, all, "ann", func(a *accounts.Account) { a.Limits.Sessions = 100 })
		for range 60 {
			w.login(authtest.SFTP("ann"))
		}
		stuck := w.Store.Block()
		w.untold = true
		authtest.After(limits.Renewal + time.Second) // they are being renewed
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := w.Shutdown(ctx); err == nil {
			t.Error("all was told to the others")
		}
		if took := time.Since(began); took > 3*patience {
			t.Errorf("it took %v", took)
		}
		close(stuck)
		authtest.After(2 * patience)
	})
}

// The sessions of a big node are told, listed and taken away in pieces.
func TestManySessionsAreTold(t *testing.T) {
	bubble(t, 2, func(t *testing.T, all []*world) {
		const many = 10_000
		ann := addKnown(t, all, "ann", nil)
		authtest.After(time.Second) // nobody is judged for what changed before
		account, effective, err := all[0].Accounts.LookByID(t.Context(), ann.ID)
		all[0].Must(err)
		p := auth.Proof{Account: account, Effective: effective, Proved: &auth.Proved{}}
		for range many {
			s := all[0].newSession(authtest.SFTP("ann"), p, newSessionID())
			close(s.admitted)
			if _, err := all[0].table.enter(s, func(policy.Sessions) policy.Decision { return policy.Decision{Allowed: true} }); err != nil {
				t.Fatal(err)
			}
			all[0].presence.Changed(s.id)
		}
		authtest.After(time.Second)
		if n := len(all[1].everywhere()); n != many {
			t.Errorf("%d are listed", n)
		}
		all[0].Must(all[1].bury(t.Context(), "node1", "1"))
		if n := len(all[1].everywhere()); n != 0 {
			t.Errorf("%d are left", n)
		}
		authtest.After(presence.Refresh)
		if n := len(all[1].everywhere()); n != many {
			t.Errorf("%d are told anew", n)
		}
	})
}
