package bolt

import (
	"context"
	"log/slog"
	"os"
	"testing"

	"gatehouse/storage/state"
	"gatehouse/storage/state/statetest"
)

const keep = 60

// TestMain makes this binary the writer that a test kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(writerVariable); dir != "" {
		os.Exit(writer(dir))
	}
	os.Exit(m.Run())
}

func open1(t *testing.T) *Store {
	t.Helper()
	return openIn(t, t.TempDir())
}

func openIn(t *testing.T, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{Changes: keep})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

func TestSuite(t *testing.T) {
	statetest.Run(t, func(t *testing.T) state.Store { return open1(t) },
		statetest.Bubble(), statetest.ChangeLog(keep), statetest.CutReply(cut))
}

// cut has the caller's patience end after its change was committed and before
// it was told so.
func cut(t *testing.T, s state.Store, call func(context.Context) error) error {
	store := s.(*Store)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	gone, over := make(chan struct{}), make(chan struct{})
	hold := func() {
		cancel()
		<-gone
		close(over)
	}
	store.records.committed, store.moment.shown = hold, hold
	err := call(ctx)
	if ctx.Err() == nil {
		t.Error("the call was not committed")
		return err
	}
	close(gone)
	<-over
	store.records.committed, store.moment.shown = nil, nil
	return err
}

// discarding is a store of which only the files are worked on.
func discarding() *Store { return &Store{log: slog.New(slog.DiscardHandler)} }
