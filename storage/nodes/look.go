package nodes

import (
	"context"
	"errors"
	"maps"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// maxGone bounds how many ended holders are remembered; of others it is asked again.
const maxGone = 10_000

// look reads who is there.
func (n *Nodes) look(ctx context.Context) error {
	at := n.now()
	asked := n.takeAsked()
	found, err := read(ctx, n.state)
	if err != nil {
		n.askAgain(asked)
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.good == nil || at.since(n.latest) > n.lease/2 {
		// Cut off or paused: whoever was not heard of meanwhile may have been there.
		n.good = &at
		clear(n.absent)
	}
	n.latest = at
	for holder := range n.known {
		asked[holder] = true // who is no more among them has ended
	}
	n.known = found
	n.mourn(asked)
	for holder, m := range found {
		if _, missing := n.absent[holder]; !m.beat.IsZero() || !m.Dead.IsZero() {
			delete(n.absent, holder)
		} else if !missing {
			n.absent[holder] = at
		}
	}
	maps.DeleteFunc(n.absent, func(holder string, _ instant) bool { _, there := found[holder]; return !there })
	return nil
}

// mourn notes who of those asked for has ended: a run has its record before it
// holds anything.
func (n *Nodes) mourn(asked map[string]bool) {
	for holder := range asked {
		if _, there := n.known[holder]; !there {
			n.gone[holder] = true
		}
	}
	for holder := range n.known {
		delete(n.gone, holder)
	}
	if len(n.gone) > maxGone {
		clear(n.gone)
	}
}

func (n *Nodes) takeAsked() map[string]bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	asked := n.asked
	n.asked = make(map[string]bool)
	return asked
}

func (n *Nodes) askAgain(asked map[string]bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.Copy(n.asked, asked)
}

// doubt says that the store was away from this run: it declares nobody dead
// before it has seen all for a whole lease again.
func (n *Nodes) doubt() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.good = nil
	clear(n.absent)
}

// declare declares dead who has not been heard of for a whole lease, by this run
// that was heard of all the while.
func (n *Nodes) declare(ctx context.Context) {
	for _, m := range n.overdue() {
		m.Dead, m.By = time.Now().UTC(), n.own
		p, err := typed.Put(runPrefix+m.holder, m.run)
		if err == nil {
			_, err = typed.Settle(ctx, n.state, state.Batch{
				Scope: scope,
				Checks: []state.Check{
					{Name: runPrefix + n.own, Revision: n.revision},
					{Name: runPrefix + m.holder, Revision: m.revision},
					{Name: beatPrefix + m.holder},
				},
				Puts: []state.Put{p},
			})
		}
		switch {
		case err == nil:
			n.log.Warn("a node was not heard of in time and has been declared dead", "node", m.holder, "address", m.Address)
			n.soon()
		case !errors.Is(err, state.ErrConflict): // it is there again, or another was faster
			n.log.Warn("a node could not be declared dead", "node", m.holder, "error", err)
		}
	}
}

func (n *Nodes) overdue() []member {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []member
	if n.good == nil || n.latest.atLeast(*n.good) < n.lease {
		return nil
	}
	for holder, since := range n.absent {
		if holder != n.own && n.latest.atLeast(since) >= n.lease {
			list = append(list, n.known[holder])
		}
	}
	return list
}

// soon asks for a beat and a look now.
func (n *Nodes) soon() {
	select {
	case n.kick <- struct{}{}:
	default:
	}
}

// Living reports whether a holder (NODE/EPOCH) may still be there: false only
// where it has surely ended or was declared dead, be it this run itself. It answers
// from memory; one that it does not know is looked for at once, and is in doubt until then.
func (n *Nodes) Living(holder string) bool {
	if n == nil {
		return true
	}
	if holder == n.own {
		return !n.over()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if m, ok := n.known[holder]; ok {
		return m.Dead.IsZero()
	}
	if n.gone[holder] {
		return false
	}
	if !n.asked[holder] && len(n.asked) < maxGone {
		n.asked[holder] = true
		n.soon()
	}
	return true
}

// over reports whether this run has lapsed.
func (n *Nodes) over() bool {
	select {
	case <-n.lapsed:
		return true
	default:
		return false
	}
}
