package session

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// Whatever refuses a login also cuts a session that is open, within a second,
// and no session of another account.
func TestChangesCutOpenSessions(t *testing.T) {
	office := []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}
	for name, c := range map[string]struct {
		change func(*world)
		want   policy.Rule
		all    bool // cuts everybody
	}{
		"disabled": {func(w *world) {
			_, err := w.Accounts.Disable(w.t.Context(), "alice", "admin", "", accounts.Guarded)
			w.Must(err)
		}, policy.RuleStatus, false},
		"deleted": {func(w *world) {
			a, err := w.Accounts.Account(w.t.Context(), "alice")
			w.Must(err)
			w.remove(a)
		}, policy.RuleStatus, false},
		"record deleted": {func(w *world) {
			_, err := w.Accounts.Delete(w.t.Context(), "alice", 0, accounts.Guarded)
			w.Must(err)
		}, policy.RuleStatus, false},
		"expired": {func(w *world) {
			w.Change("alice", func(a *accounts.Account) { a.Expires = &policy.Expiry{Instant: time.Now().Add(-time.Second)} })
		}, policy.RuleExpiry, false},
		"door taken": {func(w *world) {
			w.Change("alice", func(a *accounts.Account) { a.Protocols = []policy.Door{policy.WebDAV} })
		}, policy.RuleDoorAccount, false},
		"addresses": {func(w *world) {
			w.Change("alice", func(a *accounts.Account) { a.AllowedIPs = office })
		}, policy.RuleAddress, false},
		"password changed": {func(w *world) {
			w.GivePassword("alice", "battery staple")
		}, policy.RuleCredential, false},
		"password removed": {func(w *world) {
			w.Change("alice", func(a *accounts.Account) { a.Password = nil })
		}, policy.RuleCredential, false},
		"password must be changed": {func(w *world) {
			w.Change("alice", func(a *accounts.Account) { a.Password.MustChange = true })
		}, policy.RuleMustChange, false},
		"password too old": {func(w *world) {
			w.Change("alice", func(a *accounts.Account) { a.Password.Changed = time.Now().Add(-100 * 24 * time.Hour) })
			w.Change("bob", func(a *accounts.Account) { a.Password.Changed = time.Now() })
			w.ChangeSite(func(s *accounts.Site) { s.Password.MaxAgeDays = 90 })
		}, policy.RuleCredentialExpiry, false},
		"door of the site": {func(w *world) {
			w.ChangeSite(func(s *accounts.Site) { s.Doors = []policy.Door{policy.WebDAV, policy.Web, policy.API} })
		}, policy.RuleDoorSite, true},
		"addresses of the site": {func(w *world) {
			w.ChangeSite(func(s *accounts.Site) { s.AllowedIPs = office })
		}, policy.RuleAddress, true},
		"door of the group": {func(w *world) {
			_, err := w.Accounts.UpdateGroup(w.t.Context(), "staff", 0, func(g *accounts.Group) error {
				g.Protocols = []policy.Door{policy.WebDAV}
				return nil
			}, accounts.Guarded)
			w.Must(err)
		}, policy.RuleDoorAccount, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			g, err := w.Accounts.CreateGroup(t.Context(), accounts.Group{Group: policy.Group{Name: "staff"}})
			w.Must(err)
			w.Add("alice", func(a *accounts.Account) { a.Groups = []string{g.ID} })
			w.Add("bob", nil)
			s, other := w.login(authtest.SFTP("alice")), w.login(authtest.SFTP("bob"))
			c.change(w)
			if got := waitCut(t, s); got != c.want {
				t.Errorf("got rule %q, want %q", got, c.want)
			}
			if c.all {
				waitCut(t, other)
			} else if other.Context().Err() != nil {
				t.Error("the session of another account was cut")
			}
		})
	}
}

func TestRemovedKeyCutsItsSessionsAlone(t *testing.T) {
	w := newWorld(t)
	one, first := authtest.NewKey(t, 1)
	two, second := authtest.NewKey(t, 2)
	w.Add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{first, second} })
	a, b := authtest.SFTP("alice"), authtest.SFTP("alice")
	a.Key, b.Key = one, two
	s, other, third := w.login(a), w.login(b), w.login(authtest.SFTP("alice"))
	_, err := w.Accounts.RemoveKey(t.Context(), "alice", 0, first.Fingerprint, accounts.Guarded)
	w.Must(err)
	if got := waitCut(t, s); got != policy.RuleCredential {
		t.Errorf("got rule %q, want %q", got, policy.RuleCredential)
	}
	if other.Context().Err() != nil || third.Context().Err() != nil {
		t.Error("a session of another credential was cut")
	}
	if len(w.List()) != 2 {
		t.Errorf("got %d sessions, want 2", len(w.List()))
	}
}

// Time alone ends what carries a date, at that moment and not before.
func TestExpiryCutsAtItsMoment(t *testing.T) {
	for name, change := range map[string]func(*accounts.Account, time.Time){
		"account":  func(a *accounts.Account, at time.Time) { a.Expires = &policy.Expiry{Instant: at} },
		"key":      func(a *accounts.Account, at time.Time) { a.Keys[0].Expires = &at },
		"password": func(a *accounts.Account, at time.Time) { a.Password.Changed = at.Add(-90 * 24 * time.Hour) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.ChangeSite(func(s *accounts.Site) { s.Password.MaxAgeDays = 90 })
				public, key := authtest.NewKey(t, 1)
				w.Add("alice", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
				attempt := authtest.SFTP("alice")
				if name == "key" {
					attempt.Key = public
				}
				s := w.login(attempt)
				w.Change("alice", func(a *accounts.Account) { change(a, time.Now().Add(3*time.Hour)) })
				time.Sleep(3*time.Hour - time.Second)
				synctest.Wait()
				if s.Context().Err() != nil {
					t.Fatal("the session was cut before its time")
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if s.Context().Err() == nil {
					t.Error("the session is open after its time")
				}
			})
		})
	}
}

func TestExpiryThatIsLiftedCutsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Add("alice", func(a *accounts.Account) { a.Expires = &policy.Expiry{Instant: time.Now().Add(time.Hour)} })
		s := w.login(authtest.SFTP("alice"))
		w.Change("alice", func(a *accounts.Account) { a.Expires = nil })
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if s.Context().Err() != nil {
			t.Error("the session was cut by an expiry that is no more")
		}
	})
}

// Counts, bans and locks stop new logins; they never cut what is open.
func TestLimitsCutNothing(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	first, second := w.login(authtest.SFTP("alice")), w.login(authtest.SFTP("alice"))
	w.Change("alice", func(a *accounts.Account) { a.Limits.Sessions = 1 })
	w.ChangeSite(func(s *accounts.Site) { s.MaxSessions = 1; s.Lockout.Failures = 1; s.Ban.Failures = 1 })
	wrong := authtest.SFTP("alice")
	wrong.Password = "guess"
	w.refusedBy(wrong)
	w.Change("alice", func(a *accounts.Account) { a.DisplayName = "Alice" })
	w.judge(first)
	w.judge(second)
	if first.Context().Err() != nil || second.Context().Err() != nil {
		t.Error("a limit cut an open session")
	}
}

func TestRoleFollowsTheAccount(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	api := authtest.SFTP("alice")
	api.Door, api.Transport = policy.API, policy.TLS
	s := w.login(api)
	w.Change("alice", func(a *accounts.Account) { a.Role = policy.RoleAuditor })
	for deadline := time.Now().Add(authtest.SoonEnough); s.Role() != policy.RoleAuditor; {
		if time.Now().After(deadline) {
			t.Fatalf("the role stays %q after the change", s.Role())
		}
		time.Sleep(time.Millisecond)
	}
	if !s.Renew(t.Context(), authtest.Client(), policy.TLS) {
		t.Error("a request of the same address is refused")
	}
	w.Change("alice", func(a *accounts.Account) { a.AllowedIPs = []netip.Prefix{netip.PrefixFrom(authtest.Client(), 32)} })
	if s.Renew(t.Context(), netip.MustParseAddr("203.0.113.1"), policy.TLS) {
		t.Error("a request from an address that is not allowed is taken")
	}
	if s.Renew(t.Context(), authtest.Client(), policy.Clear) {
		t.Error("a request over clear HTTP is taken")
	}
	if s.Context().Err() != nil {
		t.Error("another's request cut the session")
	}
}

// An account that changes while somebody logs in must not leave an open session
// that no change will cut any more.
func TestChangeDuringLogin(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	for range 20 {
		done := make(chan *Session)
		go func() {
			s, err := w.Login(t.Context(), authtest.SFTP("alice"))
			if err != nil {
				s = nil
			}
			done <- s
		}()
		_, err := w.Accounts.Disable(t.Context(), "alice", "admin", "", accounts.Guarded)
		w.Must(err)
		if s := <-done; s != nil {
			waitCut(t, s)
		}
		_, err = w.Accounts.Enable(t.Context(), "alice", "admin", accounts.Guarded)
		w.Must(err)
	}
}
