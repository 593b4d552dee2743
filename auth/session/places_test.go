package session

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/auth/session/limits"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/nodes"
	"gatehouse/storage/state"
)

// Of many who log in at once, on whichever nodes, exactly as many come in as a limit
// has room for; and once they have left, as many again.
func TestLimitsAreExactOverNodes(t *testing.T) {
	const limit, many = 7, 50
	tests := []struct {
		name    string
		account func(*accounts.Account)
		site    func(*accounts.Site)
		rule    policy.Rule
	}{
		{"of the account", func(a *accounts.Account) { a.Limits.Sessions = limit }, nil, policy.RuleSessionsAccount},
		{"of the address", func(a *accounts.Account) { a.Limits.AddressSession = limit }, nil, policy.RuleSessionsAddress},
		{"of the site", nil, func(s *accounts.Site) { s.MaxSessions = limit }, policy.RuleSessionsSite},
	}
	everyStore(t, 3, func(t *testing.T, all []*world) {
		for i, test := range tests {
			t.Run(test.name, func(t *testing.T) {
				name := fmt.Sprint("user", i)
				addKnown(t, all, name, test.account)
				changeKnown(t, all, func(s *accounts.Site) {
					s.MaxSessions = 0
					if test.site != nil {
						test.site(s)
					}
				})
				for range 2 {
					in, rules := logins(t, all, authtest.SFTP(name), many)
					if len(in) != limit || rules[test.rule] != many-limit {
						t.Fatalf("%d of %d came in, and refused were %v", len(in), limit, rules)
					}
					closeAll(t, all, in)
				}
			})
		}
	})
}

// Where several limits are asked for, attempts may be in each other's way for a
// moment: never do more come in than there is room for, and who is alone comes in.
func TestSeveralLimitsOverNodes(t *testing.T) {
	const limit = 7
	everyStore(t, 3, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", func(a *accounts.Account) { a.Limits.Sessions, a.Limits.AddressSession = limit, limit })
		changeKnown(t, all, func(s *accounts.Site) { s.MaxSessions = limit })
		in, rules := logins(t, all, authtest.SFTP("ann"), 50)
		if len(in) > limit || len(in) == 0 {
			t.Errorf("%d of %d came in, and refused were %v", len(in), limit, rules)
		}
		for len(in) < limit {
			in = append(in, all[len(in)%3].login(authtest.SFTP("ann")))
		}
		if rule := all[0].refusedBy(authtest.SFTP("ann")); rule != policy.RuleSessionsAccount {
			t.Errorf("refused by %q", rule)
		}
	})
}

// A site that admits more than a set can hold counts by leases of its nodes.
func TestGreatLimitIsExactOverNodes(t *testing.T) {
	const great, free = state.MaxMembers + 100, 7
	everyStore(t, 3, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", nil)
		changeKnown(t, all, func(s *accounts.Site) { s.MaxSessions = great })
		another, err := nodes.Open(t.Context(), nodes.Config{State: all[0].Memory, Node: "another", Epoch: "1", Lease: authtest.Lease})
		all[0].Must(err)
		t.Cleanup(func() { all[0].Must(another.Close(context.Background())) })
		limit := int64(great)
		_, err = all[0].Memory.Count(t.Context(), limits.Scope, state.Lease{
			Name: limits.SitePlaces, Holder: "another/1", Want: great - free, Min: great - free, SetLimit: &limit,
		})
		all[0].Must(err)
		for range 2 {
			in, rules := logins(t, all, authtest.SFTP("ann"), 30)
			if len(in) != free {
				t.Fatalf("%d of %d came in, and refused were %v", len(in), free, rules)
			}
			for _, w := range all {
				w.Must(w.limits.RenewAll(t.Context())) // counts anew what there is
			}
			closeAll(t, all, in)
		}
		all[0].Must(all[0].bury(t.Context(), "another", "1"))
		in, _ := logins(t, all, authtest.SFTP("ann"), 30)
		if len(in) != 30 {
			t.Errorf("%d of 30 came in when the dead node's places were free", len(in))
		}
	})
}

// logins has many log in at once, over all nodes, and returns who came in and how
// many each rule refused.
func logins(t *testing.T, all []*world, a auth.Attempt, many int) ([]*Session, map[policy.Rule]int) {
	t.Helper()
	var mu sync.Mutex
	var in []*Session
	rules := make(map[policy.Rule]int)
	var running sync.WaitGroup
	for i := range many {
		running.Go(func() {
			s, err := all[i%len(all)].Login(t.Context(), a)
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				in = append(in, s)
				return
			}
			if refused, ok := errors.AsType[*auth.RefusedError](err); ok {
				rules[refused.Decision.Rule]++
				return
			}
			t.Errorf("login: %v", err)
		})
	}
	running.Wait()
	return in, rules
}

// closeAll ends sessions, and waits until they are.
func closeAll(t *testing.T, all []*world, list []*Session) {
	t.Helper()
	for _, s := range list {
		s.Close()
	}
	for _, w := range all {
		authtest.Eventually(t, "places are not given back", func() bool {
			w.table.mu.Lock()
			defer w.table.mu.Unlock()
			return w.table.leaving == 0
		})
	}
}

// Who leaves and comes back at once finds the place that was left, though it is
// still on its way to the store.
func TestPlaceThatIsComingBackIsWaitedFor(t *testing.T) {
	all := newNodes(t, 2)
	addKnown(t, all, "ann", func(a *accounts.Account) { a.Limits.Sessions = 1 })
	for range 50 {
		all[0].login(authtest.SFTP("ann")).Close()
	}
}

// All sessions from an address count for who has a limit on them, as they do on a
// gateway alone: also those of accounts that have none, on other nodes.
func TestAddressCountsSessionsWithoutLimit(t *testing.T) {
	everyStore(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "early", nil)
		addKnown(t, all, "late", nil)
		early := all[0].login(authtest.SFTP("early"))
		addKnown(t, all, "ann", func(a *accounts.Account) { a.Limits.AddressSession = 2 })
		late := all[0].login(authtest.SFTP("late"))
		authtest.Eventually(t, "not all are counted", func() bool {
			counts, err := all[1].Count(t.Context(), accountOf(t, all[1], "ann"), authtest.Client())
			return err == nil && counts.Address == 2
		})
		if rule := all[1].refusedBy(authtest.SFTP("ann")); rule != policy.RuleSessionsAddress {
			t.Errorf("refused by %q", rule)
		}
		all[1].login(authtest.SFTP("early")).Close()
		late.Close()
		early.Close()
		authtest.Eventually(t, "nobody comes in where there is room again", func() bool { return all[1].refusedBy(authtest.SFTP("ann")) == "" })
	})
}

// A session of requests that reached another node a moment ago, which has not told
// of it yet, ends there as well.
func TestEndReachesWhatIsNotToldYet(t *testing.T) {
	all := newNodes(t, 2)
	addKnown(t, all, "ann", nil)
	var list []*Session
	for _, w := range all {
		s, done, err := w.Request(t.Context(), authtest.WebDAV("ann"))
		w.Must(err)
		done()
		list = append(list, s)
	}
	if ended, err := all[0].EndAnywhere(t.Context(), list[0].ID(), "enough"); !ended || err != nil {
		t.Fatalf("got %v, %v", ended, err)
	}
	for _, s := range list {
		if rule := waitCut(t, s); rule != policy.RuleEnded {
			t.Errorf("ended by %s", rule)
		}
	}
}

// A client whose requests reach all nodes is one client.
func TestSessionOfRequestsIsOneOverNodes(t *testing.T) {
	everyStore(t, 3, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", func(a *accounts.Account) { a.Limits.Sessions, a.Limits.AddressSession = 1, 1 })
		changeKnown(t, all, func(s *accounts.Site) { s.MaxSessions = 1 })
		var id string
		for _, w := range all {
			s, done, err := w.Request(t.Context(), authtest.WebDAV("ann"))
			w.Must(err)
			id = s.ID()
			done()
		}
		for _, w := range all {
			authtest.Eventually(t, "not all nodes have the session", func() bool { return len(w.everywhere()[id].Nodes) == 3 })
			w.sees(1)
		}
		other := authtest.WebDAV("ann")
		other.Address = netip.MustParseAddr("198.51.100.8")
		if _, _, err := all[0].Request(t.Context(), other); err == nil {
			t.Error("a second client comes in beyond the limit")
		}
		ended, err := all[0].EndAnywhere(t.Context(), id, "enough")
		if err != nil || !ended {
			t.Fatalf("got %v, %v", ended, err)
		}
		for _, w := range all {
			if n := len(w.List()); n != 0 {
				t.Errorf("%s has %d sessions after the end", w.node, n)
			}
		}
	})
}

func TestOpenSessionsStayCounted(t *testing.T) {
	bubble(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", func(a *accounts.Account) { a.Limits.Sessions = 1 })
		all[0].login(authtest.SFTP("ann"))
		authtest.After(10 * limits.Life)
		if rule := all[1].refusedBy(authtest.SFTP("ann")); rule != policy.RuleSessionsAccount {
			t.Errorf("refused by %q", rule)
		}
	})
}

func TestLimitThatComesLaterCountsWhoIsIn(t *testing.T) {
	bubble(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", nil)
		first, second := all[0].login(authtest.SFTP("ann")), all[0].login(authtest.SFTP("ann"))
		all[0].Change("ann", func(a *accounts.Account) { a.Limits.Sessions = 2 })
		authtest.After(time.Second)
		if rule := all[1].refusedBy(authtest.SFTP("ann")); rule != policy.RuleSessionsAccount {
			t.Errorf("refused by %q", rule)
		}
		counts, err := all[1].Count(t.Context(), accountOf(t, all[1], "ann"), authtest.Client())
		if err != nil || counts.Account != 2 {
			t.Errorf("got counts %+v, %v", counts, err)
		}
		first.Close()
		second.Close()
		authtest.After(time.Second)
		all[1].login(authtest.SFTP("ann"))
	})
}

func accountOf(t *testing.T, w *world, name string) accounts.Account {
	t.Helper()
	a, err := w.Accounts.Account(t.Context(), name)
	w.Must(err)
	return a
}

// An attempt that one limit refuses leaves no place taken in another.
func TestRefusedAttemptTakesNoPlace(t *testing.T) {
	bubble(t, 2, func(t *testing.T, all []*world) {
		addKnown(t, all, "ann", func(a *accounts.Account) { a.Limits.Sessions, a.Limits.AddressSession = 2, 1 })
		s := all[0].login(authtest.SFTP("ann"))
		for range 10 {
			if rule := all[1].refusedBy(authtest.SFTP("ann")); rule != policy.RuleSessionsAddress {
				t.Errorf("refused by %q", rule)
			}
		}
		elsewhere := authtest.SFTP("ann")
		elsewhere.Address = netip.MustParseAddr("198.51.100.8")
		all[1].login(elsewhere)
		s.Close()
	})
}

// A login that no limit counts asks the store for no place.
func TestLoginWithoutLimitsAsksForNoPlace(t *testing.T) {
	all := newNodes(t, 2)
	addKnown(t, all, "ann", nil)
	all[0].login(authtest.SFTP("ann")).Close()
	if n := all[0].Store.Counted(limits.Scope); n != 0 {
		t.Errorf("it asked %d times", n)
	}
	addKnown(t, all, "bob", func(a *accounts.Account) { a.Limits.Sessions = 2 })
	s := all[0].login(authtest.SFTP("bob"))
	if n := all[0].Store.Counted(limits.Scope); n != 1 {
		t.Errorf("one limit asked %d times", n)
	}
	s.Close()
}

// What is asked for in a refusal that no limit makes costs nothing.
func TestRefusalAsksForNoPlace(t *testing.T) {
	all := newNodes(t, 1)
	addKnown(t, all, "bob", func(a *accounts.Account) { a.Limits.Sessions = 2 })
	wrong := authtest.SFTP("bob")
	wrong.Password = "wrong"
	if rule := all[0].refusedBy(wrong); rule != policy.RuleCredential {
		t.Errorf("refused by %q", rule)
	}
	if n := all[0].Store.Counted(limits.Scope); n != 0 {
		t.Errorf("it asked %d times", n)
	}
}

// Who cannot be counted does not come in.
func TestStoreThatFailsAdmitsNobody(t *testing.T) {
	all := newNodes(t, 1)
	addKnown(t, all, "bob", func(a *accounts.Account) { a.Limits.Sessions = 2 })
	var asked atomic.Bool
	all[0].Store.Kill = func(scope string) bool {
		asked.Store(asked.Load() || scope == limits.Scope)
		return scope == limits.Scope
	}
	if s, err := all[0].Login(t.Context(), authtest.SFTP("bob")); !errors.Is(err, authtest.ErrAway) || s != nil {
		t.Errorf("got %v", err)
	}
	if !asked.Load() || len(all[0].List()) != 0 {
		t.Error("it was not asked, or is in")
	}
}
