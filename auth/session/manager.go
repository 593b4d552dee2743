package session

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/session/limits"
	"gatehouse/auth/session/presence"
	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
	"gatehouse/storage/nodes"
	"gatehouse/storage/state"
	"gatehouse/storage/traffic"
)

// patience is how long the end of a session waits for the log.
const patience = 5 * time.Second

// ErrShuttingDown is what an attempt hears while the gateway stops.
var ErrShuttingDown = errors.New("the gateway is shutting down")

// ErrUnrecorded is what an attempt hears that cannot be put into the log, where
// the site lets nobody in without (audit.on_failure).
var ErrUnrecorded = errors.New("the audit log takes no events now")

// Config is what a Manager is made of.
type Config struct {
	Accounts *accounts.Store
	Auth     *auth.Authenticator
	Tree     *guard.Tree
	Traffic  *traffic.Traffic // nil: nothing bounds what is moved
	Events   *events.Log
	State    state.Store
	Log      *slog.Logger
	Node     string
	// Nodes are the gateways that share State; nil: this one is alone. What of
	// them is told by a manager is begun by New, before Nodes.Start.
	Nodes *nodes.Nodes
	// AwayReads admits to the file doors, while Nodes are cut off from the store,
	// whoever the last known accounts let in without asking it anything. They only
	// read until it is back.
	AwayReads bool
	// Key makes the ids of sessions of requests, the same on every node. Empty
	// takes a random one.
	Key []byte
	// Idle ends a door's sessions of requests after their last one; default 5 minutes.
	Idle time.Duration
}

// A Manager admits and keeps sessions. Safe for concurrent use.
type Manager struct {
	accounts *accounts.Store
	auth     *auth.Authenticator
	tree     *guard.Tree
	traffic  *traffic.Traffic
	events   *events.Log
	state    state.Store
	log      *slog.Logger
	node     string
	macs     sync.Pool // of HMACs under the key of session ids
	idle     time.Duration

	table    *table
	refused  *refusals
	ended    endings
	nodes    *nodes.Nodes    // what follows is for several nodes; nil: alone
	presence *presence.Board // what they know of each other's sessions
	limits   *limits.Counter // how many are open on all
	away     away
	ctx      context.Context // ends with New's, or with Shutdown
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// New makes a manager that follows the accounts' changes until Shutdown, or
// until ctx ends, which also cuts every session: let it outlive Shutdown.
func New(ctx context.Context, c Config) *Manager {
	if c.Idle <= 0 {
		c.Idle = 5 * time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if len(c.Key) == 0 {
		c.Key = []byte(rand.Text())
	}
	ctx, stop := context.WithCancel(ctx)
	m := &Manager{
		accounts: c.Accounts, auth: c.Auth, tree: c.Tree, traffic: c.Traffic, events: c.Events, state: c.State,
		log: c.Log, node: c.Node, idle: c.Idle, macs: sync.Pool{New: func() any { return hmac.New(sha256.New, c.Key) }},
		table: newTable(), refused: newRefusals(), ctx: ctx, stop: stop,
	}
	m.join(c)
	changes := m.accounts.Changes(ctx)
	m.running.Go(func() { m.follow(changes) })
	return m
}

// List describes the open sessions, the oldest first.
func (m *Manager) List() []Description {
	all := m.table.all()
	list := make([]Description, len(all))
	for i, s := range all {
		list[i] = s.describe()
	}
	return list
}

// End ends a session; false where there is none with this id.
func (m *Manager) End(id, why string) bool {
	s, ok := m.table.get(id)
	if !ok {
		return false
	}
	m.ended.note(endSession+id, ending{Why: why, At: time.Now()})
	return m.end(s, policy.Decision{Rule: policy.RuleEnded, Because: why})
}

// Shutdown admits nobody any more; sessions end when they close or ctx ends.
// Those that were cut for it are an error.
func (m *Manager) Shutdown(ctx context.Context) error {
	empty := m.table.close()
	for _, s := range m.table.all() {
		m.drain(s)
	}
	var cut int
	select {
	case <-empty:
	case <-ctx.Done():
		cut = m.cutAll(empty)
	}
	m.stop()
	m.running.Wait()
	if cut > 0 {
		return errors.Join(fmt.Errorf("%d sessions were cut: %w", cut, context.Cause(ctx)), m.presence.Untold())
	}
	return m.presence.Untold()
}

// drain ends a session that has nothing to finish: without a request, or at a
// door where every request stands for itself.
func (m *Manager) drain(s *Session) {
	if !s.door.IsFile() {
		m.end(s, policy.Decision{})
		return
	}
	m.endUnused(s)
}

// cutAll cuts every session, and waits a moment for their ends to be in the log.
func (m *Manager) cutAll(empty <-chan struct{}) int {
	cut := 0
	for _, s := range m.table.all() {
		if m.end(s, policy.Decision{Rule: policy.RuleShutdown, Because: "the gateway stops"}) {
			cut++
		}
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-empty:
	case <-late.C:
	}
	return cut
}

// end ends a session; the zero decision is the client's own wish. It never
// blocks on the network, the disk or the store. False where it had ended.
func (m *Manager) end(s *Session, d policy.Decision) bool {
	if !m.table.leave(s, causeOf(d)) {
		return false
	}
	m.left(s, d)
	return true
}

// causeOf is why a session's context ends.
func causeOf(d policy.Decision) error {
	if d.Rule == "" {
		return context.Canceled
	}
	return &CutError{Decision: d}
}

// endUnused ends a session of requests that has had none for long enough.
func (m *Manager) endUnused(s *Session) {
	if m.table.leaveUnused(s, m.idle) {
		m.left(s, policy.Decision{})
	}
}

// left does what follows a session's leaving the table.
func (m *Manager) left(s *Session, d policy.Decision) {
	s.silence()
	e := events.Event{Time: time.Now(), Kind: events.Logout, Outcome: events.OK}
	if d.Rule != "" {
		e.Kind, e.Outcome, e.Rule, e.Reason = events.Cut, events.WasCut, string(d.Rule), d.Because
	}
	s.fs.Close(causeOf(d))
	e.Took = time.Since(s.since)
	s.log.Info("session closed", "rule", e.Rule)
	m.presence.Changed(s.id)
	// The log waits for the store; who ends a session does not.
	go m.note(s, s.sign(e), m.limits.Leaving(s.holder))
}

// note puts the end of a session into the log, behind its login, and gives back the
// places that it was counted for.
func (m *Manager) note(s *Session, e events.Event, returned func()) {
	defer m.table.gone()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(m.ctx), patience)
	defer cancel()
	select {
	case <-s.admitted:
	case <-ctx.Done():
	}
	put := m.events.Put
	if e.Kind == events.Logout && !m.table.isClosed() {
		put = m.events.PutSoon // nobody was made to go: the next login's commit has room for it
	}
	end := put(e)
	m.table.noted(s)
	if s.holder.IsShared() {
		m.limits.Forget(s.holder)
	} else {
		m.limits.GiveBack(ctx, s.holder)
	}
	returned()
	if err := end.Durable(ctx); err != nil {
		s.log.Error("the end of a session was not recorded", "error", err)
	}
}

// silence stops the session's timers.
func (s *Session) silence() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = true
	for _, t := range []*time.Timer{s.moment, s.idle} {
		if t != nil {
			t.Stop()
		}
	}
}

// requestID is the id of a session of requests: the same for the same account,
// credential, address and transport, on every node and after a restart.
func (m *Manager) requestID(parts ...string) string {
	mac := m.macs.Get().(hash.Hash)
	defer m.macs.Put(mac)
	mac.Reset()
	b := make([]byte, 0, 256)
	for _, p := range parts {
		b = strconv.AppendInt(b, int64(len(p)), 10)
		b = append(append(b, ':'), p...)
	}
	mac.Write(b)
	return shortID(mac.Sum(b[:0]))
}

// shortID writes 80 bits in letters and digits that nobody takes for one another.
func shortID(b []byte) string {
	const letters = "0123456789abcdefghjkmnpqrstvwxyz"
	var id [16]byte
	bits, have := uint(0), 0
	for n := range id {
		if have < 5 {
			bits, have, b = bits<<8|uint(b[0]), have+8, b[1:]
		}
		have -= 5
		id[n] = letters[bits>>have&31]
	}
	return string(id[:])
}

func newSessionID() string {
	b := make([]byte, 10)
	rand.Read(b) // never fails
	return shortID(b)
}
