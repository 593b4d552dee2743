// Package presence is what nodes tell each other of their open sessions: some 100 ms
// behind, and in no login's way. What a node left that died is taken away when it is
// buried, and not believed until then.
package presence

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/nodes"
	"gatehouse/storage/state"
)

// Scope has a Description of each open session by NODE/EPOCH/ID. When a session was last
// active is told every Refresh.
const (
	Scope         = "sessions"
	Refresh       = 30 * time.Second
	publishAfter  = 100 * time.Millisecond
	publishAgain  = time.Second
	publishAtOnce = 200
	// patience is how long it is tried to tell that all sessions are gone.
	patience = 5 * time.Second
	// How long, and how often, it is looked whether a session has ended elsewhere.
	gonePatience = 2 * time.Second
	lookEvery    = 20 * time.Millisecond
)

// Errors of what other nodes have to do with.
var (
	// ErrUntold says that the other nodes could not be told that the sessions of this
	// one have ended: they have to bury it.
	ErrUntold = errors.New("the other nodes were not told that the sessions have ended")
	// ErrNotGone says that a session is on a node which has not ended it in time. It does
	// when it is back, or its sessions end with it.
	ErrNotGone = errors.New("the session's node does not answer: the session ends once it does")
)

// Description is what administrators see of a session.
type Description struct {
	ID         string           `json:"id"`
	Account    string           `json:"account"`
	AccountID  string           `json:"account_id"`
	Door       policy.Door      `json:"door"`
	Transport  policy.Transport `json:"transport"`
	Address    netip.Addr       `json:"address"`
	Credential string           `json:"credential"`
	Client     string           `json:"client,omitempty"`
	Since      time.Time        `json:"since"`
	LastActive time.Time        `json:"last_active"`
	// Nodes are those that have the session; none where the gateway is alone.
	Nodes []string `json:"nodes,omitempty"`
}

// join is a session that two nodes have.
func (d Description) join(other Description) Description {
	if other.Since.Before(d.Since) {
		d.Since = other.Since
	}
	if other.LastActive.After(d.LastActive) {
		d.LastActive = other.LastActive
	}
	d.Nodes = append(slices.Clone(d.Nodes), other.Nodes...)
	slices.Sort(d.Nodes)
	d.Nodes = slices.Compact(d.Nodes)
	return d
}

// Sessions are the open sessions of this node.
type Sessions interface {
	// Describe describes one; false where it is not open.
	Describe(id string) (Description, bool)
	// Active is when each was last active, by id.
	Active() map[string]time.Time
}

// Config is what a Board is made of.
type Config struct {
	Nodes    *nodes.Nodes
	State    state.Store
	Log      *slog.Logger
	Sessions Sessions
}

// A Board tells of this node's sessions, and has those of others. The nil one is of a
// gateway alone, which tells nobody. Safe for concurrent use.
type Board struct {
	nodes    *nodes.Nodes
	state    state.Store
	log      *slog.Logger
	sessions Sessions
	woken    chan struct{}
	// published is when each session was last active, as it was told. It is the one
	// publisher's.
	published map[string]time.Time
	failed    error // of the last time

	mu    sync.Mutex // guards dirty
	dirty map[string]bool
}

// New makes a board.
func New(c Config) *Board {
	return &Board{
		nodes: c.Nodes, state: c.State, log: c.Log, sessions: c.Sessions, woken: make(chan struct{}, 1),
		published: make(map[string]time.Time), dirty: make(map[string]bool),
	}
}

// every calls do now and then, and when it is woken, until ctx ends.
func every(ctx context.Context, d time.Duration, woken <-chan struct{}, do func()) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-woken:
		case <-tick.C:
		}
		do()
	}
}
