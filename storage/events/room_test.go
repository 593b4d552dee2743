package events

import (
	"context"
	"errors"
	"sync"
	"testing"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// fullState takes no entries but those that are marked as vital.
type fullState struct {
	state.Store
	mu   sync.Mutex // guards what follows
	full bool
}

func (s *fullState) Append(ctx context.Context, stream string, id state.OperationID, entries ...[]byte) (uint64, error) {
	s.mu.Lock()
	full := s.full
	s.mu.Unlock()
	if full && !state.IsVital(ctx) {
		return 0, state.ErrFull
	}
	return s.Store.Append(ctx, stream, id, entries...)
}

// The store is full: what is done at the doors is not recorded, and so refused; a
// change that makes room there is, with all that stands before it.
func TestAFullStoreRecordsWhatMakesRoom(t *testing.T) {
	store := &fullState{Store: memory.New()}
	l := open(t, store)
	store.mu.Lock()
	store.full = true
	store.mu.Unlock()
	intent := func(of string) Event { return Event{Kind: "change.intent", After: map[string]any{"change": of}} }
	for _, e := range []Event{
		{Kind: Login}, {Kind: Delete}, {Kind: "account.create"}, intent("account.create"), intent("account.password"),
	} {
		if err := l.Record(t.Context(), e); !errors.Is(err, state.ErrFull) {
			t.Errorf("%s %v: %v, want ErrFull", e.Kind, e.After, err)
		}
	}
	for _, e := range []Event{
		intent("account.delete"), {Kind: "account.delete"}, {Kind: "account.token.remove"}, {Kind: "session.end"}, intent("site.change"), {Kind: "site.change"},
	} {
		if err := l.Record(t.Context(), e); err != nil {
			t.Errorf("%s %v: %v", e.Kind, e.After, err)
		}
	}
}
