package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"gatehouse/storage/seal"
	"gatehouse/storage/state"
)

// The state has one scope: a record for each webhook, one for how far it has
// come, one for each letter, by position; one that tells the worker that its
// letters were changed beside it; one for the node that sends; and one that is
// written whenever a webhook is added.
const (
	scope        = "webhooks"
	hookPrefix   = "hook/"
	cursorPrefix = "cursor/"
	letterPrefix = "letter/"
	deadPrefix   = "dead/"
	againPrefix  = "again/"
	claimRecord  = "claim"
	addedRecord  = "added"
)

// Errors of the store. ErrConflict says that the webhook has changed meanwhile.
var (
	ErrNotFound = errors.New("there is no such webhook")
	ErrTooMany  = errors.New("there are as many webhooks as there may be")
	ErrConflict = state.ErrConflict

	errSecret = errors.New("the secret cannot be opened: the installation's key is another now; rotate it")
)

// A store keeps webhooks.
type store struct {
	state  state.Store
	sealer *seal.Sealer
}

// A cursor is how far a webhook has come.
type cursor struct {
	Position uint64    `json:"position"`
	Failing  time.Time `json:"failing,omitzero"`
	Next     time.Time `json:"next,omitzero"`
	Last     string    `json:"last,omitempty"`
	LastTime time.Time `json:"last_time,omitzero"`
	Tries    int       `json:"tries,omitempty"` // of the next message, in vain
	First    time.Time `json:"first,omitzero"`  // of those
	// Broken says that the message before was put aside at an error of the other
	// side's: where this one fares alike, that is away.
	Broken bool `json:"broken,omitempty"`
	// Of is the revision of the webhook that Next is for: one that was changed is
	// tried at once.
	Of uint64 `json:"of,omitempty"`
}

// first is when the next message was tried for the first time, the last try if
// that was it.
func (c cursor) first() time.Time {
	if c.First.IsZero() {
		return c.LastTime
	}
	return c.First
}

func (s *store) list(ctx context.Context) ([]Webhook, error) {
	var all []Webhook
	err := s.each(ctx, hookPrefix, func(r state.Record) error {
		w, err := decode(r)
		all = append(all, w)
		return err
	})
	return all, err
}

func (s *store) each(ctx context.Context, prefix string, do func(state.Record) error) error {
	for after := ""; ; {
		page, err := s.state.List(ctx, scope, prefix, after, 0)
		if err != nil {
			return fmt.Errorf("list webhooks: %w", err)
		}
		for _, r := range page.Records {
			if err := do(r); err != nil {
				return err
			}
			after = r.Name
		}
		if !page.More {
			return nil
		}
	}
}

func decode(r state.Record) (Webhook, error) {
	w := Webhook{Revision: r.Revision}
	if err := json.Unmarshal(r.Value, &w); err != nil {
		return w, fmt.Errorf("read the webhook %s: %w", r.Name, err)
	}
	return w, nil
}

func (s *store) get(ctx context.Context, id string) (Webhook, error) {
	r, err := s.state.Get(ctx, scope, hookPrefix+id)
	if errors.Is(err, state.ErrNotFound) || errors.Is(err, state.ErrInvalid) {
		return Webhook{}, ErrNotFound
	}
	if err != nil {
		return Webhook{}, fmt.Errorf("read a webhook: %w", err)
	}
	return decode(r)
}

// put writes a webhook whose revision must be the present one.
func (s *store) put(ctx context.Context, w Webhook) (uint64, error) {
	return s.putWith(ctx, w, state.Batch{})
}

// putWith is put, and more with it.
func (s *store) putWith(ctx context.Context, w Webhook, more state.Batch) (uint64, error) {
	value, err := json.Marshal(w)
	if err != nil {
		return 0, fmt.Errorf("encode a webhook: %w", err)
	}
	more.Checks = append(more.Checks, state.Check{Name: hookPrefix + w.ID, Revision: w.Revision})
	more.Puts = append(more.Puts, state.Put{Name: hookPrefix + w.ID, Value: value})
	return s.write(ctx, more)
}

// room begins a batch that adds a webhook: ErrTooMany. Of two at once, on whichever
// nodes, one meets a conflict.
func (s *store) room(ctx context.Context) (state.Batch, error) {
	last, err := s.state.Get(ctx, scope, addedRecord)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return state.Batch{}, fmt.Errorf("read when a webhook was added: %w", err)
	}
	all, err := s.list(ctx)
	if err != nil {
		return state.Batch{}, err
	}
	if len(all) >= MaxWebhooks {
		return state.Batch{}, ErrTooMany
	}
	return state.Batch{
		Checks: []state.Check{{Name: addedRecord, Revision: last.Revision}},
		Puts:   []state.Put{{Name: addedRecord, Value: []byte("{}"), TTL: claimFor}},
	}, nil
}

func (s *store) apply(ctx context.Context, b state.Batch) error {
	_, err := s.write(ctx, b)
	return err
}

func (s *store) write(ctx context.Context, b state.Batch) (uint64, error) {
	b.Scope, b.ID = scope, state.NewOperationID()
	result, err := s.state.Apply(ctx, b)
	if err != nil {
		return 0, fmt.Errorf("write a webhook: %w", err)
	}
	return result.Revision, nil
}

func (s *store) cursor(ctx context.Context, id string) (c cursor, revision uint64, err error) {
	r, err := s.state.Get(ctx, scope, cursorPrefix+id)
	if err == nil {
		err = json.Unmarshal(r.Value, &c)
	}
	if err != nil {
		return c, 0, fmt.Errorf("read how far a webhook has come: %w", err)
	}
	return c, r.Revision, nil
}

// note writes how far a webhook has come, and more with it, where what is kept
// of that has this revision; it returns the new one.
func (s *store) note(ctx context.Context, id string, c cursor, revision uint64, more state.Batch) (uint64, error) {
	value, err := json.Marshal(c)
	if err != nil {
		return 0, err
	}
	more.Checks = append(more.Checks, state.Check{Name: cursorPrefix + id, Revision: revision})
	more.Puts = append(more.Puts, state.Put{Name: cursorPrefix + id, Value: value})
	return s.write(ctx, more)
}
