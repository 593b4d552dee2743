package session

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/links"
)

func (w *world) reset(a accounts.Account) auth.Attempt {
	w.t.Helper()
	_, secret, err := w.accounts.Links().Make(w.t.Context(), links.Link{Kind: links.Reset, Account: a.ID, By: "socket"}, links.Unbounded)
	w.must(err)
	return auth.Attempt{Link: secret, Door: policy.AccountPages, Transport: policy.TLS, Address: client}
}

// A reset link sets one password, once, and lifts no other rule. Looking at it
// uses nothing up.
func TestResetLink(t *testing.T) {
	w := newWorld(t)
	alice := w.add("alice", func(a *accounts.Account) { a.Protocols = []policy.Door{policy.SFTP} })
	s := w.login(sftp("alice"))
	a := w.reset(alice)
	for range 3 {
		link, err := w.ByLink(t.Context(), a)
		if err != nil || link.Account != alice.ID {
			t.Fatalf("got %+v %v", link, err)
		}
	}
	for _, bad := range []string{"short", "correct horse"} {
		if _, ok := errors.AsType[*accounts.InvalidError](second(w.ResetByLink(t.Context(), a, bad))); !ok {
			t.Errorf("the password %q is taken", bad)
		}
	}
	elsewhere := a
	elsewhere.Address = netip.MustParseAddr("203.0.113.1")
	w.change("alice", func(a *accounts.Account) { a.AllowedIPs = []netip.Prefix{netip.PrefixFrom(client, 32)} })
	refused, ok := errors.AsType[*auth.RefusedError](second(w.ResetByLink(t.Context(), elsewhere, "battery staple")))
	if !ok || refused.Decision.Rule != policy.RuleAddress {
		t.Errorf("from elsewhere: got %v", refused)
	}
	now, err := w.ResetByLink(t.Context(), a, "battery staple")
	w.must(err)
	if now.Password.MustChange {
		t.Error("the new password must be changed")
	}
	if got := waitCut(t, s); got != policy.RuleCredential {
		t.Errorf("the session of the old password: got rule %q", got)
	}
	refused, ok = errors.AsType[*auth.RefusedError](second(w.ResetByLink(t.Context(), a, "another staple")))
	if !ok || refused.Decision.Rule != policy.RuleCredential {
		t.Errorf("a second use: got %v", refused)
	}
	with := sftp("alice")
	with.Password = "battery staple"
	w.login(with).Close()
	if n := len(w.List()); n != 0 {
		t.Errorf("a link left %d sessions", n)
	}
}

func second[T any](_ T, err error) error { return err }

// A link is worth nothing to an account that may not come in.
func TestResetLinkOfDisabledAccount(t *testing.T) {
	w := newWorld(t)
	alice := w.add("alice", nil)
	a := w.reset(alice)
	_, err := w.accounts.Disable(t.Context(), "alice", "admin", "", accounts.Guarded)
	w.must(err)
	refused, ok := errors.AsType[*auth.RefusedError](second(w.ResetByLink(t.Context(), a, "battery staple")))
	if !ok || refused.Decision.Rule != policy.RuleStatus {
		t.Errorf("got %v", refused)
	}
}

// Whoever holds an old link must not come back with it: a new password, by
// whichever way, ends it, and so does disabling.
func TestNewPasswordEndsResetLinks(t *testing.T) {
	for name, change := range map[string]func(w *world, now accounts.Account) error{
		"set by an administrator": func(w *world, now accounts.Account) error {
			return second(w.SetPassword(w.t.Context(), now.Name, 0, "battery staple", false))
		},
		"changed by its owner": func(w *world, now accounts.Account) error {
			return w.ChangeOwnPassword(w.t.Context(), w.login(api(now.Name)), "battery staple")
		},
		"written with the account, as apply does": func(w *world, now accounts.Account) error {
			made, err := w.auth.NewPassword(w.t.Context(), now, "battery staple")
			w.must(err)
			return second(w.ChangeAccount(w.t.Context(), now.Name, 0, func(a *accounts.Account) error {
				a.Password = made
				return nil
			}, accounts.Guarded))
		},
		"disabled and enabled again": func(w *world, now accounts.Account) error {
			_, err := w.accounts.Disable(w.t.Context(), now.Name, "admin", "", accounts.Guarded)
			w.must(err)
			return second(w.accounts.Update(w.t.Context(), now.Name, 0, func(a *accounts.Account) error {
				a.Status = policy.Status{At: time.Now().Add(time.Second)}
				return nil
			}, accounts.Guarded))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			alice := w.add("alice", nil)
			a := w.reset(alice)
			w.must(change(w, alice))
			refused, ok := errors.AsType[*auth.RefusedError](second(w.ResetByLink(t.Context(), a, "another staple")))
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
		boss := w.add("boss", nil)
		alice := w.add("alice", nil)
		a := w.reset(alice)
		w.change("alice", func(a *accounts.Account) {
			change(a)
			if a.Role == policy.RoleGuest {
				a.ManagedBy = []string{boss.ID}
			}
		})
		for what, err := range map[string]error{"looked at": second(w.ByLink(t.Context(), a)), "used": second(w.ResetByLink(t.Context(), a, "battery staple"))} {
			refused, ok := errors.AsType[*auth.RefusedError](err)
			if !ok || refused.Decision.Rule != policy.RuleCredential {
				t.Errorf("%s, %s: got %v", name, what, err)
			}
		}
		now, err := w.accounts.Account(t.Context(), "alice")
		w.must(err)
		made, err := w.auth.NewPassword(t.Context(), now, "battery staple")
		w.must(err)
		if _, err := w.setByLink(t.Context(), now, made); !errors.Is(err, links.ErrGone) {
			t.Errorf("%s in the midst of it: got %v", name, err)
		}
	}
}

// Somebody has set another password between the taking of a link and its use: the
// link gives way, and is not put back.
func TestResetLinkGivesWay(t *testing.T) {
	w := newWorld(t)
	before := w.add("alice", nil)
	_, err := w.SetPassword(t.Context(), "alice", 0, "battery staple", false)
	w.must(err)
	made, err := w.auth.NewPassword(t.Context(), before, "another staple")
	w.must(err)
	if _, err := w.setByLink(t.Context(), before, made); !errors.Is(err, links.ErrGone) {
		t.Errorf("got %v, want %v", err, links.ErrGone)
	}
	with := sftp("alice")
	with.Password = "battery staple"
	w.login(with).Close()
}

// A lockout is the administrator's to lift: who has a link, a session that is open
// or a right to set passwords must not be able to.
func TestNewPasswordLiftsNoLockout(t *testing.T) {
	w := newWorld(t)
	w.changeSite(func(s *accounts.Site) { s.Lockout.Failures = 1; s.Ban.Failures = 0 })
	alice := w.add("alice", nil)
	open := w.login(api("alice"))
	defer open.Close()
	wrong := sftp("alice")
	wrong.Password = "guess"
	w.refusedBy(wrong)
	with := sftp("alice")
	for _, set := range []func(password string) error{
		func(p string) error { return w.ChangeOwnPassword(t.Context(), open, p) },
		func(p string) error { return second(w.ResetByLink(t.Context(), w.reset(alice), p)) },
		func(p string) error { return second(w.SetPassword(t.Context(), "alice", 0, p, false)) },
	} {
		with.Password += " again"
		w.must(set(with.Password))
		if got := w.refusedBy(with); got != policy.RuleLockout {
			t.Errorf("got rule %q, want %q", got, policy.RuleLockout)
		}
	}
	w.must(w.Unlock(t.Context(), "alice"))
	w.login(with).Close()
}

// Of two who open a reset link at once one sets the password.
func TestResetLinkIsTakenOnce(t *testing.T) {
	w := newWorld(t)
	a := w.reset(w.add("alice", nil))
	done := make(chan error)
	for _, password := range []string{"battery staple one", "battery staple two", "battery staple three"} {
		go func() { done <- second(w.ResetByLink(t.Context(), a, password)) }()
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
	_, secret, err := w.accounts.Links().Make(t.Context(), links.Link{
		Kind: links.Invite, By: "socket", Invitation: &links.Invitation{Email: "bob@example.org", Role: policy.RoleUser},
	}, links.Unbounded)
	w.must(err)
	a := auth.Attempt{Link: secret, Door: policy.AccountPages, Transport: policy.TLS, Address: client}
	link, err := w.ByLink(t.Context(), a)
	if err != nil || link.Invitation == nil {
		t.Fatalf("got %+v %v", link, err)
	}
	if _, err := w.ResetByLink(t.Context(), a, "battery staple"); !errors.Is(err, links.ErrGone) {
		t.Errorf("an invitation sets a password: %v", err)
	}
	w.changeSite(func(s *accounts.Site) { s.AllowedIPs = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")} })
	refused, ok := errors.AsType[*auth.RefusedError](second(w.ByLink(t.Context(), a)))
	if !ok || refused.Decision.Rule != policy.RuleAddress {
		t.Errorf("got %v", refused)
	}
}

// Who is in is not inactive, however long ago the login was; who is not is
// disabled within the hour, and an administrator never.
func TestInactiveAccountsAreDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("alice", nil)
		w.add("bob", nil)
		w.add("root", func(a *accounts.Account) { a.Role = policy.RoleAdmin })
		w.changeSite(func(s *accounts.Site) { s.Inactive = 2 })
		s := w.login(sftp("alice"))
		disabled := func(name string) bool {
			a, err := w.accounts.Account(t.Context(), name)
			w.must(err)
			return a.Status.Disabled
		}
		time.Sleep(46 * time.Hour)
		synctest.Wait()
		if disabled("bob") {
			t.Error("an account was disabled before its time")
		}
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		if !disabled("bob") || disabled("alice") || disabled("root") {
			t.Errorf("disabled: bob %v, alice %v, root %v", disabled("bob"), disabled("alice"), disabled("root"))
		}
		if s.Context().Err() != nil {
			t.Error("an open session was cut")
		}
		if list := w.eventsOf(kindDisabled); len(list) != 1 || list[0].Account != "bob" || list[0].Actor == "" {
			t.Errorf("got events %+v", list)
		}
		s.Close()
	})
}

// A link that a delegate has put aside is no way back to an account that it
// manages no more.
func TestResetLinkEndsWithTheRightToMakeIt(t *testing.T) {
	w := newWorld(t)
	dora := w.add("dora", func(a *accounts.Account) { a.Manage.Users = true })
	desk, err := w.accounts.CreateGroup(t.Context(), accounts.Group{Group: policy.Group{Name: "desk"}, Managers: []string{dora.ID}})
	w.must(err)
	for _, name := range []string{"max", "mia"} {
		w.add(name, func(a *accounts.Account) { a.ManagedBy = []string{dora.ID, desk.ID} })
	}
	make := func(name string) auth.Attempt {
		target, err := w.accounts.Account(t.Context(), name)
		w.must(err)
		_, secret, err := w.accounts.Links().Make(t.Context(), links.Link{Kind: links.Reset, Account: target.ID, By: dora.ID}, links.Bounded)
		w.must(err)
		return auth.Attempt{Link: secret, Door: policy.AccountPages, Transport: policy.TLS, Address: client}
	}
	change := func(name string, do func(*accounts.Account)) func() {
		return func() { w.change(name, do) }
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
		refused, ok := errors.AsType[*auth.RefusedError](second(w.ResetByLink(t.Context(), a, "battery staple")))
		if !ok || refused.Decision.Rule != policy.RuleCredential || !strings.Contains(refused.Decision.Because, "who made the link") {
			t.Errorf("%s is lost: got %v", name, refused)
		}
		c.regain()
		if _, err := w.ByLink(t.Context(), a); err != nil {
			t.Errorf("%s: the refusal used the link up: %v", name, err)
		}
	}
	_, err = w.ResetByLink(t.Context(), make("mia"), "battery staple")
	w.must(err)
}

// An account that takes the name of a deleted one in the middle of a change must
// not get the password that was meant for the other.
func TestAPasswordIsNotForWhoTookTheName(t *testing.T) {
	w := newWorld(t)
	gone := w.add("alice", nil)
	made, err := w.auth.NewPassword(t.Context(), gone, "battery staple")
	w.must(err)
	w.must(w.DeleteAccount(t.Context(), "alice", 0, "delete", accounts.Guarded))
	w.add("alice", nil)
	if _, err := w.setPassword(t.Context(), gone, 0, made); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	w.login(sftp("alice")).Close()
}
