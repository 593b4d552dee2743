package session

import (
	"context"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"sync"
	"time"

	"gatehouse/auth/session/limits"
	"gatehouse/policy"
)

// table is who is in on this node. A session is counted from the moment that it
// is admitted, under the lock under which it is judged: of several logins at a
// limit exactly as many come in as there is room for.
type table struct {
	mu       sync.Mutex // guards what follows
	sessions map[string]*Session
	accounts map[string]map[*Session]bool // by id
	from     map[netip.Addr]int
	ending   map[string]*Session // out, and their end has no place in the log yet; the latest of each id
	leaving  int                 // sessions that are out and whose end is not in the log yet
	closed   bool                // nobody is admitted any more
	empty    chan struct{}       // closed when the last one is gone, once closed is set
}

func newTable() *table {
	return &table{
		sessions: make(map[string]*Session), accounts: make(map[string]map[*Session]bool),
		from: make(map[netip.Addr]int), ending: make(map[string]*Session), empty: make(chan struct{}),
	}
}

// enter admits a session where judge allows it with the present counts.
func (t *table) enter(s *Session, judge func(policy.Sessions) policy.Decision) (policy.Decision, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return policy.Decision{}, ErrShuttingDown
	}
	d := judge(t.counts(s.accountID, s.address))
	if d.Allowed {
		t.add(s)
	}
	return d, nil
}

// join returns the session of requests with this id, and holds it open for one
// more request; nil where there is none.
func (t *table) join(id string) (*Session, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrShuttingDown
	}
	s, ok := t.sessions[id]
	if !ok {
		return nil, nil
	}
	s.hold()
	return s, nil
}

// joinOrEnter is join or, where there is no such session, enter; mine tells that
// s itself came in.
func (t *table) joinOrEnter(s *Session, judge func(policy.Sessions) policy.Decision) (found *Session, d policy.Decision, mine bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, policy.Decision{}, false, ErrShuttingDown
	}
	if found, ok := t.sessions[s.id]; ok {
		found.hold()
		return found, policy.Decision{Allowed: true}, false, nil
	}
	if d = judge(t.counts(s.accountID, s.address)); d.Allowed {
		s.hold()
		t.add(s)
	}
	return s, d, true, nil
}

func (t *table) add(s *Session) {
	s.former = t.ending[s.id]
	t.sessions[s.id] = s
	if t.accounts[s.accountID] == nil {
		t.accounts[s.accountID] = make(map[*Session]bool)
	}
	t.accounts[s.accountID][s] = true
	t.from[s.address]++
}

// leave takes a session out and ends its context, so that who finds it no more
// knows it ended; false where it was out already. gone follows it.
func (t *table) leave(s *Session, cause error) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.take(s, cause)
}

// leaveUnused is leave for a session of requests that has had none for so long.
func (t *table) leaveUnused(s *Session, idle time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return s.isUnused(t.patience(idle)) && t.take(s, context.Canceled)
}

// release ends a request of a session.
func (t *table) release(s *Session, idle time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.letGo(t.patience(idle))
}

// patience is how long a session without requests stays: once nobody is
// admitted any more, not at all.
func (t *table) patience(idle time.Duration) time.Duration {
	if t.closed {
		return 0
	}
	return idle
}

func (t *table) take(s *Session, cause error) bool {
	if t.sessions[s.id] != s {
		return false
	}
	delete(t.sessions, s.id)
	if delete(t.accounts[s.accountID], s); len(t.accounts[s.accountID]) == 0 {
		delete(t.accounts, s.accountID)
	}
	if t.from[s.address]--; t.from[s.address] <= 0 {
		delete(t.from, s.address)
	}
	t.leaving++
	t.ending[s.id] = s
	s.cancel(cause)
	return true
}

// noted says that the end of a session that left has its place in the log.
func (t *table) noted(s *Session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ending[s.id] == s {
		delete(t.ending, s.id)
	}
	close(s.noted)
}

// gone says that the end of a session that left is in the log.
func (t *table) gone() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.leaving--
	t.signal()
}

func (t *table) signal() {
	if t.closed && len(t.sessions) == 0 && t.leaving == 0 {
		close(t.empty)
	}
}

func (t *table) counts(account string, from netip.Addr) policy.Sessions {
	return policy.Sessions{Account: len(t.accounts[account]), Address: t.from[from], All: len(t.sessions)}
}

// count returns what is open now.
func (t *table) count(account string, from netip.Addr) policy.Sessions {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.counts(account, from)
}

// close admits nobody any more. The channel ends when the last session is gone.
func (t *table) close() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.closed = true
		t.signal()
	}
	return t.empty
}

func (t *table) isClosed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.closed
}

func (t *table) get(id string) (*Session, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, ok := t.sessions[id]
	return s, ok
}

// of returns the sessions of an account.
func (t *table) of(account string) []*Session {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Collect(maps.Keys(t.accounts[account]))
}

// all returns every session, the oldest first.
func (t *table) all() []*Session {
	t.mu.Lock()
	list := slices.Collect(maps.Values(t.sessions))
	t.mu.Unlock()
	slices.SortFunc(list, func(a, b *Session) int { return a.since.Compare(b.since) })
	return list
}

// holders are the open sessions as limits see them, with what holds for them now.
func (t *table) holders() iter.Seq2[*limits.Holder, policy.Effective] {
	return func(yield func(*limits.Holder, policy.Effective) bool) {
		for _, s := range t.all() {
			if !yield(s.holder, s.standing.Load().effective) {
				return
			}
		}
	}
}

// Describe describes an open session; false where there is none with this id.
func (t *table) Describe(id string) (Description, bool) {
	s, ok := t.get(id)
	if !ok {
		return Description{}, false
	}
	return s.describe(), true
}

// Active is when each open session was last active, by id.
func (t *table) Active() map[string]time.Time {
	found := make(map[string]time.Time)
	for _, s := range t.all() {
		found[s.id] = s.lastActive()
	}
	return found
}
