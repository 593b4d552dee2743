package selfservice

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/links"
)

// A reset link sets one password, once, and lifts no other rule. Looking at it
// uses nothing up.
func TestResetLink(t *testing.T) {
	w := newWorld(t)
	alice := w.Add("alice", func(a *accounts.Account) { a.Protocols = []policy.Door{policy.SFTP} })
	s := w.login(authtest.SFTP("alice"))
	a := w.reset(alice)
	for range 3 {
		link, err := w.ByLink(t.Context(), a)
		if err != nil || link.Account != alice.ID {
			t.Fatalf("got %+v %v", link, err)
		}
	}
	for _, bad := range []string{"short", "correct horse"} {
		if _, ok := errors.AsType[*accounts.InvalidError](authtest.Second(w.ResetByLink(t.Context(), a, bad))); !ok {
			t.Errorf("the password %q is taken", bad)
		}
	}
	elsewhere := a
	elsewhere.Address = netip.MustParseAddr("203.0.113.1")
	w.Change("alice", func(a *accounts.Account) { a.AllowedIPs = []netip.Prefix{netip.PrefixFrom(authtest.Client(), 32)} })
	refused, ok := errors.AsType[*auth.RefusedError](authtest.Second(w.ResetByLink(t.Context(), elsewhere, "battery staple")))
	if !ok || refused.Decision.Rule != policy.RuleAddress {
		t.Errorf("from elsewhere: got %v", refused)
	}
	now, err := w.ResetByLink(t.Context(), a, "battery staple")
	w.Must(err)
	if now.Password.MustChange {
		t.Error("the new password must be changed")
	}
	if got := waitCut(t, s); got != policy.RuleCredential {
		t.Errorf("the session of the old password: got rule %q", got)
	}
	refused, ok = errors.AsType[*auth.RefusedError](authtest.Second(w.ResetByLink(t.Context(), a, "another staple")))
	if !ok || refused.Decision.Rule != policy.RuleCredential {
		t.Errorf("a second use: got %v", refused)
	}
	with := authtest.SFTP("alice")
	with.Password = "battery staple"
	w.login(with).Close()
	if n := len(w.door.List()); n != 0 {
		t.Errorf("a link left %d sessions", n)
	}
}

// A link is worth nothing to an account that may not come in.
func TestResetLinkOfDisabledAccount(t *testing.T) {
	w := newWorld(t)
	alice := w.Add("alice", nil)
	a := w.reset(alice)
	_, err := w.Accounts.Disable(t.Context(), "alice", "admin", "", accounts.Guarded)
	w.Must(err)
	refused, ok := errors.AsType[*auth.RefusedError](authtest.Second(w.ResetByLink(t.Context(), a, "battery staple")))
	if !ok || refused.Decision.Rule != policy.RuleStatus {
		t.Errorf("got %v", refused)
	}
}

// Whoever holds an old link must not come back with it: a new password, by
// whichever way, ends it, and so does disabling.
func TestNewPasswordEndsResetLinks(t *testing.T) {
	for name, change := range map[string]func(w *world, now accounts.Account) error{
		"set by an administrator": func(w *world, now accounts.Account) error {
			return authtest.Second(w.admins.SetPassword(w.t.Context(), now.Name, 0, "battery staple", false))
		},
		"changed by its owner": func(w *world, now accounts.Account) error {
			return w.ChangePassword(w.t.Context(), w.login(authtest.API(now.Name)), "battery staple")
		},
		"written with the account, as apply does": func(w *world, now accounts.Account) error {
			made, err := w.Auth.NewPassword(w.t.Context(), now, "battery staple")
			w.Must(err)
			return authtest.Second(w.admins.Change(w.t.Context(), now.Name, 0, func(a *accounts.Account) error {
				a.Password = made
				return nil
			}, accounts.Guarded))
		},
		"disabled and enabled again": func(w *world, now accounts.Account) error {
			_, err := w.Accounts.Disable(w.t.Context(), now.Name, "admin", "", accounts.Guarded)
			w.Must(err)
			return authtest.Second(w.Accounts.Update(w.t.Context(), now.Name, 0, func(a *accounts.Account) error {
				a.Status = policy.Status{At: time.Now().Add(time.Second)}
				return nil
			}, accounts.Guarded))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			alice := w.Add("alice", nil)
			a := w.reset(alice)
			w.Must(change(w, alice))
			refused, ok := errors.AsType[*auth.RefusedError](authtest.Second(w.ResetByLink(t.Context(), a, "another staple")))
			if !ok || refused.Decision.Rule != policy.RuleCredential {
				t.Errorf("got %v, want that the link is good no more", refused)
			}
			if _, err := w.ByLink(t.Context(), w.reset(alice)); err != nil {
				t.Errorf("a link from afterwards: %v", err)
			}
		})
	}
}

// Everybody who has a shared account would lock the others out with a link from
// before it was one, and a guest's password is its managers' to set.
func TestResetLinkOfWhoSetsNoPasswordByNow(t *testing.T) {
	for name, change := range map[string]func(*accounts.Account){
		"shared":  func(a *accounts.Account) { a.Shared = true },
		"a guest": func(a *accounts.Account) { a.Role = policy.RoleGuest },
	} {
		w := newWorld(t)
		boss := w.Add("boss", nil)
		alice := w.Add("alice", nil)
		a := w.reset(alice)
		w.Change("alice", func(a *accounts.Account) {
			change(a)
			if a.Role == policy.RoleGuest {
				a.ManagedBy = []string{boss.ID}
			}
		})
		for what, err := range map[string]error{"looked at": authtest.Second(w.ByLink(t.Context(), a)), "used": authtest.Second(w.ResetByLink(t.Context(), a, "battery staple"))} {
			refused, ok := errors.AsType[*auth.RefusedError](err)
			if !ok || refused.Decision.Rule != policy.RuleCredential {
				t.Errorf("%s, %s: got %v", name, what, err)
			}
		}
		now, err := w.Accounts.Account(t.Context(), "alice")
		w.Must(err)
		made, err := w.Auth.NewPassword(t.Context(), now, "battery staple")
		w.Must(err)
		if _, err := w.setByLink(t.Context(), now, made); !errors.Is(err, links.ErrGone) {
			t.Errorf("%s in the midst of it: got %v", name, err)
		}
	}
}

// Somebody has set another password between the taking of a link and its use: the
// link gives way, and is not put back.
func TestResetLinkGivesWay(t *testing.T) {
	w := newWorld(t)
	before := w.Add("alice", nil)
	_, err := w.admins.SetPassword(t.Context(), "alice", 0, "battery staple", false)
	w.Must(err)
	made, err := w.Auth.NewPassword(t.Context(), before, "another staple")
	w.Must(err)
	if _, err := w.setByLink(t.Context(), before, made); !errors.Is(err, links.ErrGone) {
		t.Errorf("got %v, want %v", err, links.ErrGone)
	}
	with := authtest.SFTP("alice")
	with.Password = "battery staple"
	w.login(with).Close()
}

// A lockout is the administrator's to lift: who has a link, a session that is open
// or a right to set passwords must not be able to.
func TestNewPasswordLiftsNoLockout(t *testing.T) {
	w := newWorld(t)
	w.ChangeSite(func(s *accounts.Site) { s.Lockout.Failures = 1; s.Ban.Failures = 0 })
	alice := w.Add("alice", nil)
	open := w.login(authtest.API("alice"))
	defer open.Close()
	wrong := authtest.SFTP("alice")
	wrong.Password = "guess"
	w.refusedBy(wrong)
	with := authtest.SFTP("alice")
	for _, set := range []func(password string) error{
		func(p string) error { return w.ChangePassword(t.Context(), open, p) },
		func(p string) error { return authtest.Second(w.ResetByLink(t.Context(), w.reset(alice), p)) },
		func(p string) error { return authtest.Second(w.admins.SetPassword(t.Context(), "alice", 0, p, false)) },
	} {
		with.Password += " again"
		w.Must(set(with.Password))
		if got := w.refusedBy(with); got != policy.RuleLockout {
			t.Errorf("got rule %q, want %q", got, policy.RuleLockout)
		}
	}
	w.Must(w.Auth.Unlock(t.Context(), alice.ID))
	w.login(with).Close()
}

// Of two who open a reset link at once one sets the password.
func TestResetLinkIsTakenOnce(t *testing.T) {
	w := newWorld(t)
	a := w.reset(w.Add("alice", nil))
	done := make(chan error)
	for _, password := range []string{"battery staple one", "battery staple two", "battery staple three"} {
		go func() { done <- authtest.Second(w.ResetByLink(t.Context(), a, password)) }()
	}
	taken := 0
	for range 3 {
		if err := <-done; err == nil {
			taken++
		}
	}
	if taken != 1 {
		t.Errorf("the link was taken %d times", taken)
	}
}

func TestInvitationIsJudgedByTheSite(t *testing.T) {
	w := newWorld(t)
	_, secret, err := w.Accounts.Links().Make(t.Context(), links.Link{
		Kind: links.Invite, By: "socket", Invitation: &links.Invitation{Email: "bob@example.org", Role: policy.RoleUser},
	}, links.Unbounded)
	w.Must(err)
	a := auth.Attempt{Link: secret, Door: policy.AccountPages, Transport: policy.TLS, Address: authtest.Client()}
	link, err := w.ByLink(t.Context(), a)
	if err != nil || link.Invitation == nil {
		t.Fatalf("got %+v %v", link, err)
	}
	if _, err := w.ResetByLink(t.Context(), a, "battery staple"); !errors.Is(err, links.ErrGone) {
		t.Errorf("an invitation sets a password: %v", err)
	}
	w.ChangeSite(func(s *accounts.Site) { s.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")} })
	refused, ok := errors.AsType[*auth.RefusedError](authtest.Second(w.ByLink(t.Context(), a)))
	if !ok || refused.Decision.Rule != policy.RuleAddress {
		t.Errorf("got %v", refused)
	}
}

// A link that a delegate has put aside is no way back to an account that it
// manages no more.
func TestResetLinkEndsWithTheRightToMakeIt(t *testing.T) {
	w := newWorld(t)
	dora := w.Add("dora", func(a *accounts.Account) { a.Manage.Users = true })
	desk, err := w.Accounts.CreateGroup(t.Context(), accounts.Group{Group: policy.Group{Name: "desk"}, Managers: []string{dora.ID}})
	w.Must(err)
	for _, name := range []string{"max", "mia"} {
		w.Add(name, func(a *accounts.Account) { a.ManagedBy = []string{dora.ID, desk.ID} })
	}
	make := func(name string) auth.Attempt {
		target, err := w.Accounts.Account(t.Context(), name)
		w.Must(err)
		_, secret, err := w.Accounts.Links().Make(t.Context(), links.Link{Kind: links.Reset, Account: target.ID, By: dora.ID}, links.Bounded)
		w.Must(err)
		return auth.Attempt{Link: secret, Door: policy.AccountPages, Transport: policy.TLS, Address: authtest.Client()}
	}
	change := func(name string, do func(*accounts.Account)) func() {
		return func() { w.Change(name, do) }
	}
	manages := func(a *accounts.Account) { a.Manage.Users, a.Status.Disabled = true, false }
	by := func(ids ...string) func() {
		return change("max", func(a *accounts.Account) { a.ManagedBy = ids })
	}
	for name, c := range map[string]struct{ lose, regain func() }{
		"its right":           {change("dora", func(a *accounts.Account) { a.Manage.Users = false }), change("dora", manages)},
		"being enabled":       {change("dora", func(a *accounts.Account) { a.Status.Disabled = true }), change("dora", manages)},
		"managing the one":    {by(), by(desk.ID)},
		"managing its equals": {change("max", func(a *accounts.Account) { a.Manage.Guests = true }), change("max", func(a *accounts.Account) { a.Manage.Guests = false })},
	} {
		a := make("max")
		if _, err := w.ByLink(t.Context(), a); err != nil {
			t.Fatalf("%s: the link is refused: %v", name, err)
		}
		c.lose()
		refused, ok := errors.AsType[*auth.RefusedError](authtest.Second(w.ResetByLink(t.Context(), a, "battery staple")))
		if !ok || refused.Decision.Rule != policy.RuleCredential || !strings.Contains(refused.Decision.Because, "who made the link") {
			t.Errorf("%s is lost: got %v", name, refused)
		}
		c.regain()
		if _, err := w.ByLink(t.Context(), a); err != nil {
			t.Errorf("%s: the refusal used the link up: %v", name, err)
		}
	}
	_, err = w.ResetByLink(t.Context(), make("mia"), "battery staple")
	w.Must(err)
}
