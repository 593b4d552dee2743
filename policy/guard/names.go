package guard

import (
	"context"
	"slices"
	"sync"

	"gatehouse/policy/path"
)

// names keeps operations that make, move or remove the same names apart: what
// one of them has looked at is still so when it acts, and is counted once.
// Those who come first are served first; everybody asks for all at once.
type names struct {
	mu      sync.Mutex
	waiting []*claim      // in order of arrival; one stands where none before it conflicts
	changed chan struct{} // not nil where somebody waits; closed when one leaves
}

// A claim is a few names, or trees.
type claim struct{ spans []span }

// A span is a name, or with deep all below it too.
type span struct {
	path path.Path
	deep bool
}

func (a span) conflicts(b span) bool {
	return a.path == b.path || a.deep && a.path.Contains(b.path) || b.deep && b.path.Contains(a.path)
}

func (c *claim) conflicts(o *claim) bool {
	for _, a := range c.spans {
		if slices.ContainsFunc(o.spans, a.conflicts) {
			return true
		}
	}
	return false
}

// hold waits until nobody else holds what conflicts.
func (n *names) hold(ctx context.Context, spans ...span) (release func(), err error) {
	c := &claim{spans}
	n.mu.Lock()
	n.waiting = append(n.waiting, c)
	for !n.first(c) {
		if n.changed == nil {
			n.changed = make(chan struct{})
		}
		changed := n.changed
		n.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			n.leave(c)
			return nil, ctx.Err()
		}
		n.mu.Lock()
	}
	n.mu.Unlock()
	return func() { n.leave(c) }, nil
}

// first reports whether nobody before c conflicts with it. n.mu is held.
func (n *names) first(c *claim) bool {
	for _, earlier := range n.waiting {
		if earlier == c {
			return true
		}
		if earlier.conflicts(c) {
			return false
		}
	}
	return true
}

func (n *names) leave(c *claim) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.waiting = slices.DeleteFunc(n.waiting, func(o *claim) bool { return o == c })
	if n.changed != nil {
		close(n.changed)
		n.changed = nil
	}
}
