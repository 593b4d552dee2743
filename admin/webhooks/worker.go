package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"gatehouse/storage/events"
	"gatehouse/storage/state"
)

// How soon it is written how far a webhook has come: after a message, which a kill
// would have go out again, and after events that it does not hear of.
const (
	saveTaken   = time.Second
	saveSkipped = time.Minute
)

// A worker serves one webhook, as it was when it began, until its context ends or
// the webhook is another.
type worker struct {
	service *Service
	hook    Webhook
	reached *atomic.Uint64
	log     *slog.Logger

	cursor  cursor
	stands  uint64         // the revision of what is kept of the cursor
	letters []Letter       // by position
	piece   []events.Event // of the trail, after the cursor
	head    *events.Event  // the next that it hears of
	save    time.Time      // when the cursor is to be written, zero: it is
	over    bool           // the webhook is another now, or another's
}

func (k *worker) run(ctx context.Context) {
	for !k.load(ctx) {
		if !sleep(ctx, firstPause) {
			return
		}
	}
	defer k.saveLast(ctx)
	ctx, cancel := context.WithCancel(ctx) // ends the stream
	defer cancel()
	stream := k.service.events.FollowPieces(ctx, k.cursor.Position)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for !k.over && ctx.Err() == nil {
		next := stream
		if k.head != nil || len(k.piece) > 0 {
			next = nil // everything waits for it
		}
		select {
		case piece, open := <-next:
			if !open {
				return
			}
			k.piece = piece
		case <-timer.C:
		case <-ctx.Done():
			return
		}
		k.due(ctx, time.Now())
		timer.Reset(time.Until(k.wake()))
	}
}

// wake is when something is due.
func (k *worker) wake() time.Time {
	at := time.Now().Add(time.Hour)
	sooner := func(t time.Time) {
		if t.Before(at) {
			at = t
		}
	}
	switch {
	case k.head != nil:
		sooner(k.cursor.Next)
	case len(k.piece) > 0:
		return time.Time{} // now
	}
	if !k.save.IsZero() {
		sooner(k.save)
	}
	for _, l := range k.letters {
		sooner(l.Next)
	}
	return at
}

// due does what is due: of the letters one, so that the trail goes on meanwhile.
func (k *worker) due(ctx context.Context, now time.Time) {
	if !k.save.IsZero() && !now.Before(k.save) {
		k.write(ctx, state.Batch{})
	}
	if k.head == nil {
		k.advance(ctx)
	}
	if k.head != nil && !now.Before(k.cursor.Next) {
		k.try(ctx)
	}
	for i, l := range k.letters {
		if !now.Before(l.Next) {
			k.retry(ctx, i)
			return
		}
	}
}

func (k *worker) load(ctx context.Context) bool {
	at, revision, err := k.service.cursor(ctx, k.hook.ID)
	if errors.Is(err, state.ErrNotFound) { // it was removed meanwhile
		k.over = true
		return true
	}
	if err == nil {
		k.letters, err = k.service.letters(ctx, letterPrefix, k.hook.ID)
	}
	if err != nil {
		k.fault(ctx, "a webhook waits for the store", err)
		return false
	}
	if at.Of != k.hook.Revision || far(at.Next) {
		at.Next = time.Time{}
	}
	for i := range k.letters {
		if far(k.letters[i].Next) {
			k.letters[i].Next = time.Time{}
		}
	}
	k.cursor, k.stands = at, revision
	k.reached.Store(at.Position)
	return true
}

// far reports whether a try stands further off than any pause is long: it was
// written by a clock that ran ahead.
func far(next time.Time) bool { return time.Until(next) > longestPause }

// advance goes on in the trail to the next event that the webhook hears of.
func (k *worker) advance(ctx context.Context) {
	at := k.cursor.Position
	for k.head == nil && len(k.piece) > 0 {
		e := &k.piece[0]
		if e.Position > at+1 {
			k.pastTo(at)
			if !k.miss(ctx, e.Position-1) {
				return
			}
			at = e.Position - 1
		}
		if k.hook.hears(*e) {
			k.head = e
		} else {
			at = e.Position
		}
		k.piece = k.piece[1:]
	}
	k.pastTo(at)
}

// pastTo notes that the webhook hears of nothing up to a position.
func (k *worker) pastTo(position uint64) {
	if position > k.cursor.Position {
		k.moved(position, saveSkipped)
	}
}

// miss records that retention has dropped what this webhook had not had; it hears
// of that itself. Nothing goes on before it is recorded.
func (k *worker) miss(ctx context.Context, last uint64) bool {
	first := k.cursor.Position + 1
	k.log.Error("a webhook has missed events: they were older than the trail keeps", "first", first, "last", last)
	e := events.Event{
		Kind: Missed, Outcome: events.Failed, Reason: "the events were older than the trail keeps before the other side took them",
		After: map[string]any{"webhook": k.hook.ID, "first": first, "last": last},
	}
	for {
		err := k.service.events.Record(ctx, e)
		if err == nil {
			k.moved(last, saveTaken)
			return true
		}
		k.fault(ctx, "an event was not recorded", err)
		if !sleep(ctx, firstPause) {
			return false
		}
	}
}

// moved notes how far the webhook has come, to be written within so long.
func (k *worker) moved(position uint64, within time.Duration) {
	k.cursor.Position = position
	k.reached.Store(position)
	k.saveWithin(within)
}

func (k *worker) saveWithin(d time.Duration) {
	if at := time.Now().Add(d); k.save.IsZero() || at.Before(k.save) {
		k.save = at
	}
}

// saveLast writes how far the webhook has come when the worker ends.
func (k *worker) saveLast(ctx context.Context) {
	if k.save.IsZero() || k.over {
		return
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), closing)
	defer cancel()
	k.write(last, state.Batch{})
}

func (k *worker) keep(ctx context.Context, l Letter) bool {
	value, err := json.Marshal(l)
	if err != nil {
		k.fault(ctx, "a message cannot be kept", err)
		return false
	}
	return k.write(ctx, state.Batch{Puts: []state.Put{{Name: letterName(letterPrefix, k.hook.ID, l.Position), Value: value}}})
}

// write keeps how far the webhook has come, and more with it: nothing where the
// webhook is no more, or another writes of it.
func (k *worker) write(ctx context.Context, more state.Batch) bool {
	k.cursor.Of = k.hook.Revision
	revision, err := k.service.note(ctx, k.hook.ID, k.cursor, k.stands, more)
	switch {
	case errors.Is(err, state.ErrConflict), errors.Is(err, state.ErrUnknown):
		k.over = true // what is kept must be read anew
		return false
	case err != nil:
		k.fault(ctx, "a webhook waits for the store", err)
		k.save = time.Now().Add(firstPause)
		return false
	}
	k.stands, k.save = revision, time.Time{}
	return true
}

func (k *worker) fault(ctx context.Context, what string, err error) {
	if ctx.Err() == nil {
		k.log.Error(what, "error", err)
	}
}
