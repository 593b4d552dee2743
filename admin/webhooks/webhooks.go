// Package webhooks tells other programs what happens: events go out as signed
// messages (Standard Webhooks), at least once each, in the order of the trail.
//
// The trail itself is the queue: of each webhook a cursor says how far it has
// come. Where the other side is away everything waits for it; a message that it
// refuses is tried again beside the others, and after the last try put away as a
// dead letter. Answers are looked at for their status alone.
//
// A webhook belongs to the installation, not to who made it: it goes on when that
// administrator is gone.
package webhooks

import (
	"time"

	"gatehouse/storage/events"
)

// A Webhook is an address that hears of events.
type Webhook struct {
	ID          string    `json:"id"`
	URL         string    `json:"url"`
	Description string    `json:"description,omitempty"`
	Filter      Filter    `json:"filter"`
	Disabled    bool      `json:"disabled,omitempty"`
	Why         string    `json:"why,omitempty"` // it was disabled, where nobody did it by hand
	By          string    `json:"by,omitempty"`
	Created     time.Time `json:"created"`
	Secrets     []Secret  `json:"secrets"` // the newest first
	Revision    uint64    `json:"-"`
}

// A Secret signs messages, until it expires where a newer one took its place.
type Secret struct {
	Sealed  []byte    `json:"sealed"`
	Expires time.Time `json:"expires,omitzero"`
}

// hears reports whether an event is for a webhook: what its filter lets pass, and
// that it has missed something.
func (w Webhook) hears(e events.Event) bool {
	return w.Filter.Passes(e) || e.Kind == Missed && e.After["webhook"] == w.ID
}

// A Letter is a message that the other side refused. Its event is in the trail.
type Letter struct {
	Position uint64      `json:"position"` // of its event in the trail
	Kind     events.Kind `json:"kind"`
	First    time.Time   `json:"first_try"`
	Next     time.Time   `json:"next_try,omitzero"` // a dead one has none
	Tries    int         `json:"tries"`
	Last     string      `json:"last"` // how the last try ended
}

// A Status is how a webhook fares.
type Status struct {
	Cursor   uint64    // the position of the last event that is dealt with
	Behind   uint64    // events after it
	Failing  time.Time // since then; zero: the last message was taken
	Next     time.Time // try, where the messages wait for the other side
	Last     string    // how the last try ended
	LastTime time.Time
	Waiting  int // refused messages that are tried again
	Dead     int // refused messages that were given up
}
