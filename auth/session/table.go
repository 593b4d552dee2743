package session

import (
	"net/netip"
	"slices"
	"sync"
	"time"

	"gatehouse/policy"
)

// table is who is in on this node. A session is counted from the moment that it
// is admitted, under the lock under which it is judged: of several logins at a
// limit exactly as many come in as there is room for.
type table struct {
	mu       sync.Mutex // guards what follows
	sessions map[string]*Session
	accounts map[string]int
	from     map[netip.Addr]int
	leaving  int           // sessions that are out and whose end is not in the log yet
	closed   bool          // nobody is admitted any more
	empty    chan struct{} // closed when the last one is gone, once closed is set
}

func newTable() *table {
	return &table{
		sessions: make(map[string]*Session), accounts: make(map[string]int),
		from: make(map[netip.Addr]int), empty: make(chan struct{}),
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
	t.sessions[s.id] = s
	t.accounts[s.accountID]++
	t.from[s.address]++
}

// leave takes a session out; false where it was out already. gone follows it.
func (t *table) leave(s *Session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.take(s)
}

// leaveUnused is leave for a session of requests that has had none for so long.
func (t *table) leaveUnused(s *Session, idle time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return s.unused(idle) && t.take(s)
}

func (t *table) take(s *Session) bool {
	if t.sessions[s.id] != s {
		return false
	}
	delete(t.sessions, s.id)
	drop(t.accounts, s.accountID)
	drop(t.from, s.address)
	t.leaving++
	return true
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

func drop[K comparable](m map[K]int, k K) {
	if m[k]--; m[k] <= 0 {
		delete(m, k)
	}
}

func (t *table) counts(account string, from netip.Addr) policy.Sessions {
	return policy.Sessions{Account: t.accounts[account], Address: t.from[from], All: len(t.sessions)}
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

// all returns the sessions of an account, "" for everybody's, the oldest first.
func (t *table) all(account string) []*Session {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*Session
	for _, s := range t.sessions {
		if account == "" || s.accountID == account {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b *Session) int { return a.since.Compare(b.since) })
	return list
}
