package session

import (
	"context"
	"errors"
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

// ask asks for a place in each limit that there is, all at once, and returns what
// was open without this session. Who has no limit asks the store nothing.
func (s *shared) ask(ctx context.Context, who *Session, e policy.Effective) (policy.Sessions, error) {
	list := s.placesOf(e, who.accountID, who.address)
	returns := s.places.returns() // what comes back later is another's
	got, err := s.askTogether(ctx, who, list)
	if err == nil && got.refused && len(returns) > 0 {
		awaitReturns(ctx, returns)
		got, err = s.askInOrder(ctx, who, list)
	}
	for _, d := range askAgain {
		if err != nil || !got.refused || !got.some {
			break
		}
		if err = wait(ctx, d); err == nil {
			got, err = s.askInOrder(ctx, who, list)
		}
	}
	return got.counts(), err
}

// askTogether asks for all places in one round.
func (s *shared) askTogether(ctx context.Context, who *Session, list [allPlaces]place) (answer, error) {
	var values [allPlaces]state.CounterValue
	var all errgroup.Group
	for i, p := range list {
		if p.counts {
			all.Go(func() (err error) {
				values[i], err = s.take(ctx, who, p)
				who.unsure(p, err)
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
	s.settle(ctx, who, list, values, got.refused || err != nil)
	return got, err
}

// askInOrder asks for one place after the other, and for none once one is refused:
// those who ask so do not hold each other up.
func (s *shared) askInOrder(ctx context.Context, who *Session, list [allPlaces]place) (got answer, err error) {
	var values [allPlaces]state.CounterValue
	for i, p := range list {
		if !p.counts {
			continue
		}
		if values[i], err = s.take(ctx, who, p); err != nil {
			who.unsure(p, err)
			break
		}
		if got.note(i, p, values[i]); got.refused {
			break
		}
	}
	s.settle(ctx, who, list, values, got.refused || err != nil)
	return got, err
}

// unsure notes a place that may have been given, though nobody said so, as to who has
// gone away meanwhile: it is given back. One that other nodes may have as well runs
// out, and leased ones are leased anew.
func (s *Session) unsure(p place, err error) {
	if errors.Is(err, state.ErrUnknown) && !p.isLease() && !s.staysElsewhere() {
		s.count(func(counted map[string]bool) { counted[p.name] = true })
	}
}

// settle notes which places a session has been given or, where it was refused one,
// gives back those that it had not had before.
func (s *shared) settle(ctx context.Context, who *Session, list [allPlaces]place, values [allPlaces]state.CounterValue, refused bool) {
	who.count(func(counted map[string]bool) {
		for i, p := range list {
			if values[i].Granted == 1 || values[i].Granted > 0 && !refused {
				counted[p.name] = true
			}
		}
	})
	if refused {
		s.giveBack(ctx, who)
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
