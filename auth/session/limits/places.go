package limits

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"golang.org/x/sync/errgroup"

	"gatehouse/policy"
	"gatehouse/storage/state"
)

// Count looks how many are open on all nodes, where there is a limit, for an account
// that comes from an address; counts are those of this node.
func (c *Counter) Count(ctx context.Context, counts policy.Sessions, e policy.Effective, account string, from netip.Addr) (policy.Sessions, error) {
	if c == nil {
		return counts, nil
	}
	list := c.placesOf(e, account, from)
	for i, n := range []*int{accountPlace: &counts.Account, addressPlace: &counts.Address, sitePlace: &counts.All} {
		if !list[i].counts {
			continue
		}
		var look state.CounterOp = state.Distinct{Name: list[i].name}
		if list[i].isLease() {
			look = state.Lease{Name: list[i].name}
		}
		v, err := c.op(ctx, look)
		if err != nil {
			return counts, fmt.Errorf("count the open sessions: %w", err)
		}
		*n = int(v.Count + v.Leased)
	}
	return counts, nil
}

// take asks for one place.
func (c *Counter) take(ctx context.Context, h *Holder, p place) (state.CounterValue, error) {
	if !p.isLease() {
		return c.op(ctx, state.Distinct{ID: state.NewOperationID(), Name: p.name, Add: h.id, TTL: Life, Max: p.limit})
	}
	c.leasing.RLock()
	defer c.leasing.RUnlock()
	limit := int64(p.limit)
	v, err := c.op(ctx, state.Lease{
		ID: state.NewOperationID(), Name: p.name, Holder: c.nodes.Holder(), Min: 1, Want: 1, SetLimit: &limit,
	})
	if v.Granted > 0 {
		c.lease(h)
	}
	return v, err
}

// op makes an operation, and again where its outcome is not known.
func (c *Counter) op(ctx context.Context, op state.CounterOp) (state.CounterValue, error) {
	for try := 0; ; try++ {
		v, err := c.state.Count(ctx, Scope, op)
		if !errors.Is(err, state.ErrUnknown) || try == 3 || ctx.Err() != nil {
			return v, err
		}
	}
}

// lease notes that a session has a leased place, before it is in the table and until
// that is given back.
func (c *Counter) lease(h *Holder) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leased[h] = true
}

// Forget has a session's leased place go with the next that are leased anew, where it
// is in the table no more.
func (c *Counter) Forget(h *Holder) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.leased, h)
}

// leases are how many leased places these open sessions need, and those that have one
// and are about to come in, or to give it back.
func (c *Counter) leases(open []*Holder) int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(c.leased)
	for _, h := range open {
		if !c.leased[h] {
			n++
		}
	}
	return int64(n)
}

// GiveBack gives a session's places back, whether ctx has ended or not. What the
// store does not take runs out.
func (c *Counter) GiveBack(ctx context.Context, h *Holder) {
	if c == nil {
		return
	}
	defer c.Forget(h)
	var names []string
	h.count(func(counted map[string]bool) {
		for name := range counted {
			names = append(names, name)
		}
		clear(counted)
	})
	if len(names) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	var all errgroup.Group
	for _, name := range names {
		all.Go(func() error {
			if name == SitePlaces {
				return c.release(ctx, h)
			}
			_, err := c.op(ctx, state.Distinct{ID: state.NewOperationID(), Name: name, Remove: h.id})
			return err
		})
	}
	if err := all.Wait(); err != nil {
		c.log.Warn("the place of a session that has ended could not be given back yet", "session", h.id, "error", err)
	}
}

// release gives a session's leased place back.
func (c *Counter) release(ctx context.Context, h *Holder) error {
	c.leasing.RLock()
	defer c.leasing.RUnlock()
	defer c.Forget(h)
	_, err := c.op(ctx, state.Lease{ID: state.NewOperationID(), Name: SitePlaces, Holder: c.nodes.Holder(), Release: 1})
	return err
}

// Bury gives back what a run of a node had that died. Its sets run out.
func (c *Counter) Bury(ctx context.Context, holder string) error {
	_, err := c.op(ctx, state.Lease{ID: state.NewOperationID(), Name: SitePlaces, Holder: holder, ReleaseAll: true})
	if err != nil {
		return fmt.Errorf("give back the places of the sessions of %s: %w", holder, err)
	}
	return nil
}

// Leaving notes that a session's places are about to be given back; done says that
// they are.
func (c *Counter) Leaving(h *Holder) (done func()) {
	if c == nil {
		return func() {}
	}
	h.over.Store(true)
	back := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.returning[h] = back
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.returning, h)
		close(back)
	}
}

// returns are the places that ended sessions of this node are giving back.
func (c *Counter) returns() []chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Collect(maps.Values(c.returning))
}

// awaitReturns waits until places are given back.
func awaitReturns(ctx context.Context, list []chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, returnWait)
	defer cancel()
	for _, back := range list {
		select {
		case <-back:
		case <-ctx.Done():
			return
		}
	}
}
