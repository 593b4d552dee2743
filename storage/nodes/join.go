package nodes

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/storage/pause"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// join puts the own run among the others, and declares dead the former ones of
// the same name. One elsewhere that is not heard of may only be cut off from the
// store, as this gateway was until now: it is waited for as long as a lease.
func (n *Nodes) join(ctx context.Context, c Config) error {
	var waited time.Duration
	for {
		last, err := n.state.Get(ctx, scope, namePrefix+c.Node)
		if err != nil && !errors.Is(err, state.ErrNotFound) {
			return err
		}
		runs, err := read(ctx, n.state)
		if err != nil {
			return err
		}
		quiet, err := n.rivals(runs, c)
		if err != nil {
			return err
		}
		if !quiet || waited >= n.lease {
			err = n.enter(ctx, runs, c, last.Revision)
			if !errors.Is(err, state.ErrConflict) {
				return err
			}
			continue // somebody wrote one of them meanwhile
		}
		if waited == 0 {
			n.log.Info("the node's name was last used elsewhere, and is waited for", "node", c.Node, "lease", n.lease)
		}
		if err := pause.For(ctx, n.lease/beats); err != nil {
			return err
		}
		waited += n.lease / beats
	}
}

// rivals refuses where another run of the own name is alive, and reports whether
// there is one elsewhere that is not heard of.
func (n *Nodes) rivals(runs map[string]member, c Config) (quiet bool, err error) {
	for holder, m := range runs {
		if nodeOf(holder) != c.Node || !m.Dead.IsZero() || holder == c.Node+"/"+c.Former {
			continue
		}
		here := m.Place == c.Place
		switch {
		case m.beat.IsZero():
			quiet = quiet || !here
		case here && c.Former != "":
			return false, fmt.Errorf("%w: a gateway has taken over at %s while this one was not heard of, since %s",
				ErrTaken, m.Place, m.Since.Format(time.RFC3339))
		case !here:
			return false, fmt.Errorf("%w: %q runs at %s (%s) since %s; was its data folder copied? Give this one a name of its own: delete the file node in its data folder, or set node.name",
				ErrTaken, c.Node, m.Place, m.Address, m.Since.Format(time.RFC3339))
		}
	}
	return quiet, nil
}

// enter writes the own run and first beat, and those that it takes over from. Of
// several that join at once under one name one does.
func (n *Nodes) enter(ctx context.Context, runs map[string]member, c Config, last uint64) error {
	begun := n.now()
	own, err := typed.Put(runPrefix+n.own, n.self)
	if err != nil {
		return err
	}
	b := state.Batch{
		Scope:  scope,
		Checks: []state.Check{{Name: runPrefix + n.own}, {Name: namePrefix + c.Node, Revision: last}},
		Puts:   []state.Put{own, n.beatPut(), {Name: namePrefix + c.Node, Value: []byte(n.own), TTL: nameLife}},
	}
	former := c.Node + "/" + c.Former
	if _, there := runs[former]; c.Former != "" && !there {
		// Buried already, or lost by the store: it is buried again.
		runs[former] = member{run: n.self, holder: former}
	}
	for holder, m := range runs {
		if nodeOf(holder) != c.Node || !m.Dead.IsZero() {
			continue
		}
		m.Dead, m.By = time.Now().UTC(), n.own
		p, err := typed.Put(runPrefix+holder, m.run)
		if err != nil {
			return err
		}
		b.Checks = append(b.Checks, state.Check{Name: runPrefix + holder, Revision: m.revision})
		b.Puts = append(b.Puts, p)
		if !m.beat.IsZero() {
			b.Deletes = append(b.Deletes, beatPrefix+holder)
		} else if m.revision != 0 {
			b.Checks = append(b.Checks, state.Check{Name: beatPrefix + holder})
		}
	}
	r, err := typed.Settle(ctx, n.state, b)
	if err != nil {
		return err
	}
	n.revision = r.Revision
	n.last.Store(&begun)
	return nil
}
