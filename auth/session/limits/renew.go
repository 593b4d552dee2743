package limits

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/policy"
	"gatehouse/storage/state"
)

// renewAgain is the pause after the sessions could not be counted.
const renewAgain = time.Second

// Renew keeps the open sessions counted until ctx ends, also for limits that
// came after their logins. Who is in stays in, whatever the limit. Where the store
// was away they are counted as soon as it is back.
func (c *Counter) Renew(ctx context.Context) {
	failed := false
	next := time.NewTimer(Renewal)
	defer next.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			if err = c.RenewAll(ctx); err == nil {
				next.Reset(Renewal)
			}
		case <-c.missing:
			err = c.renewThose(ctx, (*Holder).isUncounted)
		}
		if err != nil {
			next.Reset(renewAgain)
		}
		if err != nil && !failed && ctx.Err() == nil {
			c.log.Warn("the open sessions could not be counted", "error", err)
		}
		failed = err != nil
	}
}

// RenewAll has every session counted for a Life from now.
func (c *Counter) RenewAll(ctx context.Context) error {
	return c.renewThose(ctx, func(*Holder, place) bool { return true })
}

// renewThose has the sessions counted whose places it is told. It is nothing for who
// may have been declared dead: what it was given is given to others by then.
func (c *Counter) renewThose(ctx context.Context, which func(*Holder, place) bool) error {
	if err := c.nodes.Fence(); err != nil {
		return err
	}
	site, err := c.accounts.Site(ctx)
	if err != nil {
		return err
	}
	all, ctx := errgroup.WithContext(ctx) // one that fails is the store that does
	all.SetLimit(renewers)
	for h, e := range c.open() {
		if ctx.Err() != nil {
			break
		}
		for _, p := range c.placesOf(e, h.account, h.address) {
			if p.counts && !p.isLease() && which(h, p) {
				all.Go(func() error { return c.renew(ctx, h, p) })
			}
		}
	}
	if site.MaxSessions > state.MaxMembers {
		all.Go(func() error { return c.leaseAnew(ctx, site.MaxSessions) })
	}
	return all.Wait()
}

// renew has a session counted for a Life from now.
func (c *Counter) renew(ctx context.Context, h *Holder, p place) error {
	h.count(func(counted map[string]bool) { counted[p.name] = true })
	_, err := c.op(ctx, state.Distinct{ID: state.NewOperationID(), Name: p.name, Add: h.id, TTL: Life})
	if h.over.Load() && !h.IsShared() && (err == nil || ctx.Err() == nil) {
		c.GiveBack(ctx, h) // it ended meanwhile
	}
	return err
}

// leaseAnew has as many places of the site leased as this node needs, and takes those
// away that a call of a dead node took after it was buried.
func (c *Counter) leaseAnew(ctx context.Context, limit int) error {
	v, err := c.leaseNeeded(ctx, int64(limit))
	if err != nil {
		return err
	}
	var errs []error
	for holder := range v.Holders {
		if !c.nodes.Living(holder) {
			errs = append(errs, c.Bury(ctx, holder))
		}
	}
	return errors.Join(errs...)
}

func (c *Counter) leaseNeeded(ctx context.Context, limit int64) (state.CounterValue, error) {
	c.leasing.Lock()
	defer c.leasing.Unlock()
	var open []*Holder
	for h := range c.open() {
		open = append(open, h)
		h.count(func(counted map[string]bool) { counted[SitePlaces] = true })
	}
	return c.op(ctx, state.Lease{
		ID: state.NewOperationID(), Name: SitePlaces, Holder: c.nodes.Holder(), ReleaseAll: true, Want: c.leases(open), SetLimit: &limit,
	})
}

// Recount has a session counted soon where a limit came to be that it is not
// counted for.
func (c *Counter) Recount(h *Holder, e policy.Effective) {
	if c == nil {
		return
	}
	list := c.placesOf(e, h.account, h.address)
	h.count(func(counted map[string]bool) {
		for _, p := range list {
			if p.counts && !counted[p.name] {
				wake(c.missing)
			}
		}
	})
}

// RecountAddresses has all sessions counted soon where the limits of an address came
// to be, and returns whether there are any.
func (c *Counter) RecountAddresses(before bool) (now bool) {
	if c == nil {
		return false
	}
	if now = c.accounts.LimitsAddresses(); now && !before {
		wake(c.missing)
	}
	return now
}
