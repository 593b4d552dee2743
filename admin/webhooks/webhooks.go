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
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"gatehouse/admin/rest"
	"gatehouse/storage/events"
)

// A Webhook is an address that hears of events.
type Webhook struct {
	ID          string      `json:"id"`
	URL         string      `json:"url"`
	Description string      `json:"description,omitempty"`
	Filter      EventFilter `json:"filter"`
	Disabled    bool        `json:"disabled,omitempty"`
	Why         string      `json:"why,omitempty"` // it was disabled, where nobody did it by hand
	By          string      `json:"by,omitempty"`
	Created     time.Time   `json:"created"`
	Secrets     []Secret    `json:"secrets"` // the newest first
	Revision    uint64      `json:"-"`
}

// A Secret signs messages, until it expires where a newer one took its place.
type Secret struct {
	Sealed  []byte    `json:"sealed"`
	Expires time.Time `json:"expires,omitzero"`
}

// An EventFilter says which events a webhook hears of; what is empty lets all pass.
type EventFilter struct {
	Kinds    []events.Kind `json:"kinds,omitempty" doc:"kinds of GET /event-kinds, each with those below it"`
	Accounts []string      `json:"accounts,omitempty" doc:"usernames"`
	Path     string        `json:"path,omitempty" doc:"this tree path and all below it, as the source or the target"`
	Outcomes []string      `json:"outcomes,omitempty" doc:"ok, refused, failed, cut, aborted"`
}

// Passes reports whether an event is for who has this filter.
func (f EventFilter) Passes(e events.Event) bool {
	switch {
	case len(f.Kinds) > 0 && !slices.ContainsFunc(f.Kinds, func(k events.Kind) bool { return e.Kind.Under(k) }):
		return false
	case len(f.Accounts) > 0 && !slices.ContainsFunc(f.Accounts, func(name string) bool { return strings.EqualFold(name, e.Account) }):
		return false
	case len(f.Outcomes) > 0 && !slices.Contains(f.Outcomes, e.Outcome):
		return false
	}
	return f.Path == "" || below(f.Path, e.Path) || below(f.Path, e.Target)
}

func below(folder, path string) bool {
	return path == folder || folder == "/" && path != "" || strings.HasPrefix(path, folder+"/")
}

// hears reports whether an event is for a webhook: what its filter lets pass, and
// that it has missed something.
func (w Webhook) hears(e events.Event) bool {
	return w.Filter.Passes(e) || e.Kind == Missed && e.After["webhook"] == w.ID
}

// Bounds of what an administrator may ask for.
const (
	maxURL     = 2048
	maxText    = 500
	maxFilters = 100
	// MaxWebhooks is how many there may be.
	MaxWebhooks = 100
)

// Validate reports the first setting that cannot be, by its field.
func (w Webhook) Validate() error {
	if why := wrongURL(w.URL); why != "" {
		return rest.Invalid("url", why)
	}
	if len(w.Description) > maxText {
		return rest.Invalid("description", fmt.Sprintf("is longer than %d bytes", maxText))
	}
	return w.Filter.validate()
}

func (f EventFilter) validate() error {
	if len(f.Kinds)+len(f.Accounts)+len(f.Outcomes) > maxFilters {
		return rest.Invalid("filter", fmt.Sprintf("names more than %d things", maxFilters))
	}
	for _, k := range f.Kinds {
		if !k.Asks() {
			return rest.Invalid("filter.kinds", fmt.Sprintf("%q is no kind of event", k)+guessKind(k))
		}
	}
	if slices.ContainsFunc(f.Accounts, func(name string) bool { return name == "" || len(name) > maxText }) {
		return rest.Invalid("filter.accounts", "takes usernames")
	}
	outcomes := []string{events.OK, events.Denied, events.Failed, events.WasCut, events.Aborted}
	for _, o := range f.Outcomes {
		if !slices.Contains(outcomes, o) {
			return rest.Invalid("filter.outcomes", "is none of "+strings.Join(outcomes, ", "))
		}
	}
	return nil
}

func guessKind(k events.Kind) string {
	guess := rest.NewGuess(string(k))
	for _, known := range events.Kinds() {
		guess.Offer(string(known.Kind))
	}
	return guess.Hint()
}

// wrongURL says what is wrong with an address, "" where nothing is.
func wrongURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case len(text) > maxURL:
		return fmt.Sprintf("is longer than %d bytes", maxURL)
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "is no URL"
	case u.Scheme != "https":
		return "must begin with https://"
	case u.User != nil:
		return "must hold no password: messages are signed"
	case u.Fragment != "":
		return "must have no fragment"
	}
	return ""
}

// A Letter is a message that the other side refused. Its event is in the trail.
type Letter struct {
	Position uint64      `json:"position" doc:"of its event in the trail"`
	Kind     events.Kind `json:"kind"`
	First    time.Time   `json:"first_try"`
	Next     time.Time   `json:"next_try,omitzero"` // a dead one has none
	Tries    int         `json:"tries"`
	Last     string      `json:"last" doc:"how the last try ended"`
}

// A WebhookStatus is how a webhook fares.
type WebhookStatus struct {
	Cursor   uint64    `json:"cursor" doc:"the position of the last event that is dealt with"`
	Behind   uint64    `json:"behind" doc:"events after it"`
	Failing  time.Time `json:"failing_since,omitzero" doc:"absent: the last message was taken"`
	Next     time.Time `json:"next_try,omitzero" doc:"where the messages wait for the other side"`
	Last     string    `json:"last,omitempty" doc:"how the last try ended"`
	LastTime time.Time `json:"last_time,omitzero"`
	Waiting  int       `json:"waiting" doc:"refused messages that are tried again"`
	Dead     int       `json:"dead" doc:"refused messages that were given up"`
}
