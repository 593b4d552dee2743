package traffic

import (
	"context"
	"fmt"
	"time"

	"gatehouse/storage/state"
)

// A Use is what an account has moved in the present periods; nil where they are
// not bounded.
type Use struct{ Day, Month *Period }

// A Period is a day or a month. What nodes lease and have not used yet counts as
// used on other nodes.
type Period struct {
	Limit, Used int64
	Until       time.Time // when it begins anew
}

// Use returns what an account with these limits has moved.
func (t *Traffic) Use(ctx context.Context, id string, l Limits) (u Use, err error) {
	if u.Day, err = t.period(ctx, id, day, l.Day, l.Zone); err != nil {
		return Use{}, err
	}
	u.Month, err = t.period(ctx, id, month, l.Month, l.Zone)
	return u, err
}

// Short returns the *SpentError that whoever began to move so many bytes now would
// hear; nil where there are as many left.
func (u Use) Short(bytes int64) error {
	for _, one := range []struct {
		*Period
		kind
	}{{u.Day, day}, {u.Month, month}} {
		if one.Period != nil && bytes > one.Limit-one.Used {
			return &SpentError{Period: one.name, Limit: one.Limit, Until: one.Until}
		}
	}
	return nil
}

func (t *Traffic) period(ctx context.Context, id string, k kind, limit int64, zone *time.Location) (*Period, error) {
	if limit == 0 {
		return nil, nil
	}
	if zone == nil {
		zone = time.UTC
	}
	used, until, err := t.of(id, k).look(ctx, zone)
	if err != nil {
		return nil, fmt.Errorf("look what is left of the %s: %w", k.name, err)
	}
	return &Period{Limit: limit, Used: used, Until: until}, nil
}

// of returns an account's allowance, which may be in use here.
func (t *Traffic) of(id string, k kind) *allowance {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch a := t.accounts[id]; {
	case a == nil:
		return t.allowance(id, k)
	case k == day:
		return a.day
	default:
		return a.month
	}
}

// look tells what is used of the present period, and changes nothing.
func (a *allowance) look(ctx context.Context, zone *time.Location) (used int64, until time.Time, err error) {
	if err := a.lock(ctx); err != nil {
		return 0, time.Time{}, err
	}
	defer a.unlock()
	last, _, err := a.periods(ctx)
	if err != nil {
		return 0, time.Time{}, err
	}
	present := a.kind.at(time.Now().In(zone), last)
	_, until = a.kind.bounds(present, zone)
	v, err := a.store.Count(ctx, a.scope, state.Lease{Name: present, Holder: a.holder})
	if err != nil {
		return 0, time.Time{}, err
	}
	return max(v.Used+v.Leased-a.free(present), 0), until, nil
}

// free is what of a period is booked or leased and not taken. a.op is held.
func (a *allowance) free(period string) int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if period != a.period {
		return 0
	}
	return a.avail + max(-a.moved, 0)
}
