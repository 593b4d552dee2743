package session

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

func (w *world) request(a auth.Attempt) (*Session, func()) {
	w.t.Helper()
	s, done, err := w.Request(w.t.Context(), a)
	w.Must(err)
	return s, done
}

func TestRequestsShareOneSession(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	ids := make(chan string, 50)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			s, done, err := w.Request(t.Context(), authtest.WebDAV("alice"))
			if err != nil {
				t.Error(err)
				return
			}
			defer done()
			ids <- s.ID()
		})
	}
	all.Wait()
	close(ids)
	first := <-ids
	for id := range ids {
		if id != first {
			t.Fatalf("got sessions %q and %q", first, id)
		}
	}
	if got := len(w.EventsOf(events.Login)); got != 1 {
		t.Errorf("got %d login events for one session, want 1", got)
	}
	if got := len(w.List()); got != 1 {
		t.Errorf("got %d sessions, want 1", got)
	}
}

func TestRequestSessionsAreToldApart(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	w.Add("bob", nil)
	seen := map[string]string{}
	other, clear := authtest.WebDAV("alice"), authtest.WebDAV("alice")
	other.Address = netip.MustParseAddr("198.51.100.8")
	clear.Transport = policy.TLSProxied
	for name, a := range map[string]auth.Attempt{
		"alice": authtest.WebDAV("alice"), "bob": authtest.WebDAV("bob"), "elsewhere": other, "proxied": clear,
	} {
		s, done := w.request(a)
		done()
		for with, id := range seen {
			if id == s.ID() {
				t.Errorf("%s shares the session of %s", name, with)
			}
		}
		seen[name] = s.ID()
	}
	mapped := authtest.WebDAV("alice")
	mapped.Address = netip.MustParseAddr("::ffff:198.51.100.7")
	s, done := w.request(mapped)
	done()
	if s.ID() != seen["alice"] {
		t.Error("IPv4 in IPv6 is another session")
	}
	again, done := restart(t, w.Memory, t.TempDir(), "2").request(authtest.WebDAV("alice"))
	done()
	if again.ID() != seen["alice"] {
		t.Error("another node gives the session another id")
	}
}

func TestRequestSessionEndsWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Add("alice", nil)
		s, done := w.request(authtest.WebDAV("alice"))
		time.Sleep(time.Hour)
		if s.Context().Err() != nil {
			t.Fatal("the session ended during a request")
		}
		done()
		done()
		for range 5 {
			time.Sleep(4 * time.Minute)
			same, done := w.request(authtest.WebDAV("alice"))
			if same != s {
				t.Fatal("a request within the time has another session")
			}
			done()
		}
		time.Sleep(5*time.Minute - time.Second)
		synctest.Wait()
		if s.Context().Err() != nil {
			t.Fatal("the session ended early")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s.Context().Err() == nil || len(w.List()) != 0 {
			t.Error("the session is open five minutes after its last request")
		}
		time.Sleep(2 * time.Second)
		if got := len(w.EventsOf(events.Logout)); got != 1 {
			t.Errorf("got %d logout events, want 1", got)
		}
		fresh, done := w.request(authtest.WebDAV("alice"))
		defer done()
		if fresh == s || fresh.ID() != s.ID() {
			t.Error("the next session is not a new one with the same id")
		}
		if got := len(w.EventsOf(events.Login)); got != 2 {
			t.Errorf("got %d login events, want 2", got)
		}
	})
}

// Policy is asked with every request, and a session that it refuses is over.
func TestEveryRequestIsJudged(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	s, done := w.request(authtest.WebDAV("alice"))
	done()
	w.Change("alice", func(a *accounts.Account) { a.Protocols = []policy.Door{policy.SFTP} })
	_, _, err := w.Request(t.Context(), authtest.WebDAV("alice"))
	refused, ok := errors.AsType[*auth.RefusedError](err)
	if !ok || refused.Decision.Rule != policy.RuleDoorAccount {
		t.Errorf("got %v, want a refusal by the door", err)
	}
	waitCut(t, s)
}

func TestChangedPasswordEndsRequests(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	s, done := w.request(authtest.WebDAV("alice"))
	defer done()
	w.setPassword("alice", "battery staple")
	if s.Context().Err() == nil {
		t.Error("the session is open after it was judged")
	}
	if _, _, err := w.Request(t.Context(), authtest.WebDAV("alice")); err == nil {
		t.Error("the old password is taken")
	}
	a := authtest.WebDAV("alice")
	a.Password = "battery staple"
	fresh, done2 := w.request(a)
	defer done2()
	if fresh.ID() == s.ID() {
		t.Error("another password has the same session")
	}
}

func TestRequestWithWrongPassword(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	_, done := w.request(authtest.WebDAV("alice"))
	done()
	a := authtest.WebDAV("alice")
	a.Password = "wrong"
	_, _, err := w.Request(t.Context(), a)
	refused, ok := errors.AsType[*auth.RefusedError](err)
	if !ok || refused.Decision.Rule != policy.RuleCredential {
		t.Errorf("got %v, want a refusal by the credential", err)
	}
	if len(w.List()) != 1 {
		t.Error("somebody else's wrong password ended the session")
	}
}

// A lock stops new logins; who is in goes on, even once the proof is no longer
// remembered.
func TestLockedAccountGoesOnWithOpenRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Add("alice", nil)
		w.ChangeSite(func(s *accounts.Site) {
			s.Lockout = policy.Lockout{Failures: 1, Period: "1h", Scope: "passwords"}
			s.Ban.Failures = 0
		})
		_, done := w.request(authtest.WebDAV("alice"))
		done()
		wrong := authtest.SFTP("alice")
		wrong.Password = "guess"
		w.refusedBy(wrong)
		for range 3 {
			time.Sleep(4 * time.Minute)
			_, done := w.request(authtest.WebDAV("alice"))
			done()
		}
		elsewhere := authtest.WebDAV("alice")
		elsewhere.Address = netip.MustParseAddr("198.51.100.8")
		_, _, err := w.Request(t.Context(), elsewhere)
		if refused, ok := errors.AsType[*auth.RefusedError](err); !ok || refused.Decision.Rule != policy.RuleLockout {
			t.Errorf("got %v, want the lockout", err)
		}
	})
}

func TestRequestSessionCountsOnce(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", func(a *accounts.Account) { a.Limits.Sessions = 1 })
	for range 3 {
		_, done := w.request(authtest.WebDAV("alice"))
		defer done()
	}
	if got := w.refusedBy(authtest.SFTP("alice")); got != policy.RuleSessionsAccount {
		t.Errorf("got rule %q, want %q", got, policy.RuleSessionsAccount)
	}
}

// A request is judged by the present policy also while the session itself waits
// to be judged.
func TestRequestIsJudgedBeforeItsSession(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	s, done := w.request(authtest.WebDAV("alice"))
	done()
	s.judging.Lock()
	defer s.judging.Unlock()
	_, err := w.Accounts.Disable(t.Context(), "alice", "admin", "", accounts.Guarded)
	w.Must(err)
	_, _, err = w.Request(t.Context(), authtest.WebDAV("alice"))
	if refused, ok := errors.AsType[*auth.RefusedError](err); !ok || refused.Decision.Rule != policy.RuleStatus {
		t.Errorf("got %v, want a refusal by the status", err)
	}
}
