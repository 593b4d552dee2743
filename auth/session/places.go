package session

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/state"
)

// Sessions are counted in the state where a limit asks for it: each limit is a set
// of session ids, so that a session of requests that several nodes have counts
// once. A member that nobody renews runs out.
const (
	placeScope = "sessions:limits"
	placeLife  = time.Minute
	renewal    = placeLife / 3
	renewers   = 8
	// returnWait is how long an attempt at a limit waits for places that sessions
	// which have ended here are about to give back.
	returnWait = time.Second
)

// sitePlaces is the counter of a site that admits more than a set can hold. It is
// a lease of each node: sessions of requests count on every node that has them.
const sitePlaces = "leased/site"

// The limits there can be, as they stand in a list of places.
const (
	accountPlace = iota
	addressPlace
	sitePlace
	allPlaces
)

// A place is a limit that a session counts for. Of an address all sessions count as
// soon as anybody's limits bound them, also those that no limit holds for: 0.
type place struct {
	name   string
	limit  int
	counts bool
}

func (p place) isLease() bool { return p.name == sitePlaces }

// placesOf are the limits that a session counts for.
func (s *shared) placesOf(e policy.Effective, account string, address netip.Addr) [allPlaces]place {
	limits, most := e.Limits(), e.Site().MaxSessions
	list := [allPlaces]place{
		accountPlace: {"account/" + account, limits.Sessions, limits.Sessions > 0},
		addressPlace: {"address/" + address.String(), limits.AddressSession, s.accounts.LimitsAddresses()},
		sitePlace:    {"site", most, most > 0},
	}
	if list[sitePlace].limit > state.MaxMembers {
		list[sitePlace].name = sitePlaces
	}
	return list
}

// places is what this node has asked for.
type places struct {
	missing chan struct{}
	// leasing is held by who leases anew what this node needs, and shared by who asks
	// for a leased place or gives it back.
	leasing sync.RWMutex

	mu        sync.Mutex // guards what follows
	returning map[*Session]chan struct{}
	leased    map[*Session]bool // who may have a leased place, in the table or not
}

func (p *places) begin() {
	p.missing = make(chan struct{}, 1)
	p.returning, p.leased = make(map[*Session]chan struct{}), make(map[*Session]bool)
}

// seat returns how an attempt is judged that becomes a session: by what is open on
// this node where it is alone, else by the places that it is given among all. Where
// it is not admitted, they are given back.
func (m *Manager) seat(ctx context.Context, s *Session, a auth.Attempt, p auth.Proof) (func(policy.Sessions) policy.Decision, error) {
	judge := judged(p)
	if m.shared == nil {
		return judge, nil
	}
	if err := m.shared.held(); err != nil {
		return m.seatReader(s, a, p, err)
	}
	if d := judge(policy.Sessions{Account: -1, Address: -1, All: -1}); !d.Allowed {
		return func(policy.Sessions) policy.Decision { return d }, nil
	}
	counts, err := m.shared.ask(ctx, s, p.Effective)
	if err != nil {
		return nil, fmt.Errorf("count the open sessions: %w", err)
	}
	return func(policy.Sessions) policy.Decision { return judge(counts) }, nil
}

// count looks how many are open on all nodes, where there is a limit.
func (s *shared) count(ctx context.Context, counts policy.Sessions, list [allPlaces]place) (policy.Sessions, error) {
	for i, n := range []*int{accountPlace: &counts.Account, addressPlace: &counts.Address, sitePlace: &counts.All} {
		if !list[i].counts {
			continue
		}
		var look state.CounterOp = state.Distinct{Name: list[i].name}
		if list[i].isLease() {
			look = state.Lease{Name: list[i].name}
		}
		v, err := s.op(ctx, look)
		if err != nil {
			return counts, fmt.Errorf("count the open sessions: %w", err)
		}
		*n = int(v.Count + v.Leased)
	}
	return counts, nil
}

// take asks for one place.
func (s *shared) take(ctx context.Context, who *Session, p place) (state.CounterValue, error) {
	if !p.isLease() {
		return s.op(ctx, state.Distinct{ID: state.NewOperationID(), Name: p.name, Add: who.id, TTL: placeLife, Max: p.limit})
	}
	s.places.leasing.RLock()
	defer s.places.leasing.RUnlock()
	limit := int64(p.limit)
	v, err := s.op(ctx, state.Lease{
		ID: state.NewOperationID(), Name: p.name, Holder: s.nodes.Holder(), Min: 1, Want: 1, SetLimit: &limit,
	})
	if v.Granted > 0 {
		s.places.lease(who)
	}
	return v, err
}

// op makes an operation, and again where its outcome is not known.
func (s *shared) op(ctx context.Context, op state.CounterOp) (state.CounterValue, error) {
	for try := 0; ; try++ {
		v, err := s.state.Count(ctx, placeScope, op)
		if !errors.Is(err, state.ErrUnknown) || try == 3 || ctx.Err() != nil {
			return v, err
		}
	}
}

// lease notes that a session has a leased place, before it is in the table and until
// that is given back.
func (p *places) lease(who *Session) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leased[who] = true
}

// forget has a session's leased place go with the next that are leased anew, where it
// is in the table no more.
func (s *shared) forget(who *Session) {
	if s == nil {
		return
	}
	s.places.mu.Lock()
	defer s.places.mu.Unlock()
	delete(s.places.leased, who)
}

// leases are how many leased places these open sessions need, and those that have one
// and are about to come in, or to give it back.
func (p *places) leases(open []*Session) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.leased)
	for _, who := range open {
		if !p.leased[who] {
			n++
		}
	}
	return int64(n)
}

// count works on the names of the limits that a session is counted for.
func (s *Session) count(do func(counted map[string]bool)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.counted == nil {
		s.counted = make(map[string]bool)
	}
	do(s.counted)
}

// giveBack gives a session's places back, whether ctx has ended or not. What the
// store does not take runs out.
func (s *shared) giveBack(ctx context.Context, who *Session) {
	if s == nil {
		return
	}
	defer s.forget(who)
	var names []string
	who.count(func(counted map[string]bool) {
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
			if name == sitePlaces {
				return s.release(ctx, who)
			}
			_, err := s.op(ctx, state.Distinct{ID: state.NewOperationID(), Name: name, Remove: who.id})
			return err
		})
	}
	if err := all.Wait(); err != nil {
		s.log.Warn("the place of a session that has ended could not be given back yet", "session", who.id, "error", err)
	}
}

// release gives a session's leased place back.
func (s *shared) release(ctx context.Context, who *Session) error {
	s.places.leasing.RLock()
	defer s.places.leasing.RUnlock()
	defer s.forget(who)
	_, err := s.op(ctx, state.Lease{ID: state.NewOperationID(), Name: sitePlaces, Holder: s.nodes.Holder(), Release: 1})
	return err
}

// giveBackAll gives back what a node had that died. Its sets run out.
func (s *shared) giveBackAll(ctx context.Context, holder string) error {
	_, err := s.op(ctx, state.Lease{ID: state.NewOperationID(), Name: sitePlaces, Holder: holder, ReleaseAll: true})
	if err != nil {
		return fmt.Errorf("give back the places of the sessions of %s: %w", holder, err)
	}
	return nil
}

// leaving notes that a session's places are about to be given back; done says that
// they are.
func (s *shared) leaving(who *Session) (done func()) {
	if s == nil {
		return func() {}
	}
	back := make(chan struct{})
	s.places.mu.Lock()
	defer s.places.mu.Unlock()
	s.places.returning[who] = back
	return func() {
		s.places.mu.Lock()
		defer s.places.mu.Unlock()
		delete(s.places.returning, who)
		close(back)
	}
}

// returns are the places that ended sessions of this node are giving back.
func (p *places) returns() []chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Collect(maps.Values(p.returning))
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
