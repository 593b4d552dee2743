package events

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gatehouse/storage/state"
)

// Query selects events; zero fields select all. Newest first, unless Oldest.
type Query struct {
	Account, AccountID, Actor string
	Group                     string
	Session, Door, Address    string
	Outcome, Rule, Reference  string
	Path                      string // this path, as the event's or its target, and all below it
	Kind                      Kind   // a whole kind, or a prefix that ends in "."
	Under                     Kind   // a kind, and those below it
	Since, Until              time.Time
	Oldest                    bool
	After                     uint64 // a cursor: the position of the last one seen
	Limit                     int    // default 100, at most 1000
	// Visible leaves out what the reader has no right to see; nil shows all.
	Visible func(Event) bool

	late time.Duration // how much later than Until an entry may be that is selected
}

const (
	// pieceSize is how many entries are read at once.
	pieceSize = 500
	// mostRead is how many entries one List looks at.
	mostRead = 100_000
)

// List returns what q selects, and the cursor for the next page, 0 at the end.
// A page may be short, even empty, with more after it: a search looks at a
// bounded number of events at a time.
func (l *Log) List(ctx context.Context, q Query) (found []Event, next uint64, err error) {
	q.Limit = limit(q.Limit)
	if !q.Until.IsZero() {
		q.late, err = l.lateAfter(ctx, q.Until)
	}
	var at uint64
	if err == nil {
		at, err = l.start(ctx, q)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("list the events: %w", err)
	}
	for looked := 0; looked < mostRead; looked += pieceSize {
		piece, err := l.read(ctx, q, at)
		if err != nil {
			return nil, 0, fmt.Errorf("list the events: %w", err)
		}
		for _, entry := range piece {
			if q.past(entry.Time) {
				return found, 0, nil
			}
			e := read(entry)
			at = entry.Position
			if !q.Selects(e) {
				continue
			}
			if found = append(found, e); len(found) == q.Limit {
				return found, at, nil
			}
		}
		if len(piece) == 0 {
			return found, 0, nil
		}
	}
	return found, at, nil
}

// At returns the event at a position; false where there is none, or none any more.
func (l *Log) At(ctx context.Context, position uint64) (e Event, kept bool, err error) {
	if position == 0 {
		return Event{}, false, nil
	}
	entries, err := l.after(ctx, position-1, 1)
	if err != nil {
		return Event{}, false, fmt.Errorf("read the event at %d: %w", position, err)
	}
	if len(entries) == 0 || entries[0].Position != position {
		return Event{}, false, nil
	}
	return read(entries[0]), true, nil
}

// Newest is the position of the newest event, 0 where there is none.
func (l *Log) Newest(ctx context.Context) (uint64, error) {
	entries, err := l.before(ctx, 0, 1)
	if err != nil {
		return 0, fmt.Errorf("read where the events stand: %w", err)
	}
	if len(entries) == 0 {
		return 0, nil
	}
	return entries[0].Position, nil
}

func limit(asked int) int {
	if asked <= 0 {
		return 100
	}
	return min(asked, 1000)
}

// start is the position after which the reading begins: the cursor, or where
// the time asked for begins.
func (l *Log) start(ctx context.Context, q Query) (uint64, error) {
	switch {
	case q.After > 0:
		return q.After, nil
	case q.Oldest && !q.Since.IsZero():
		first, err := l.positionAt(ctx, q.Since)
		return max(first, 1) - 1, err
	case !q.Oldest && !q.Until.IsZero():
		return l.positionAt(ctx, q.Until.Add(q.late))
	}
	return 0, nil
}

func (l *Log) read(ctx context.Context, q Query, at uint64) ([]state.Entry, error) {
	if q.Oldest {
		return l.after(ctx, at, pieceSize)
	}
	return l.before(ctx, at, pieceSize)
}

// past reports that neither an entry of this time nor any further one is selected.
func (q Query) past(t time.Time) bool {
	if q.Oldest {
		return !q.Until.IsZero() && t.After(q.Until.Add(q.late))
	}
	return !q.Since.IsZero() && t.Before(q.Since)
}

// Selects reports whether an event is one that q asks for.
func (q Query) Selects(e Event) bool {
	return q.selectsWho(e) && q.selectsHow(e) && q.selectsPath(e) &&
		(q.Since.IsZero() || !e.Time.Before(q.Since)) && (q.Until.IsZero() || !e.Time.After(q.Until)) &&
		(q.Visible == nil || q.Visible(e))
}

func (q Query) selectsWho(e Event) bool {
	return asked(q.Account, e.Account) && asked(q.AccountID, e.AccountID) && asked(q.Group, e.Group) && q.selectsActor(e.Actor) &&
		asked(q.Session, e.Session) && asked(q.Door, e.Door) &&
		(q.Address == "" || e.Address.IsValid() && q.Address == e.Address.String())
}

// selectsActor takes SocketActor for everybody at the local socket.
func (q Query) selectsActor(actor string) bool {
	return asked(q.Actor, actor) || q.Actor == SocketActor && strings.HasPrefix(actor, SocketActor+" (")
}

func (q Query) selectsHow(e Event) bool {
	if q.Under != "" && !e.Kind.Under(q.Under) {
		return false
	}
	if strings.HasSuffix(string(q.Kind), ".") {
		if !strings.HasPrefix(string(e.Kind), string(q.Kind)) {
			return false
		}
	} else if !asked(string(q.Kind), string(e.Kind)) {
		return false
	}
	return asked(q.Outcome, e.Outcome) && asked(q.Rule, e.Rule) && asked(q.Reference, e.Reference)
}

func asked(want, is string) bool { return want == "" || want == is }

func (q Query) selectsPath(e Event) bool {
	return q.Path == "" || e.Touches(q.Path)
}

// Touches reports whether an event is about a folder or what is below it, as the
// source or the target.
func (e Event) Touches(folder string) bool { return below(folder, e.Path) || below(folder, e.Target) }

// below reports whether a path is a folder or stands below it.
func below(folder, path string) bool {
	rest, ok := strings.CutPrefix(path, strings.TrimSuffix(folder, "/"))
	return ok && path != "" && (rest == "" || rest[0] == '/')
}

// positionAt returns the first position whose entry was appended at a time or
// later, the one after the last where there is none, 0 for an empty stream.
func (l *Log) positionAt(ctx context.Context, t time.Time) (uint64, error) {
	first, err := l.after(ctx, 0, 1)
	if err != nil || len(first) == 0 {
		return 0, err
	}
	last, err := l.before(ctx, 0, 1)
	if err != nil || len(last) == 0 {
		return 0, err
	}
	low, high := first[0].Position, last[0].Position+1
	for low < high {
		middle := low + (high-low)/2
		entries, err := l.after(ctx, middle-1, 1)
		if err != nil {
			return 0, err
		}
		if len(entries) == 0 || !entries[0].Time.Before(t) {
			high = middle
		} else {
			low = middle + 1
		}
	}
	return low, nil
}
