package session

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/events"
)

func TestEndAndShutdown(t *testing.T) {
	w := newWorld(t)
	w.add("alice", nil)
	s, other := w.login(sftp("alice")), w.login(sftp("alice"))
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
	if got := waitCut(t, s); got != policy.RuleShutdown {
		t.Errorf("got rule %q, want %q", got, policy.RuleShutdown)
	}
	if got := w.eventsOf(events.Cut); len(got) != 1 || got[0].Session != s.ID() {
		t.Errorf("got cut events %+v, want the session's", got)
	}
}
