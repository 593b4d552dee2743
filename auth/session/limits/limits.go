// Package limits counts the open sessions of all nodes where a limit asks for it, in
// counters of the state: of several logins at a limit, on whichever nodes, exactly as
// many are given a place as there is room for. Who comes in is not decided here.
package limits

import (
	"context"
	"iter"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/nodes"
	"gatehouse/storage/state"
)

// Sessions are counted in the state where a limit asks for it: each limit is a set
// of session ids, so that a session of requests that several nodes have counts
// once. A member that nobody renews for a Life runs out.
const (
	Scope    = "sessions:limits"
	Life     = time.Minute
	Renewal  = Life / 3
	renewers = 8
	// returnWait is how long an attempt at a limit waits for places that sessions
	// which have ended here are about to give back.
	returnWait = time.Second
	// patience is how long a place is tried to be given back.
	patience = 5 * time.Second
)

// SitePlaces is the counter of a site that admits more than a set can hold. It is
// a lease of each node: sessions of requests count on every node that has them.
const SitePlaces = "leased/site"

// Accounts is the part of the accounts that tells of limits.
type Accounts interface {
	Site(ctx context.Context) (accounts.Site, error)
	// LimitsAddresses reports whether anybody's limits bound the sessions of an address.
	LimitsAddresses() bool
}

// Config is what a Counter is made of.
type Config struct {
	Nodes    *nodes.Nodes
	Accounts Accounts
	State    state.Store
	Log      *slog.Logger
	// Open are the open sessions of this node, with what holds for them now.
	Open func() iter.Seq2[*Holder, policy.Effective]
}

// A Counter counts the sessions of this node among those of all. The nil one is of a
// gateway alone, which asks nobody. Safe for concurrent use.
type Counter struct {
	nodes    *nodes.Nodes
	accounts Accounts
	state    state.Store
	log      *slog.Logger
	open     func() iter.Seq2[*Holder, policy.Effective]
	missing  chan struct{} // wakes who renews: somebody is not counted
	// leasing is held by who leases anew what this node needs, and shared by who asks
	// for a leased place or gives it back.
	leasing sync.RWMutex

	mu        sync.Mutex // guards what follows
	returning map[*Holder]chan struct{}
	leased    map[*Holder]bool // who may have a leased place, open or not
}

// New makes a counter.
func New(c Config) *Counter {
	return &Counter{
		nodes: c.Nodes, accounts: c.Accounts, state: c.State, log: c.Log, open: c.Open, missing: make(chan struct{}, 1),
		returning: make(map[*Holder]chan struct{}), leased: make(map[*Holder]bool),
	}
}

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

func (p place) isLease() bool { return p.name == SitePlaces }

// placesOf are the limits that a session counts for.
func (c *Counter) placesOf(e policy.Effective, account string, address netip.Addr) [allPlaces]place {
	limits, most := e.Limits(), e.Site().MaxSessions
	list := [allPlaces]place{
		accountPlace: {"account/" + account, limits.Sessions, limits.Sessions > 0},
		addressPlace: {"address/" + address.String(), limits.AddressSession, c.accounts.LimitsAddresses()},
		sitePlace:    {"site", most, most > 0},
	}
	if list[sitePlace].limit > state.MaxMembers {
		list[sitePlace].name = SitePlaces
	}
	return list
}

// Limited reports whether a limit holds for a session, so that it must be counted.
func (c *Counter) Limited(h *Holder, e policy.Effective) bool {
	for _, p := range c.placesOf(e, h.account, h.address) {
		if p.limit > 0 {
			return true
		}
	}
	return false
}

// wake asks who waits on a channel of one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
