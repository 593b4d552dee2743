package session

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// While the store is away it cannot be counted who fails: so many attempts of an
// address and on an account may come to nothing until it is back, and no more are
// looked at. widenEvery is how often it is looked whether it is.
const (
	awayFailures = 5
	maxAway      = 10_000
	widenEvery   = time.Second
)

// away is what a node keeps to itself that admits readers while the store is away.
type away struct {
	reads bool // whether it does

	mu     sync.Mutex // guards failed
	failed map[string]int
}

// keysOf are whose failures an attempt counts to.
func keysOf(a auth.Attempt) [2]string {
	return [2]string{"address " + origin(policy.PlainAddress(a.Address)).String(), "account " + a.Account}
}

// patient reports whether attempts such as this one are still looked at.
func (w *away) patient(a auth.Attempt) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, key := range keysOf(a) {
		if w.failed[key] >= awayFailures {
			return false
		}
	}
	return len(w.failed) < maxAway
}

func (w *away) fail(a auth.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failed == nil {
		w.failed = make(map[string]int)
	}
	for _, key := range keysOf(a) {
		w.failed[key]++
	}
}

func (w *away) back() {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.failed)
}

// mayProve refuses an attempt before anything is looked at where this node is cut
// off from the store, and admits no readers meanwhile.
func (m *Manager) mayProve(a auth.Attempt) error {
	err := m.nodes.Fence()
	if err == nil || m.away.reads && a.Door.IsFile() && m.away.patient(a) {
		return nil
	}
	return err
}

// prove is auth.Prove; what comes to nothing while the store is away is counted here.
func (m *Manager) prove(ctx context.Context, a auth.Attempt, how auth.How) (auth.Proof, error) {
	p, err := m.auth.Prove(ctx, a, how)
	if m.nodes.Fence() != nil && (err != nil || !p.Attempt.Credential.Proved) {
		m.away.fail(a)
	}
	return p, err
}

// seatReader is seat while the store is away: who is admitted reads, and nobody is
// that anything must be asked of the store for.
func (m *Manager) seatReader(s *Session, a auth.Attempt, p auth.Proof, why error) (func(policy.Sessions) policy.Decision, error) {
	if !m.away.reads || !s.door.IsFile() || !m.away.patient(a) || p.Account.HasCode() {
		return nil, why
	}
	if m.limits.Limited(s.holder, p.Effective) {
		return nil, fmt.Errorf("the open sessions cannot be counted: %w", why)
	}
	s.reader.Store(true)
	s.standing.Store(s.stand(p.Account, p.Effective, p.Attempt.Credential, OnlyNothing))
	s.fs.SetPolicy(s.Effective())
	return judged(p), nil
}

// stand is what of an account's state a session shows: within the scope of its
// credential, and only reading where it came in while the store was away.
func (s *Session) stand(a accounts.Account, e policy.Effective, c policy.Credential, only Only) *standing {
	e = e.Scoped(c.Scope)
	if s.reader.Load() {
		e = e.Scoped(policy.Scope{ReadOnly: true})
	}
	return &standing{role: a.Role, only: only, credential: c, effective: e}
}

// widen has those write as they may who came in while the store was away, once it is
// back.
func (m *Manager) widen(ctx context.Context) {
	if m.nodes.Fence() != nil {
		return
	}
	m.away.back()
	readers := slices.DeleteFunc(m.table.all(), func(s *Session) bool { return !s.reader.Load() })
	if len(readers) == 0 {
		return
	}
	// What was changed meanwhile may say that they do not write.
	if _, err := m.accounts.Current(ctx); err != nil {
		return
	}
	for _, s := range readers {
		if s.reader.CompareAndSwap(true, false) {
			m.judge(s)
		}
	}
}

// recordReader puts the login of a reader into the log: durably on this machine, where
// the site insists on it, else as soon as that can be. It waits for no store that is away.
func (m *Manager) recordReader(ctx context.Context, site policy.Site, e events.Event) error {
	if site.Audit.OnFailure != policy.AuditContinue {
		return m.record(ctx, site, e)
	}
	m.events.Note(e)
	return nil
}
