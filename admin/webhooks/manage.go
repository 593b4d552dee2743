package webhooks

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/admin/webhooks/message"
	"gatehouse/admin/webhooks/sender"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// Overlap is how long an older secret signs beside a new one.
const Overlap = 24 * time.Hour

// List returns every webhook, ordered by id.
func (s *Service) List(ctx context.Context) ([]Webhook, error) { return s.list(ctx) }

// Get returns a webhook, or ErrNotFound.
func (s *Service) Get(ctx context.Context, id string) (Webhook, error) { return s.get(ctx, id) }

// Check reports the first setting of a webhook that cannot be, as an *InvalidError.
func (s *Service) Check(w Webhook) error {
	if err := w.Validate(); err != nil {
		return err
	}
	if err := s.sender.Check(w.URL); err != nil {
		return &InvalidError{Field: "url", Why: outcome(err)}
	}
	return nil
}

// Add makes a webhook, which hears of events from now on, and returns its secret,
// which is shown this once: ErrTooMany.
func (s *Service) Add(ctx context.Context, w Webhook) (Webhook, []byte, error) {
	if err := s.Check(w); err != nil {
		return w, nil, err
	}
	after, err := s.events.Newest(ctx)
	if err != nil {
		return w, nil, err
	}
	w.ID, w.Created, w.Revision = strings.ToLower(rand.Text()), time.Now().UTC(), 0
	secret := message.NewSecret()
	w.Secrets = []Secret{{Sealed: s.sealer.Seal(hookPrefix+w.ID, secret)}}
	at, err := json.Marshal(cursor{Position: after})
	if err != nil {
		return w, nil, err
	}
	var revision uint64
	err = typed.Retry(func() error {
		room, err := s.room(ctx)
		if err == nil {
			room.Puts = append(room.Puts, state.Put{Name: cursorPrefix + w.ID, Value: at})
			revision, err = s.putWith(ctx, w, room)
		}
		return typed.Again(err)
	})
	w.Revision = revision
	return w, secret, err
}

// Change changes a webhook of a revision, 0 for any; it goes on where it was.
func (s *Service) Change(ctx context.Context, id string, revision uint64, do func(*Webhook) error) (before, after Webhook, err error) {
	before, err = s.get(ctx, id)
	if err != nil {
		return before, after, err
	}
	if revision != 0 && revision != before.Revision {
		return before, after, ErrConflict
	}
	after = before
	after.Secrets = inForce(before.Secrets, time.Now())
	if err := do(&after); err != nil {
		return before, after, err
	}
	if err := after.Validate(); err != nil {
		return before, after, err
	}
	after.Revision, err = s.put(ctx, after)
	return before, after, err
}

// Rotate gives a webhook a new secret. The one before signs beside it for a day;
// with until now, no more.
func (s *Service) Rotate(ctx context.Context, id string, revision uint64, until time.Time) (before, after Webhook, secret []byte, err error) {
	secret = message.NewSecret()
	before, after, err = s.Change(ctx, id, revision, func(w *Webhook) error {
		older := w.Secrets[0]
		older.Expires = until
		w.Secrets = inForce([]Secret{{Sealed: s.sealer.Seal(hookPrefix+id, secret)}, older}, time.Now())
		return nil
	})
	return before, after, secret, err
}

// inForce returns the secrets that still sign, as a list of its own.
func inForce(all []Secret, now time.Time) []Secret {
	var list []Secret
	for _, one := range all {
		if one.Expires.IsZero() || now.Before(one.Expires) {
			list = append(list, one)
		}
	}
	return list
}

// secrets opens what signs messages now.
func (s *store) secrets(w Webhook, now time.Time) ([][]byte, error) {
	var all [][]byte
	for _, kept := range inForce(w.Secrets, now) {
		secret, err := s.sealer.Open(hookPrefix+w.ID, kept.Sealed)
		if err != nil {
			return nil, fmt.Errorf("%w (%w)", errSecret, err)
		}
		all = append(all, secret)
	}
	return all, nil
}

// Remove forgets a webhook and all that waits for it. The webhook goes first, so
// that nothing more is sent; what a kill leaves of the rest goes at the next start.
func (s *Service) Remove(ctx context.Context, id string, revision uint64) (Webhook, error) {
	w, err := s.get(ctx, id)
	if err != nil {
		return w, err
	}
	if revision != 0 && revision != w.Revision {
		return w, ErrConflict
	}
	err = s.apply(ctx, state.Batch{
		Checks:  []state.Check{{Name: hookPrefix + id, Revision: w.Revision}},
		Deletes: []string{hookPrefix + id, cursorPrefix + id, againPrefix + id},
	})
	if err != nil {
		return w, err
	}
	for _, prefix := range []string{letterPrefix, deadPrefix} {
		if _, err := s.drop(ctx, prefix+id+"/", 0); err != nil {
			return w, err
		}
	}
	return w, nil
}

// testMessage is the type of a message that only tries whether it arrives.
const testMessage = "webhook.test"

// A Trial is how a message of type webhook.test fared.
type Trial struct {
	Taken   bool
	Status  int // of an answer that did not take it
	Outcome string
}

// Test sends a message of type webhook.test at once, past all that waits, and
// returns how that ended.
func (s *Service) Test(ctx context.Context, id string) (Trial, error) {
	w, err := s.get(ctx, id)
	if err != nil {
		return Trial{}, err
	}
	secrets, err := s.secrets(w, time.Now())
	if err != nil {
		return Trial{Outcome: outcome(err)}, nil
	}
	now := time.Now().UTC()
	body, err := message.Message{Type: testMessage, Timestamp: now, Data: map[string]string{"webhook": id}}.Encode()
	if err != nil {
		return Trial{}, err
	}
	err = s.sender.Send(ctx, w.URL, message.Sign(message.TestID(), now, body, secrets))
	trial := Trial{Taken: err == nil, Outcome: outcome(err)}
	if answered, ok := errors.AsType[*sender.RefusedError](err); ok {
		trial.Status = answered.Status
	}
	return trial, nil
}

// Status says how a webhook fares.
func (s *Service) Status(ctx context.Context, id string) (Status, error) {
	w, err := s.get(ctx, id)
	if err != nil {
		return Status{}, err
	}
	newest, err := s.events.Newest(ctx)
	if err != nil {
		return Status{}, err
	}
	c, _, err := s.cursor(ctx, id)
	if err != nil {
		return Status{}, err
	}
	at := max(c.Position, s.reached(id))
	status := Status{
		Cursor: at, Behind: newest - min(at, newest),
		Failing: c.Failing, Next: c.Next, Last: c.Last, LastTime: c.LastTime,
	}
	if w.Disabled { // nothing is tried
		status.Next = time.Time{}
	}
	if status.Waiting, err = s.count(ctx, letterPrefix+id+"/"); err != nil {
		return status, err
	}
	status.Dead, err = s.count(ctx, deadPrefix+id+"/")
	return status, err
}

// Behind is how many events each enabled webhook has not dealt with yet, by id.
func (s *Service) Behind(ctx context.Context) (map[string]uint64, error) {
	newest, err := s.events.Newest(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	behind := map[string]uint64{}
	for _, w := range all {
		c, _, err := s.cursor(ctx, w.ID)
		if err == nil && !w.Disabled {
			behind[w.ID] = newest - min(max(c.Position, s.reached(w.ID)), newest)
		}
	}
	return behind, nil
}

func (s *Service) count(ctx context.Context, prefix string) (n int, err error) {
	err = s.each(ctx, prefix, func(state.Record) error { n++; return nil })
	return n, err
}
