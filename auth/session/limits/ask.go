package limits

import (
	"context"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/policy"
	"gatehouse/storage/state"
)

// An answer is what the store says to who asks for places: how many others are open
// in each limit, and whether some of the limits have given a place.
type answer struct {
	open    [allPlaces]int
	refused bool
	some    bool
}

func (a answer) counts() policy.Sessions {
	return policy.Sessions{Account: a.open[accountPlace], Address: a.open[addressPlace], All: a.open[sitePlace]}
}

// note takes in what a place's counter says.
func (a *answer) note(i int, p place, v state.CounterValue) {
	a.open[i] = openWithout(p, v)
	if p.limit <= 0 {
		return // it counts for others
	}
	full := a.open[i] >= p.limit
	a.refused = a.refused || full
	a.some = a.some || !full
}

// askAgain is when it is asked again for what was given in part: who else got the
// other part, and could do nothing with it either, has given that back.
var askAgain = []time.Duration{5 * time.Millisecond, 20 * time.Millisecond, 80 * time.Millisecond}

// Ask asks for a place in each limit that there is, all at once, and returns what
// was open without this session. Who has no limit asks the store nothing.
func (c *Counter) Ask(ctx context.Context, h *Holder, e policy.Effective) (policy.Sessions, error) {
	list := c.placesOf(e, h.account, h.address)
	returns := c.returns() // what comes back later is another's
	got, err := c.askTogether(ctx, h, list)
	if err == nil && got.refused && len(returns) > 0 {
		awaitReturns(ctx, returns)
		got, err = c.askInOrder(ctx, h, list)
	}
	for _, d := range askAgain {
		if err != nil || !got.refused || !got.some {
			break
		}
		select {
		case <-time.After(d):
			got, err = c.askInOrder(ctx, h, list)
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	return got.counts(), err
}

// askTogether asks for all places in one round.
func (c *Counter) askTogether(ctx context.Context, h *Holder, list [allPlaces]place) (answer, error) {
	var values [allPlaces]state.CounterValue
	var all errgroup.Group
	for i, p := range list {
		if p.counts {
			all.Go(func() (err error) {
				values[i], err = c.take(ctx, h, p)
				h.unsure(p, err)
				return err
			})
		}
	}
	err := all.Wait()
	var got answer
	for i, p := range list {
		if p.counts && err == nil {
			got.note(i, p, values[i])
		}
	}
	c.settle(ctx, h, list, values, got.refused || err != nil)
	return got, err
}

// askInOrder asks for one place after the other, and for none once one is refused:
// those who ask so do not hold each other up.
func (c *Counter) askInOrder(ctx context.Context, h *Holder, list [allPlaces]place) (got answer, err error) {
	var values [allPlaces]state.CounterValue
	for i, p := range list {
		if !p.counts {
			continue
		}
		if values[i], err = c.take(ctx, h, p); err != nil {
			h.unsure(p, err)
			break
		}
		if got.note(i, p, values[i]); got.refused {
			break
		}
	}
	c.settle(ctx, h, list, values, got.refused || err != nil)
	return got, err
}

// settle notes which places a session has been given or, where it was refused one,
// gives back those that it had not had before.
func (c *Counter) settle(ctx context.Context, h *Holder, list [allPlaces]place, values [allPlaces]state.CounterValue, refused bool) {
	h.count(func(counted map[string]bool) {
		for i, p := range list {
			if values[i].Granted == 1 || values[i].Granted > 0 && !refused {
				counted[p.name] = true
			}
		}
	})
	if refused {
		c.GiveBack(ctx, h)
	}
}

// openWithout is how many others are open: fewer than the limit where the session
// was given its place.
func openWithout(p place, v state.CounterValue) int {
	n := int(v.Count)
	if p.isLease() {
		n = int(v.Leased + v.Used)
	}
	if v.Granted > 0 && p.limit > 0 {
		return min(n-1, p.limit-1)
	}
	return n
}
