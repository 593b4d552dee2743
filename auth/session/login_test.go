package session

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

func TestLoginIsRecordedAndListed(t *testing.T) {
	w := newWorld(t)
	a := w.Add("Alice", nil)
	s := w.login(authtest.SFTP("ALICE"))
	if s.Account() != "Alice" || s.AccountID() != a.ID || s.Role() != policy.RoleUser || s.MustChange() {
		t.Errorf("got %q %q %q %v", s.Account(), s.AccountID(), s.Role(), s.MustChange())
	}
	list := w.EventsOf(events.Login)
	if len(list) != 1 {
		t.Fatalf("got %d login events, want 1", len(list))
	}
	e := list[0]
	if e.Session != s.ID() || e.Account != "Alice" || e.AccountID != a.ID || e.Door != "sftp" || e.Address != authtest.Client() ||
		e.Node != "node" || e.Outcome != events.OK || e.Credential != "password:"+a.Password.ID {
		t.Errorf("got event %+v", e)
	}
	open := w.List()
	if len(open) != 1 || open[0].ID != s.ID() || open[0].Client != "SSH-2.0-Test" || open[0].Address != authtest.Client() {
		t.Errorf("got sessions %+v", open)
	}
	s.Close()
	s.Close()
	if len(w.List()) != 0 || s.Context().Err() == nil {
		t.Error("the session is still open")
	}
	if used, err := w.Accounts.Activity(t.Context(), a.ID); err != nil || used.LastDoor != policy.SFTP || used.LastUsed[a.Password.ID].At.IsZero() {
		t.Errorf("got activity %+v %v", used, err)
	}
}

// Exactly as many sessions come in as there is room for, however many try at once.
func TestLimitsAreExact(t *testing.T) {
	for name, c := range map[string]struct {
		arrange func(*world)
		rule    policy.Rule
	}{
		"of the account": {func(w *world) {
			w.Change("alice", func(a *accounts.Account) { a.Limits.Sessions = 3 })
		}, policy.RuleSessionsAccount},
		"of the address": {func(w *world) {
			w.Change("alice", func(a *accounts.Account) { a.Limits.AddressSession = 3 })
		}, policy.RuleSessionsAddress},
		"of the site": {func(w *world) {
			w.ChangeSite(func(s *accounts.Site) { s.MaxSessions = 3 })
		}, policy.RuleSessionsSite},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.Add("alice", nil)
			c.arrange(w)
			var in, out atomic.Int64
			var all sync.WaitGroup
			for range 20 {
				all.Go(func() {
					_, err := w.Login(t.Context(), authtest.SFTP("alice"))
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
			if got := w.refusedBy(authtest.SFTP("alice")); got != "" {
				t.Errorf("there is room, and rule %q refuses", got)
			}
		})
	}
}

func TestKeyLogin(t *testing.T) {
	w := newWorld(t)
	public, mine := authtest.NewKey(t, 1)
	stranger, _ := authtest.NewKey(t, 2)
	expired, old := authtest.NewKey(t, 3)
	elsewhere, far := authtest.NewKey(t, 4)
	yesterday := time.Now().Add(-24 * time.Hour)
	old.Expires, far.AllowedIPs = &yesterday, []string{"203.0.113.0/24"}
	a := w.Add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{mine, old, far} })
	attempt := authtest.SFTP("alice")
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
	public, key := authtest.NewKey(t, 1)
	alice := w.Add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
	w.ChangeSite(func(s *accounts.Site) { s.Lockout.Failures = 1; s.Ban.Failures = 0 })
	wrong, withKey := authtest.SFTP("alice"), authtest.SFTP("alice")
	wrong.Password, withKey.Key = "guess", public
	w.refusedBy(wrong)
	if len(w.EventsOf(KindLockout)) != 1 {
		t.Error("the lockout is not in the log")
	}
	for _, c := range []struct {
		attempt auth.Attempt
		want    policy.Rule
	}{{authtest.SFTP("alice"), policy.RuleLockout}, {withKey, ""}} {
		if got := w.refusedBy(c.attempt); got != c.want {
			t.Errorf("got rule %q, want %q", got, c.want)
		}
	}
	w.Must(w.Auth.Unlock(t.Context(), alice.ID))
	w.Change("alice", func(a *accounts.Account) { a.Password.MustChange = true })
	for _, a := range []auth.Attempt{authtest.SFTP("alice"), withKey} {
		if got := w.refusedBy(a); got != policy.RuleMustChange {
			t.Errorf("got rule %q, want %q", got, policy.RuleMustChange)
		}
	}
	api := authtest.SFTP("alice")
	api.Door, api.Transport = policy.API, policy.TLS
	s := w.login(api)
	if !s.MustChange() {
		t.Error("the API session does not know that the password must be changed")
	}
	w.GivePassword("alice", "battery staple")
	if got := waitCut(t, s); got != policy.RuleCredential {
		t.Errorf("got rule %q, want %q", got, policy.RuleCredential)
	}
}

// A login that cannot be put into the log does not happen, unless the site says so.
func TestLoginNeedsTheLog(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	w.Store.FailAfter(0)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := w.Login(ctx, authtest.SFTP("alice"))
	if _, refused := errors.AsType[*auth.RefusedError](err); err == nil || refused {
		t.Errorf("got %v, want an error that is no refusal", err)
	}
	if n := len(w.List()); n != 0 {
		t.Errorf("%d sessions are open", n)
	}
}

// Doors tell a log that takes nothing from a trouble of their own: whoever comes is
// to try again later.
func TestUnrecordedLoginIsNamed(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	w.Store.RefuseEvents()
	wrong := authtest.SFTP("alice")
	wrong.Password = "guess"
	for name, try := range map[string]func() error{
		"a login":         func() error { return authtest.Second(w.Login(t.Context(), authtest.SFTP("alice"))) },
		"a refused login": func() error { return authtest.Second(w.Login(t.Context(), wrong)) },
		"a request":       func() error { _, _, err := w.Request(t.Context(), authtest.WebDAV("alice")); return err },
		"clear FTP": func() error {
			return w.PlainFTP(t.Context(), auth.Attempt{Account: "alice", Door: policy.FTP, Address: authtest.Client()})
		},
		"keys that are none": func() error { return w.RefuseOffer(t.Context(), authtest.SFTP("alice")) },
	} {
		if err := try(); !errors.Is(err, ErrUnrecorded) {
			t.Errorf("%s: got %v, want %v", name, err, ErrUnrecorded)
		}
	}
	if n := len(w.List()); n != 0 {
		t.Errorf("%d sessions are open", n)
	}
}

// With audit.on_failure: continue the door stays open when the log is full.
func TestLoginGoesOnWithoutTheLog(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	w.ChangeSite(func(s *accounts.Site) { s.Audit.OnFailure = policy.AuditContinue })
	w.Store.RefuseEvents()
	s := w.login(authtest.SFTP("alice"))
	defer s.Close()
	if got := w.refusedBy(authtest.SFTP("nobody")); got != policy.RuleStatus {
		t.Errorf("got rule %q, want %q", got, policy.RuleStatus)
	}
}
