package session

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

func TestLoginIsRecordedAndListed(t *testing.T) {
	w := newWorld(t)
	a := w.add("Alice", nil)
	s := w.login(sftp("ALICE"))
	if s.Account() != "Alice" || s.AccountID() != a.ID || s.Role() != policy.RoleUser || s.MustChange() {
		t.Errorf("got %q %q %q %v", s.Account(), s.AccountID(), s.Role(), s.MustChange())
	}
	list := w.eventsOf(events.Login)
	if len(list) != 1 {
		t.Fatalf("got %d login events, want 1", len(list))
	}
	e := list[0]
	if e.Session != s.ID() || e.Account != "Alice" || e.AccountID != a.ID || e.Door != "sftp" || e.Address != client ||
		e.Node != "node" || e.Outcome != events.OK || e.Credential != "password:"+a.Password.ID {
		t.Errorf("got event %+v", e)
	}
	open := w.List()
	if len(open) != 1 || open[0].ID != s.ID() || open[0].Client != "SSH-2.0-Test" || open[0].Address != client {
		t.Errorf("got sessions %+v", open)
	}
	s.Close()
	s.Close()
	if len(w.List()) != 0 || s.Context().Err() == nil {
		t.Error("the session is still open")
	}
	if used, err := w.accounts.Activity(t.Context(), a.ID); err != nil || used.LastDoor != policy.SFTP || used.LastUsed[a.Password.ID].At.IsZero() {
		t.Errorf("got activity %+v %v", used, err)
	}
}

// The client must learn nothing but a reference; the log has the rule.
func TestRefusalTellsTheClientOneText(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	w.add("off", nil)
	_, err := w.accounts.Disable(t.Context(), "off", "admin", "left the company", accounts.Guarded)
	w.must(err)
	text := regexp.MustCompile(`^login refused \(reference ([0-9A-HJKMNP-TV-Z]{4}-[0-9A-HJKMNP-TV-Z]{4})\)$`)
	wrong := sftp("alice")
	wrong.Password = "wrong"
	for name, c := range map[string]struct {
		attempt auth.Attempt
		want    policy.Rule
	}{
		"wrong password": {wrong, policy.RuleCredential},
		"unknown":        {sftp("nobody"), policy.RuleStatus},
		"disabled":       {sftp("off"), policy.RuleStatus},
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
			found, _, err := w.events.List(t.Context(), events.Query{Reference: m[1]})
			if err != nil || len(found) != 1 {
				t.Fatalf("got events %v %v, want the one of the reference", found, err)
			}
			e := found[0]
			if e.Kind != events.Refused || e.Rule != string(c.want) || e.Reason == "" || e.Account != c.attempt.Account || e.Address != client {
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
	w.add("alice", nil)
	a := sftp("bob\n2026-01-01 login ok \x1b[2J\u202e")
	if got := w.refusedBy(a); got != policy.RuleStatus {
		t.Errorf("got rule %q, want %q", got, policy.RuleStatus)
	}
	if got := w.eventsOf(events.Refused)[0].Account; got != "bob?2026-01-01 login ok ?[2J?" {
		t.Errorf("got account %q", got)
	}
	b := sftp("alice")
	b.Client = "evil\r\nclient"
	s := w.login(b)
	defer s.Close()
	if got := w.List()[0].Client; got != "evil??client" {
		t.Errorf("got client %q", got)
	}
}

// Exactly as many sessions come in as there is room for, however many try at once.
func TestLimitsAreExact(t *testing.T) {
	for name, c := range map[string]struct {
		arrange func(*world)
		rule    policy.Rule
	}{
		"of the account": {func(w *world) {
			w.change("alice", func(a *accounts.Account) { a.Limits.Sessions = 3 })
		}, policy.RuleSessionsAccount},
		"of the address": {func(w *world) {
			w.change("alice", func(a *accounts.Account) { a.Limits.AddressSession = 3 })
		}, policy.RuleSessionsAddress},
		"of the site": {func(w *world) {
			w.changeSite(func(s *accounts.Site) { s.MaxSessions = 3 })
		}, policy.RuleSessionsSite},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.add("alice", nil)
			c.arrange(w)
			var in, out atomic.Int64
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					_, err := w.Login(t.Context(), sftp("alice"))
					refused, ok := errors.AsType[*auth.RefusedError](err)
					switch {
					case err == nil:
						in.Add(1)
					case ok && refused.Decision.Rule == c.rule:
						out.Add(1)
					default:
						t.Errorf("got %v", err)
					}
				})
			}
			all.Wait()
			if in.Load() != 3 || out.Load() != 17 {
				t.Errorf("got %d in and %d out, want 3 and 17", in.Load(), out.Load())
			}
			open := w.List()
			w.End(open[0].ID, "makes room")
			if got := w.refusedBy(sftp("alice")); got != "" {
				t.Errorf("there is room, and rule %q refuses", got)
			}
		})
	}
}

func TestKeyLogin(t *testing.T) {
	w := newWorld(t)
	public, mine := newKey(t, 1)
	stranger, _ := newKey(t, 2)
	expired, old := newKey(t, 3)
	elsewhere, far := newKey(t, 4)
	yesterday := time.Now().Add(-24 * time.Hour)
	old.Expires, far.AllowedIPs = &yesterday, []string{"203.0.113.0/24"}
	a := w.add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{mine, old, far} })
	attempt := sftp("alice")
	attempt.Password, attempt.Key = "", public
	if !w.OffersKey(t.Context(), attempt) {
		t.Error("the account's key is not taken")
	}
	s := w.login(attempt)
	defer s.Close()
	if got, want := w.List()[0].Credential, "key:"+a.Keys[0].ID; got != want {
		t.Errorf("got credential %q, want %q", got, want)
	}
	for name, c := range map[string]struct {
		offers bool
		want   policy.Rule
	}{"stranger": {false, policy.RuleCredential}, "expired": {true, policy.RuleCredentialExpiry}, "elsewhere": {true, policy.RuleCredentialAddress}} {
		attempt.Key = stranger
		if name == "expired" {
			attempt.Key = expired
		}
		if name == "elsewhere" {
			attempt.Key = elsewhere
		}
		if got := w.OffersKey(t.Context(), attempt); got != c.offers {
			t.Errorf("%s: offers %v, want %v", name, got, c.offers)
		}
		if got := w.refusedBy(attempt); got != c.want {
			t.Errorf("%s: got rule %q, want %q", name, got, c.want)
		}
	}
	attempt.Account = "nobody"
	attempt.Key = public
	if w.OffersKey(t.Context(), attempt) {
		t.Error("a key is taken for an account that is not there")
	}
}

// A key goes on when the account is locked for passwords, and stops where the
// password must be changed first.
func TestKeysWhileLockedOrMustChange(t *testing.T) {
	w := newWorld(t)
	public, key := newKey(t, 1)
	w.add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
	w.changeSite(func(s *accounts.Site) { s.Lockout.Failures = 1; s.Ban.Failures = 0 })
	wrong, withKey := sftp("alice"), sftp("alice")
	wrong.Password, withKey.Key = "guess", public
	w.refusedBy(wrong)
	if len(w.eventsOf(KindLockout)) != 1 {
		t.Error("the lockout is not in the log")
	}
	for _, c := range []struct {
		attempt auth.Attempt
		want    policy.Rule
	}{{sftp("alice"), policy.RuleLockout}, {withKey, ""}} {
		if got := w.refusedBy(c.attempt); got != c.want {
			t.Errorf("got rule %q, want %q", got, c.want)
		}
	}
	w.must(w.Unlock(t.Context(), "alice"))
	w.change("alice", func(a *accounts.Account) { a.Password.MustChange = true })
	for _, a := range []auth.Attempt{sftp("alice"), withKey} {
		if got := w.refusedBy(a); got != policy.RuleMustChange {
			t.Errorf("got rule %q, want %q", got, policy.RuleMustChange)
		}
	}
	api := sftp("alice")
	api.Door, api.Transport = policy.API, policy.TLS
	s := w.login(api)
	if !s.MustChange() {
		t.Error("the API session does not know that the password must be changed")
	}
	_, err := w.SetPassword(t.Context(), "alice", "battery staple", false)
	w.must(err)
	if got := waitCut(t, s); got != policy.RuleCredential {
		t.Errorf("got rule %q, want %q", got, policy.RuleCredential)
	}
}

// A login that cannot be put into the log does not happen, unless the site says so.
func TestLoginNeedsTheLog(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	w.store.failAfter(0)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := w.Login(ctx, sftp("alice"))
	if _, refused := errors.AsType[*auth.RefusedError](err); err == nil || refused {
		t.Errorf("got %v, want an error that is no refusal", err)
	}
	if n := len(w.List()); n != 0 {
		t.Errorf("%d sessions are open", n)
	}
}

func TestEndAndShutdown(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	s, other := w.login(sftp("alice")), w.login(sftp("alice"))
	if !w.End(s.ID(), "told to") || w.End(s.ID(), "told to") || w.End("nobody's", "told to") {
		t.Error("End does not tell whether there was such a session")
	}
	if got := waitCut(t, s); got != ruleEnded {
		t.Errorf("got rule %q, want %q", got, ruleEnded)
	}
	if other.Context().Err() != nil {
		t.Error("another session was cut")
	}
	drained := make(chan error)
	go func() { drained <- w.Shutdown(t.Context()) }()
	for !w.table.isClosed() {
		time.Sleep(time.Millisecond)
	}
	if _, err := w.Login(t.Context(), sftp("alice")); !errors.Is(err, ErrShuttingDown) {
		t.Errorf("got %v during the drain, want %v", err, ErrShuttingDown)
	}
	if other.Context().Err() != nil {
		t.Error("the drain cut a session")
	}
	other.Close()
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
}

func TestShutdownCutsWhatDoesNotEnd(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	s := w.login(sftp("alice"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	if got := waitCut(t, s); got != ruleShutdown {
		t.Errorf("got rule %q, want %q", got, ruleShutdown)
	}
	if got := w.eventsOf(events.Cut); len(got) != 1 || got[0].Session != s.ID() {
		t.Errorf("got cut events %+v, want the session's", got)
	}
}

// A banned address that goes on must not fill the log.
func TestFloodFromBannedAddress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("alice", nil)
		w.changeSite(func(s *accounts.Site) { s.Ban = policy.Ban{Failures: 3, Period: "1h"} })
		for i := range 3 {
			w.refusedBy(sftp(fmt.Sprint("user", i)))
		}
		if len(w.eventsOf(KindBan)) != 1 {
			t.Error("the ban is not in the log")
		}
		before := len(w.eventsOf(events.Refused))
		references := map[string]bool{}
		for i := range 100 {
			_, err := w.Login(t.Context(), sftp(fmt.Sprint("user", i)))
			refused, ok := errors.AsType[*auth.RefusedError](err)
			if !ok || refused.Decision.Rule != policy.RuleBan {
				t.Fatalf("got %v, want the ban", err)
			}
			references[refused.Reference] = true
		}
		if got := len(w.eventsOf(events.Refused)) - before; got != 1 || len(references) != 1 {
			t.Errorf("got %d events and %d references for the flood, want one of each", got, len(references))
		}
	})
}

func TestAllowsPlainFTP(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	w.add("printer", func(a *accounts.Account) { a.PlainFTP = policy.Allow })
	for name, want := range map[string]bool{"alice": false, "printer": true, "nobody": false, "a/b": false} {
		if got := w.AllowsPlainFTP(t.Context(), name, client); got != want {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
	}
	w.changeSite(func(s *accounts.Site) { s.PlainFTP = policy.Allow })
	w.change("alice", func(a *accounts.Account) { a.PlainFTP = policy.Deny })
	for name, want := range map[string]bool{"alice": false, "printer": true, "nobody": true} {
		if got := w.AllowsPlainFTP(t.Context(), name, client); got != want {
			t.Errorf("allowed by the site, %s: got %v, want %v", name, got, want)
		}
	}
}

func TestSituation(t *testing.T) {
	w := newWorld(t)
	a := w.add("alice", nil)
	s := w.login(sftp("alice"))
	defer s.Close()
	banned, locked, counts, err := w.Situation(t.Context(), a, netip.MustParseAddr("::ffff:198.51.100.7"))
	if err != nil || banned || locked || counts != (policy.Sessions{Account: 1, Address: 1, All: 1}) {
		t.Errorf("got %v %v %+v %v", banned, locked, counts, err)
	}
}
