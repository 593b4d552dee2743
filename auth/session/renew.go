package session

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/storage/state"
)

// renewAgain is the pause after the sessions could not be counted.
const renewAgain = time.Second

// renewPlaces keeps the open sessions counted until ctx ends, also for limits that
// came after their logins. Who is in stays in, whatever the limit. Where the store
// was away they are counted as soon as it is back.
func (s *shared) renewPlaces(ctx context.Context) {
	failed := false
	next := time.NewTimer(renewal)
	defer next.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return
		case <-next.C:
			if err = s.renewAll(ctx); err == nil {
				next.Reset(renewal)
			}
		case <-s.places.missing:
			err = s.renewThose(ctx, (*Session).isUncounted)
		}
		if err != nil {
			next.Reset(renewAgain)
		}
		if err != nil && !failed && ctx.Err() == nil {
			s.log.Warn("the open sessions could not be counted", "error", err)
		}
		failed = err != nil
	}
}

// renewAll has every session counted for a placeLife from now.
func (s *shared) renewAll(ctx context.Context) error {
	return s.renewThose(ctx, func(*Session, place) bool { return true })
}

// isUncounted reports whether a session has not been counted for a limit yet.
func (s *Session) isUncounted(p place) (yes bool) {
	s.count(func(counted map[string]bool) { yes = !counted[p.name] })
	return yes
}

// renewThose has the sessions counted whose places it is told. It is nothing for who
// may have been declared dead: what it was given is given to others by then.
func (s *shared) renewThose(ctx context.Context, which func(*Session, place) bool) error {
	if err := s.nodes.Fence(); err != nil {
		return err
	}
	site, err := s.accounts.Site(ctx)
	if err != nil {
		return err
	}
	all, ctx := errgroup.WithContext(ctx) // one that fails is the store that does
	all.SetLimit(renewers)
	for _, who := range s.table.all() {
		if ctx.Err() != nil {
			break
		}
		for _, p := range s.placesOf(who.standing.Load().effective, who.accountID, who.address) {
			if p.counts && !p.isLease() && which(who, p) {
				all.Go(func() error { return s.renew(ctx, who, p) })
			}
		}
	}
	if site.MaxSessions > state.MaxMembers {
		all.Go(func() error { return s.leaseAnew(ctx, site.MaxSessions) })
	}
	return all.Wait()
}

// renew has a session counted for a placeLife from now.
func (s *shared) renew(ctx context.Context, who *Session, p place) error {
	who.count(func(counted map[string]bool) { counted[p.name] = true })
	_, err := s.op(ctx, state.Distinct{ID: state.NewOperationID(), Name: p.name, Add: who.id, TTL: placeLife})
	if who.ctx.Err() != nil && !who.staysElsewhere() && (err == nil || ctx.Err() == nil) {
		s.giveBack(ctx, who) // it ended meanwhile
	}
	return err
}

// leaseAnew has as many places of the site leased as this node needs, and takes those
// away that a call of a dead node took after it was buried.
func (s *shared) leaseAnew(ctx context.Context, limit int) error {
	v, err := s.leaseNeeded(ctx, int64(limit))
	if err != nil {
		return err
	}
	var errs []error
	for holder := range v.Holders {
		if !s.nodes.Living(holder) {
			errs = append(errs, s.giveBackAll(ctx, holder))
		}
	}
	return errors.Join(errs...)
}

func (s *shared) leaseNeeded(ctx context.Context, limit int64) (state.CounterValue, error) {
	s.places.leasing.Lock()
	defer s.places.leasing.Unlock()
	open := s.table.all()
	for _, who := range open {
		who.count(func(counted map[string]bool) { counted[sitePlaces] = true })
	}
	return s.op(ctx, state.Lease{
		ID: state.NewOperationID(), Name: sitePlaces, Holder: s.nodes.Holder(), ReleaseAll: true, Want: s.places.leases(open), SetLimit: &limit,
	})
}

// recount has a session counted soon where a limit came to be that it is not
// counted for.
func (s *shared) recount(who *Session) {
	if s == nil {
		return
	}
	list := s.placesOf(who.standing.Load().effective, who.accountID, who.address)
	who.count(func(counted map[string]bool) {
		for _, p := range list {
			if p.counts && !counted[p.name] {
				wake(s.places.missing)
			}
		}
	})
}

// recountAddresses has all sessions counted soon where the limits of an address came
// to be, and returns whether there are any.
func (s *shared) recountAddresses(before bool) (now bool) {
	if s == nil {
		return false
	}
	if now = s.accounts.LimitsAddresses(); now && !before {
		wake(s.places.missing)
	}
	return now
}

// staysElsewhere reports whether other nodes may have the session as well, so that
// its places are theirs too, and run out once nobody renews them.
func (s *Session) staysElsewhere() bool { return s.byRequest || s.left.Load() }
