package webhooks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gatehouse/admin/webhooks/message"
	"gatehouse/admin/webhooks/sender"
	"gatehouse/storage/events"
	"gatehouse/storage/state"
)

// Tries. Who is not to be reached is asked again for ever, ever more slowly: the
// trail waits. Who answers with an error of its own is asked so often for one
// message, then that message waits beside the others, for it may break at this one
// alone; where it breaks at the next one, too, that is asked for patiently, for
// about eight hours. A letter has as many tries as pauses.
const (
	firstPause   = 5 * time.Second
	longPause    = 30 * time.Minute
	longestPause = 24 * time.Hour // also of what Retry-After asks for
	answerTries  = 8
	patientTries = 24
)

var letterPauses = []time.Duration{time.Minute, 10 * time.Minute, time.Hour, 6 * time.Hour, 24 * time.Hour}

// Errors of send that say nothing of the other side.
var (
	errStore = errors.New("the store does not answer")
	errOver  = errors.New("the webhook is another now")
	errGone  = errors.New("the event is older than the trail keeps")
)

// try sends the head.
func (k *worker) try(ctx context.Context) {
	err := k.send(ctx, *k.head)
	now := time.Now().UTC()
	if k.unjudged(ctx, err) {
		k.cursor.Next = now.Add(firstPause)
		return
	}
	k.cursor.LastTime = now
	answered, isAnswer := errors.AsType[*sender.RefusedError](err)
	switch {
	case err == nil:
		k.pass()
	case isAnswer && answered.Status == http.StatusGone:
		k.gone(ctx, now, err)
	case isAnswer && len(k.letters) < maxWaiting && (!answered.Away() || k.cursor.Tries+1 >= k.tries()):
		k.putAside(ctx, answered)
	case isAnswer:
		k.wait(err, answered.Wait)
	default:
		k.wait(err, 0)
	}
}

// gone notes the last try, and has the webhook disabled.
func (k *worker) gone(ctx context.Context, now time.Time, err error) {
	c := &k.cursor
	c.Last, c.LastTime, c.Next = outcome(err), now, time.Time{}
	if c.Failing.IsZero() {
		c.Failing = now
	}
	k.write(ctx, state.Batch{})
	k.service.disable(ctx, k.hook.ID)
	k.over = true
}

// tries is how often the head is tried at who answers with an error of its own.
func (k *worker) tries() int {
	if k.cursor.Broken {
		return patientTries
	}
	return answerTries
}

// unjudged reports whether a try did not come to the other side's judgement.
func (k *worker) unjudged(ctx context.Context, err error) bool {
	if errors.Is(err, errOver) {
		k.over = true
	}
	return ctx.Err() != nil || k.over || errors.Is(err, errStore)
}

// pass goes on behind the head, which was taken.
func (k *worker) pass() {
	if !k.cursor.Failing.IsZero() {
		k.log.Info("a webhook is reached again", "since", k.cursor.Failing)
	}
	k.cursor = cursor{LastTime: k.cursor.LastTime, Last: outcome(nil)}
	k.moved(k.head.Position, saveTaken)
	k.head = nil
}

// fails notes a try in vain, and says so in the log where it is the first.
func (k *worker) fails(err error) {
	k.cursor.Last = outcome(err)
	if k.cursor.Failing.IsZero() {
		k.cursor.Failing = k.cursor.LastTime
		k.log.Warn("a webhook takes no messages", "why", k.cursor.Last)
	}
}

// wait leaves the head where it is for a while.
func (k *worker) wait(err error, asked time.Duration) {
	k.fails(err)
	c := &k.cursor
	c.Next = c.LastTime.Add(max(min(firstPause<<min(c.Tries, 16), longPause), asked))
	c.First = c.first()
	c.Tries++
	k.saveWithin(saveTaken)
}

// putAside makes a letter of the head, and goes on behind it.
func (k *worker) putAside(ctx context.Context, answered *sender.RefusedError) {
	was := k.cursor
	k.fails(answered)
	l := Letter{
		Position: k.head.Position, Kind: k.head.Kind, First: was.first(),
		Next: was.LastTime.Add(max(letterPauses[0], answered.Wait)), Tries: 1, Last: k.cursor.Last,
	}
	k.cursor.Tries, k.cursor.First, k.cursor.Next = 0, time.Time{}, time.Time{}
	k.cursor.Broken = k.cursor.Broken || answered.Away()
	k.cursor.Position = l.Position
	if !k.keep(ctx, l) { // the head stays
		k.cursor = was
		k.cursor.Next = time.Now().Add(firstPause)
		return
	}
	k.reached.Store(l.Position)
	k.letters, k.head = append(k.letters, l), nil
}

// retry tries a letter.
func (k *worker) retry(ctx context.Context, i int) {
	l := &k.letters[i]
	e, err := k.event(ctx, l.Position)
	if err == nil {
		err = k.send(ctx, e)
	}
	now := time.Now().UTC()
	answered, isAnswer := errors.AsType[*sender.RefusedError](err)
	// Who breaks at this message alone, and takes others, has judged it.
	judged := isAnswer && (!answered.Away() || k.cursor.Failing.IsZero())
	switch {
	case k.unjudged(ctx, err):
		l.Next = now.Add(firstPause)
	case err == nil:
		k.settle(ctx, i, nil)
	case isAnswer && answered.Status == http.StatusGone:
		k.gone(ctx, now, err)
	case errors.Is(err, errGone), judged && l.Tries >= len(letterPauses):
		dead := *l
		dead.Tries, dead.Last, dead.Next = dead.Tries+1, lastOf(err), time.Time{}
		k.log.Warn("a message of a webhook is given up", "position", dead.Position, "why", dead.Last)
		k.settle(ctx, i, &dead)
	case judged:
		l.Next, l.Last = now.Add(max(letterPauses[l.Tries], answered.Wait)), outcome(err)
		l.Tries++
		k.keep(ctx, *l)
	default:
		k.postpone(now)
	}
}

func lastOf(err error) string {
	if errors.Is(err, errGone) {
		return errGone.Error()
	}
	return outcome(err)
}

// postpone leaves all letters alone for a while: of who is away one learns nothing
// about any of them.
func (k *worker) postpone(now time.Time) {
	for i := range k.letters {
		if l := &k.letters[i]; !now.Before(l.Next) {
			l.Next = now.Add(longPause)
		}
	}
}

// settle takes a letter away, dead or taken.
func (k *worker) settle(ctx context.Context, i int, dead *Letter) {
	l := k.letters[i]
	b := state.Batch{Deletes: []string{letterName(letterPrefix, k.hook.ID, l.Position)}}
	if dead != nil {
		value, err := json.Marshal(dead)
		if err != nil {
			k.fault(ctx, "a message cannot be kept", err)
			return
		}
		b.Puts = []state.Put{{Name: letterName(deadPrefix, k.hook.ID, l.Position), Value: value, TTL: deadKept}}
	}
	if !k.write(ctx, b) {
		k.letters[i].Next = time.Now().Add(firstPause)
		return
	}
	k.letters = append(k.letters[:i], k.letters[i+1:]...)
	if dead != nil {
		k.service.bury(ctx, k.hook.ID)
	}
}

// event reads the event of a letter again.
func (k *worker) event(ctx context.Context, position uint64) (events.Event, error) {
	e, kept, err := k.service.events.At(ctx, position)
	switch {
	case err != nil:
		k.fault(ctx, "a webhook waits for the store", err)
		return e, errStore
	case !kept:
		return e, errGone
	}
	return e, nil
}

// send sends an event, if the webhook is still what it was and this node's.
func (k *worker) send(ctx context.Context, e events.Event) error {
	if err := k.current(ctx); err != nil {
		return err
	}
	body, err := message.Message{Type: string(e.Kind), Timestamp: e.Time, Data: e}.Encode()
	if err != nil {
		return err
	}
	secrets, err := k.service.secrets(k.hook, time.Now())
	if err != nil {
		return err
	}
	err = k.service.sender.Send(ctx, k.hook.URL, message.Sign(message.ID(k.hook.ID, e.Position, e.Time), time.Now(), body, secrets))
	if ctx.Err() == nil {
		k.service.tried(outcomeName(err))
	}
	return err
}

// outcomeName is how a try ended, for those who count.
func outcomeName(err error) string {
	answered, isAnswer := errors.AsType[*sender.RefusedError](err)
	switch {
	case err == nil:
		return "taken"
	case isAnswer && !answered.Away():
		return "refused"
	}
	return "away"
}

// outcome is what people read of a try.
func outcome(err error) string {
	if errors.Is(err, errSecret) {
		return errSecret.Error()
	}
	return sender.Outcome(err)
}

// current asks the store, before each message, whether the webhook is still as it
// was when the worker began, and its node the one that sends: what was removed or
// disabled hears nothing more.
func (k *worker) current(ctx context.Context) error {
	w, err := k.service.get(ctx, k.hook.ID)
	if errors.Is(err, ErrNotFound) || err == nil && w.Revision != k.hook.Revision {
		return errOver
	}
	if err == nil {
		var node string
		if node, _, err = k.service.holder(ctx); err == nil && node != k.service.node {
			return errOver
		}
	}
	if err != nil {
		k.fault(ctx, "a webhook waits for the store", err)
		return fmt.Errorf("%w: %w", errStore, err)
	}
	return nil
}
