package session

import (
	"errors"
	"net/netip"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

func (w *world) request(a auth.Attempt) (*Session, func()) {
	w.t.Helper()
	s, done, err := w.Request(w.t.Context(), a)
	w.must(err)
	return s, done
}

func TestRequestsShareOneSession(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	ids := make(chan string, 50)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			s, done, err := w.Request(t.Context(), webdav("alice"))
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
	if got := len(w.eventsOf(events.Login)); got != 1 {
		t.Errorf("got %d login events for one session, want 1", got)
	}
	if got := len(w.List()); got != 1 {
		t.Errorf("got %d sessions, want 1", got)
	}
}

func TestRequestSessionsAreToldApart(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	w.add("bob", nil)
	seen := map[string]string{}
	other, clear := webdav("alice"), webdav("alice")
	other.Address = netip.MustParseAddr("198.51.100.8")
	clear.Transport = policy.TLSProxied
	for name, a := range map[string]auth.Attempt{
		"alice": webdav("alice"), "bob": webdav("bob"), "elsewhere": other, "proxied": clear,
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
	mapped := webdav("alice")
	mapped.Address = netip.MustParseAddr("::ffff:198.51.100.7")
	s, done := w.request(mapped)
	done()
	if s.ID() != seen["alice"] {
		t.Error("IPv4 in IPv6 is another session")
	}
	again, done := restart(t, w.memory, t.TempDir(), "2").request(webdav("alice"))
	done()
	if again.ID() != seen["alice"] {
		t.Error("another node gives the session another id")
	}
}

func TestRequestSessionEndsWhenIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.add("alice", nil)
		s, done := w.request(webdav("alice"))
		time.Sleep(time.Hour)
		if s.Context().Err() != nil {
			t.Fatal("the session ended during a request")
		}
		done()
		done()
		for range 5 {
			time.Sleep(4 * time.Minute)
			same, done := w.request(webdav("alice"))
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
		if got := len(w.eventsOf(events.Logout)); got != 1 {
			t.Errorf("got %d logout events, want 1", got)
		}
		fresh, done := w.request(webdav("alice"))
		defer done()
		if fresh == s || fresh.ID() != s.ID() {
			t.Error("the next session is not a new one with the same id")
		}
		if got := len(w.eventsOf(events.Login)); got != 2 {
			t.Errorf("got %d login events, want 2", got)
		}
	})
}

// Policy is asked with every request, and a session that it refuses is over.
func TestEveryRequestIsJudged(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	s, done := w.request(webdav("alice"))
	done()
	w.change("alice", func(a *accounts.Account) { a.Protocols = []policy.Door{policy.SFTP} })
	_, _, err := w.Request(t.Context(), webdav("alice"))
	refused, ok := errors.AsType[*auth.RefusedError](err)
	if !ok || refused.Decision.Rule != policy.RuleDoorAccount {
		t.Errorf("got %v, want a refusal by the door", err)
	}
	waitCut(t, s)
}

func TestChangedPasswordEndsRequests(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	s, done := w.request(webdav("alice"))
	defer done()
	_, err := w.SetPassword(t.Context(), "alice", 0, "battery staple", false)
	w.must(err)
	if s.Context().Err() == nil {
		t.Error("the session is open after SetPassword has returned")
	}
	if _, _, err := w.Request(t.Context(), webdav("alice")); err == nil {
		t.Error("the old password is taken")
	}
	a := webdav("alice")
	a.Password = "battery staple"
	fresh, done2 := w.request(a)
	defer done2()
	if fresh.ID() == s.ID() {
		t.Error("another password has the same session")
	}
}

func TestRequestWithWrongPassword(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	_, done := w.request(webdav("alice"))
	done()
	a := webdav("alice")
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
		w.add("alice", nil)
		w.changeSite(func(s *accounts.Site) {
			s.Lockout = policy.Lockout{Failures: 1, Period: "1h", Scope: "passwords"}
			s.Ban.Failures = 0
		})
		_, done := w.request(webdav("alice"))
		done()
		wrong := sftp("alice")
		wrong.Password = "guess"
		w.refusedBy(wrong)
		for range 3 {
			time.Sleep(4 * time.Minute)
			_, done := w.request(webdav("alice"))
			done()
		}
		elsewhere := webdav("alice")
		elsewhere.Address = netip.MustParseAddr("198.51.100.8")
		_, _, err := w.Request(t.Context(), elsewhere)
		if refused, ok := errors.AsType[*auth.RefusedError](err); !ok || refused.Decision.Rule != policy.RuleLockout {
			t.Errorf("got %v, want the lockout", err)
		}
	})
}

func TestRequestSessionCountsOnce(t *testing.T) {
	w := newWorld(t)
	w.add("alice", func(a *accounts.Account) { a.Limits.Sessions = 1 })
	for range 3 {
		_, done := w.request(webdav("alice"))
		defer done()
	}
	if got := w.refusedBy(sftp("alice")); got != policy.RuleSessionsAccount {
		t.Errorf("got rule %q, want %q", got, policy.RuleSessionsAccount)
	}
}

// A request is judged by the present policy also while the session itself waits
// to be judged.
func TestRequestIsJudgedBeforeItsSession(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	s, done := w.request(webdav("alice"))
	done()
	s.judging.Lock()
	defer s.judging.Unlock()
	_, err := w.accounts.Disable(t.Context(), "alice", "admin", "", accounts.Guarded)
	w.must(err)
	_, _, err = w.Request(t.Context(), webdav("alice"))
	if refused, ok := errors.AsType[*auth.RefusedError](err); !ok || refused.Decision.Rule != policy.RuleStatus {
		t.Errorf("got %v, want a refusal by the status", err)
	}
}
