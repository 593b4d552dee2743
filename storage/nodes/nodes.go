// Package nodes knows which gateways run on one store and which of them have
// died. A run holds what it was given (leases, places) for as long as it tells the
// store in time that it is there; once it does not, another declares it dead, for
// good, and what it left is buried once.
package nodes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// DefaultLease is how long a run holds what it has without being heard of.
const DefaultLease = 15 * time.Second

// beats is how many times a run tells that it is there within its lease; the last
// of these parts is the margin by which it stops before its lease ends.
const beats = 5

// ErrTaken says that a gateway elsewhere is alive under the same name, as where a
// data folder was copied.
var ErrTaken = errors.New("nodes: another gateway has this node's name")

// ErrNotHeld refuses a change while it is not sure that the run still holds what
// it was given. It is a state.ErrAway: temporary.
var ErrNotHeld = fmt.Errorf("%w: this node has not been heard of there in time, and changes nothing until it is", state.ErrAway)

// Config says who runs, and where. A holder is Node/Epoch.
type Config struct {
	State state.Store
	Node  string // the same after a restart; text without a slash
	Epoch string // names this run, and was never used
	// Former is the epoch that this same process ran in before, or empty. It is
	// buried in any case, and nobody else's run is taken over.
	Former string
	// Place is where the node's name belongs: the machine and its data folder. Who
	// joins at the place of another run takes over from it at once. The caller
	// makes sure that the process which ran there is gone: a lock on the folder.
	Place            string
	Version, Address string        // for people
	Lease            time.Duration // default DefaultLease, the same on all nodes
	Log              *slog.Logger
}

// Nodes is one run among those on its store. Safe for concurrent use. The nil
// Nodes is a gateway alone: it always holds what it has.
type Nodes struct {
	state state.Store
	self  run
	own   string // holder
	lease time.Duration
	log   *slog.Logger
	now   func() instant

	revision uint64                  // of the own run's record, which is never written again while it lives
	last     atomic.Pointer[instant] // when the latest good beat began; nil once lapsed
	lapsed   chan struct{}
	kick     chan struct{} // asks for a look before its time
	stop     context.CancelFunc
	running  sync.WaitGroup

	mu     sync.Mutex // guards what follows
	known  map[string]member
	absent map[string]instant // since when a run has not been heard of
	good   *instant           // since when every beat and look has been
	latest instant            // the latest good look
	asked  map[string]bool    // holders that nobody knows, to be looked for
	gone   map[string]bool    // holders that have surely ended
	works  map[string]bool    // what this process does exclusively
	graves graves
}

// Open joins the gateways on a store: ErrTaken where one elsewhere is alive under
// the same name. It tells the store that this run is there until Close, Abandon or
// the end of ctx. A name that was last used elsewhere is waited for.
func Open(ctx context.Context, c Config) (*Nodes, error) {
	return open(ctx, c, clock())
}

func open(ctx context.Context, c Config, now func() instant) (*Nodes, error) {
	if c.Node == "" || c.Epoch == "" || strings.ContainsAny(c.Node+c.Epoch, "/\x00") || !utf8.ValidString(c.Node+c.Epoch) {
		return nil, fmt.Errorf("nodes: %q in its run %q cannot be a node's name", c.Node, c.Epoch)
	}
	if c.Lease <= 0 {
		c.Lease = DefaultLease
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	n := &Nodes{
		state: c.State, own: c.Node + "/" + c.Epoch, lease: c.Lease, log: c.Log, now: now,
		self:   run{Place: c.Place, Version: c.Version, Address: c.Address, Since: time.Now().UTC(), Lease: c.Lease},
		lapsed: make(chan struct{}), kick: make(chan struct{}, 1),
		known: make(map[string]member), absent: make(map[string]instant),
		asked: make(map[string]bool), gone: make(map[string]bool), works: make(map[string]bool), graves: newGraves(),
	}
	if err := n.join(ctx, c); err != nil {
		return nil, fmt.Errorf("join the gateways on the store: %w", err)
	}
	if err := n.look(ctx); err != nil {
		end, cancel := n.late(ctx)
		defer cancel()
		return nil, errors.Join(fmt.Errorf("look for the other gateways: %w", err), n.leave(end))
	}
	ctx, n.stop = context.WithCancel(ctx)
	n.running.Go(func() { n.run(ctx) })
	return n, nil
}

// Holder is the name under which this run holds things: NODE/EPOCH; empty alone.
func (n *Nodes) Holder() string {
	if n == nil {
		return ""
	}
	return n.own
}

// Number is that of this run: greater than those of all that had this node's name
// before. 0 for a gateway alone.
func (n *Nodes) Number() uint64 {
	if n == nil {
		return 0
	}
	return n.revision
}

// Close leaves: of this run nothing is left to be buried. What it holds must have
// been given back before; else Abandon it.
func (n *Nodes) Close(ctx context.Context) error {
	n.end()
	if err := n.leave(ctx); err != nil {
		return fmt.Errorf("leave the gateways on the store: %w", err)
	}
	return nil
}

// Abandon ends this run and has the others bury it at once, as if it had died.
func (n *Nodes) Abandon(ctx context.Context) error {
	n.end()
	dead := n.self
	dead.Dead, dead.By = time.Now().UTC(), n.own
	p, err := typed.Put(runPrefix+n.own, dead)
	if err != nil {
		return err
	}
	_, err = typed.Settle(ctx, n.state, state.Batch{
		Scope: scope, Checks: []state.Check{{Name: runPrefix + n.own, Revision: n.revision}},
		Puts: []state.Put{p}, Deletes: []string{beatPrefix + n.own},
	})
	if err != nil && !errors.Is(err, state.ErrConflict) {
		return fmt.Errorf("have this node buried: %w", err)
	}
	return nil
}

// end stops what runs in the background. From here on nothing is held.
func (n *Nodes) end() {
	n.stop()
	n.running.Wait()
	n.last.Store(nil)
}

// late is a moment to put things in order in, whether ctx has ended or not.
func (n *Nodes) late(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), n.lease/2)
}

// leave takes the own run away; one that was declared dead is others' to bury.
func (n *Nodes) leave(ctx context.Context) error {
	_, err := typed.Settle(ctx, n.state, state.Batch{
		Scope: scope, Checks: []state.Check{{Name: runPrefix + n.own, Revision: n.revision}},
		Deletes: []string{runPrefix + n.own, beatPrefix + n.own, namePrefix + nodeOf(n.own)},
	})
	if errors.Is(err, state.ErrConflict) {
		return nil
	}
	return err
}
