package events

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"

	"gatehouse/storage/state"
)

const (
	// maxText is the longest text of an event; a longer one, which only a
	// hostile client sends, is cut.
	maxText = 8 << 10
	// maxSize is the longest event, with Before and After.
	maxSize = 1 << 20
)

// stored is an event as it is written: text that is not UTF-8, such as a name on
// disk may be, goes beside it, since JSON would change it.
type stored struct {
	Event
	Raw map[string][]byte `json:"raw,omitempty"`
}

// A text is a field that holds what a client or a disk says.
type text struct {
	name  string
	value *string
}

func (e *Event) texts() [7]text {
	return [...]text{
		{"account", &e.Account}, {"actor", &e.Actor}, {"credential", &e.Credential}, {"reason", &e.Reason},
		{"session", &e.Session}, {"path", &e.Path}, {"target", &e.Target},
	}
}

// cut shortens what only a hostile client makes so long.
func cut(e Event) Event {
	for _, t := range e.texts() {
		if len(*t.value) > maxText {
			*t.value = (*t.value)[:maxText]
		}
	}
	return e
}

// encode never fails: an event whose Before and After cannot be written or are
// too long goes without them.
func encode(e Event) ([]byte, error) {
	s := stored{Event: cut(e)}
	s.Position = 0
	for _, t := range s.texts() {
		if !utf8.ValidString(*t.value) {
			if s.Raw == nil {
				s.Raw = make(map[string][]byte)
			}
			s.Raw[strings.Clone(t.name)] = []byte(*t.value) // a copy, or every event would go to the heap
			*t.value = strings.ToValidUTF8(*t.value, "\uFFFD")
		}
	}
	b, err := s.append(make([]byte, 0, 512))
	if err == nil && len(b) <= maxSize {
		return b, nil
	}
	s.Before, s.After = nil, nil
	if b, err = s.append(nil); err != nil {
		return nil, fmt.Errorf("encode an event: %w", err)
	}
	return b, nil
}

// decode reads an entry of a chain, or one from before there were chains.
func decode(entry state.Entry) (Event, error) {
	body := entry.Value
	if c, err := parseChained(body); err == nil {
		body = c.body
	}
	var s stored
	if err := json.Unmarshal(body, &s); err != nil {
		return Event{}, fmt.Errorf("decode the event at %d: %w", entry.Position, err)
	}
	for _, t := range s.texts() {
		if raw, ok := s.Raw[t.name]; ok {
			*t.value = string(raw)
		}
	}
	s.Position = entry.Position
	return s.Event, nil
}

// read is decode for those who look: what cannot be read is shown as that.
func read(entry state.Entry) Event {
	e, err := decode(entry)
	if err == nil {
		return e
	}
	return Event{
		Position: entry.Position, Time: entry.Time.UTC(), Kind: Unreadable, Outcome: Failed,
		Reason: "this entry of the trail is damaged: run gatehouse event verify",
	}
}
