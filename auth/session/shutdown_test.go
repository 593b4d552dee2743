package session

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/storage/events"
)

func TestEndAndShutdown(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	s, other := w.login(authtest.SFTP("alice")), w.login(authtest.SFTP("alice"))
	if !w.End(s.ID(), "told to") || w.End(s.ID(), "told to") || w.End("nobody's", "told to") {
		t.Error("End does not tell whether there was such a session")
	}
	if got := waitCut(t, s); got != policy.RuleEnded {
		t.Errorf("got rule %q, want %q", got, policy.RuleEnded)
	}
	if other.Context().Err() != nil {
		t.Error("another session was cut")
	}
	drained := make(chan error)
	go func() { drained <- w.Shutdown(t.Context()) }()
	for !w.table.isClosed() {
		time.Sleep(time.Millisecond)
	}
	if _, err := w.Login(t.Context(), authtest.SFTP("alice")); !errors.Is(err, ErrShuttingDown) {
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

// The end of a session makes nobody wait, and so takes no commit of its own where
// another login follows; a gateway that stops does not wait for one.
func TestEndsGoWithTheNextLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Add("alice", nil)
		s := w.login(authtest.SFTP("alice"))
		synctest.Wait() // what follows a new account in the background writes too
		before := w.Store.Made()
		s.Close()
		synctest.Wait()
		next := w.login(authtest.SFTP("alice"))
		synctest.Wait()
		if n := w.Store.Made() - before; n != 1 {
			t.Errorf("%d commits for the end of a session and a login, want 1", n)
		}
		out, in := w.EventsOf(events.Logout), w.EventsOf(events.Login)
		if len(out) != 1 || len(in) != 2 || out[0].Session != s.ID() || in[1].Session != next.ID() || out[0].Position > in[1].Position {
			t.Errorf("got the ends %+v and the logins %+v", out, in)
		}
		began, drained := time.Now(), make(chan error)
		go func() { drained <- w.Shutdown(t.Context()) }()
		synctest.Wait()
		next.Close()
		if err := <-drained; err != nil || time.Since(began) > 0 {
			t.Errorf("the drain took %v: %v", time.Since(began), err)
		}
	})
}

// A session of requests is the same on every node, whichever release it runs.
func TestRequestIDStays(t *testing.T) {
	w := newWorld(t)
	for range 2 { // the second time with what the first has left
		if got := w.requestID("account", "password:p1", "192.0.2.1", "tls", "webdav"); got != "fy5sj8ybnxn3d7sa" {
			t.Errorf("got %s", got)
		}
	}
}

func TestShutdownCutsWhatDoesNotEnd(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	s := w.login(authtest.SFTP("alice"))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	if got := waitCut(t, s); got != policy.RuleShutdown {
		t.Errorf("got rule %q, want %q", got, policy.RuleShutdown)
	}
	if got := w.EventsOf(events.Cut); len(got) != 1 || got[0].Session != s.ID() {
		t.Errorf("got cut events %+v, want the session's", got)
	}
}
