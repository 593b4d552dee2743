package session

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// The client must learn nothing but a reference; the log has the rule.
func TestRefusalTellsTheClientOneText(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	w.Add("off", nil)
	_, err := w.Accounts.Disable(t.Context(), "off", "admin", "left the company", accounts.Guarded)
	w.Must(err)
	text := regexp.MustCompile(`^login refused \(reference ([0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4})\)$`)
	wrong := authtest.SFTP("alice")
	wrong.Password = "wrong"
	for name, c := range map[string]struct {
		attempt auth.Attempt
		want    policy.Rule
	}{
		"wrong password": {wrong, policy.RuleCredential},
		"unknown":        {authtest.SFTP("nobody"), policy.RuleStatus},
		"disabled":       {authtest.SFTP("off"), policy.RuleStatus},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := w.Login(t.Context(), c.attempt)
			refused, ok := errors.AsType[*auth.RefusedError](err)
			if !ok || refused.Decision.Rule != c.want {
				t.Fatalf("got %v, want a refusal by %q", err, c.want)
			}
			m := text.FindStringSubmatch(err.Error())
			if m == nil {
				t.Fatalf("got text %q", err)
			}
			found, _, err := w.Events.List(t.Context(), events.Query{Reference: m[1]})
			if err != nil || len(found) != 1 {
				t.Fatalf("got events %v %v, want the one of the reference", found, err)
			}
			e := found[0]
			if e.Kind != events.Refused || e.Rule != string(c.want) || e.Reason == "" || e.Account != c.attempt.Account || e.Address != authtest.Client() {
				t.Errorf("got event %+v", e)
			}
		})
	}
	if n := len(w.List()); n != 0 {
		t.Errorf("%d sessions are open after refusals", n)
	}
}

// What a client sends as its name or version must not forge lines of a log.
func TestHostileNamesAreEscaped(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	a := authtest.SFTP("bob\n2026-01-01 login ok \x1b[2J\u202e")
	if got := w.refusedBy(a); got != policy.RuleStatus {
		t.Errorf("got rule %q, want %q", got, policy.RuleStatus)
	}
	if got := w.EventsOf(events.Refused)[0].Account; got != "bob?2026-01-01 login ok ?[2J?" {
		t.Errorf("got account %q", got)
	}
	b := authtest.SFTP("alice")
	b.Client = "evil\r\nclient"
	s := w.login(b)
	defer s.Close()
	if got := w.List()[0].Client; got != "evil??client" {
		t.Errorf("got client %q", got)
	}
}

// Whoever measures how long a refusal takes must not learn whether there is such
// an account: each costs the same changes of the store.
func TestRefusalsCostTheSameWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.ChangeSite(func(s *accounts.Site) { s.Lockout.Failures = 3; s.Ban.Failures = 100 })
		w.Add("alice", nil)
		_, key := authtest.NewKey(t, 1)
		w.Add("keys", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
		w.Change("keys", func(a *accounts.Account) { a.Password = nil })
		want := []int{3, 2, 3, 3, 2} // failure, count and event; fewer for a stale secret and once locked
		for _, name := range []string{"alice", "keys", "nobody", "", "a/b"} {
			var got []int
			for _, guess := range []string{"one", "one", "two", "three", "four"} {
				a := authtest.SFTP(name)
				a.Password = guess
				synctest.Wait() // what the account's making began is done
				before := w.Store.Made()
				w.refusedBy(a)
				synctest.Wait()
				got = append(got, w.Store.Made()-before)
			}
			// The lockout of an account there is is an event of its own.
			if name == "alice" || name == "keys" {
				got[3]--
			}
			if !slices.Equal(got, want) {
				t.Errorf("%q: got %v changes, want %v", name, got, want)
			}
		}
	})
}

// A banned address that goes on must not fill the log.
func TestFloodFromBannedAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Add("alice", nil)
		w.ChangeSite(func(s *accounts.Site) { s.Ban = policy.Ban{Failures: 3, Period: "1h"} })
		for i := range 3 {
			w.refusedBy(authtest.SFTP(fmt.Sprint("user", i)))
		}
		if len(w.EventsOf(KindBan)) != 1 {
			t.Error("the ban is not in the log")
		}
		before := len(w.EventsOf(events.Refused))
		references := map[string]bool{}
		for i := range 100 {
			_, err := w.Login(t.Context(), authtest.SFTP(fmt.Sprint("user", i)))
			refused, ok := errors.AsType[*auth.RefusedError](err)
			if !ok || refused.Decision.Rule != policy.RuleBan {
				t.Fatalf("got %v, want the ban", err)
			}
			references[refused.Reference] = true
		}
		if got := len(w.EventsOf(events.Refused)) - before; got != 1 || len(references) != 1 {
			t.Errorf("got %d events and %d references for the flood, want one of each", got, len(references))
		}
	})
}

// Who comes from a banned address must not learn by the references whether an id
// is a credential's, or for which doors: each id has its own, whichever rule was
// named. Nor must made-up ids fill the log.
func TestReferencesOfABannedAddressTellNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Add("alice", nil)
		w.ChangeSite(func(s *accounts.Site) { s.Ban = policy.Ban{Failures: 3, Period: "1h"} })
		_, other, err := w.Accounts.AddCredential(t.Context(), "alice", 0, accounts.Credential{
			Kind: policy.KindAppPassword, Name: "another of a test", Doors: []policy.Door{policy.WebDAV},
		}, accounts.Guarded)
		w.Must(err)
		for i := range 3 {
			w.refusedBy(authtest.SFTP(fmt.Sprint("user", i)))
		}
		reference := func(password string) string {
			t.Helper()
			a := authtest.SFTP("alice")
			a.Password = password
			_, err := w.Login(t.Context(), a)
			refused, ok := errors.AsType[*auth.RefusedError](err)
			if !ok {
				t.Fatalf("got %v, want a refusal", err)
			}
			return refused.Reference
		}
		madeUp := func(i int) string { return fmt.Sprintf("gwa_%016d_%032d", i, i) }
		first, named, unknown := reference("a guess"), reference(other), reference(madeUp(0))
		if named == first || unknown == first || named == unknown {
			t.Errorf("got references %q, %q and %q, want three", first, named, unknown)
		}
		if reference(other) != named || reference(madeUp(0)) != unknown || reference("another guess") != first {
			t.Error("the same attempt has another reference")
		}
		for ref, want := range map[string]policy.Rule{first: policy.RuleBan, named: policy.RuleDoorCredential, unknown: policy.RuleBan} {
			found, _, err := w.Events.List(t.Context(), events.Query{Reference: ref})
			if err != nil || len(found) != 1 || found[0].Rule != string(want) {
				t.Errorf("got events %+v %v, want one of %q", found, err, want)
			}
		}
		before := len(w.EventsOf(events.Refused))
		for i := range 100 {
			reference(madeUp(i))
		}
		// Two ids are counted already, and all beyond the most share one.
		if got, want := len(w.EventsOf(events.Refused))-before, maxClaims-2+1; got != want {
			t.Errorf("got %d events for the flood, want %d", got, want)
		}
	})
}

func TestRefusalsTakeTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Add("alice", func(a *accounts.Account) { a.Protocols = []policy.Door{policy.SFTP} })
		began := time.Now()
		s := w.login(authtest.SFTP("alice"))
		s.Close()
		if got := time.Since(began); got != 0 {
			t.Errorf("a login waited %v", got)
		}
		for _, a := range []auth.Attempt{authtest.SFTP("nobody"), authtest.WebDAV("alice")} {
			began = time.Now()
			w.refusedBy(a)
			if got, least := time.Since(began), w.Auth.Floor(); got < least {
				t.Errorf("a refusal took %v, want at least %v", got, least)
			}
		}
	})
}
