package events

import (
	"context"
	"slices"
	"strings"

	"gatehouse/storage/state"
)

// roomSuffixes end the kinds of changes that take something out, and so may make room
// in a store that is full, or end somebody's access.
var roomSuffixes = []string{".delete", ".remove", ".revoke", ".disable", ".end", ".break"}

// intentKind is the kind of an event that says that a change is about to be made; After
// has that of the change.
const intentKind Kind = "change.intent"

// makesRoom reports whether an event is that of a change which a store is to let be
// recorded although it is full: nobody could make room there else.
func (e Event) makesRoom() bool {
	kind := string(e.Kind)
	if e.Kind == intentKind {
		kind, _ = e.After["change"].(string)
	}
	// How long events are kept is a setting of the site.
	return kind == "site.change" || !strings.HasPrefix(kind, "file.") &&
		slices.ContainsFunc(roomSuffixes, func(s string) bool { return strings.HasSuffix(kind, s) })
}

// vital marks an append that has such an event, or one before it.
func (w *writer) vital(ctx context.Context, g *group) context.Context {
	makes := func(e *entry) bool { return e.event.makesRoom() }
	w.log.mu.Lock()
	defer w.log.mu.Unlock()
	if slices.ContainsFunc(g.entries, makes) || slices.ContainsFunc(w.log.pending, makes) {
		return state.Vital(ctx)
	}
	return ctx
}
