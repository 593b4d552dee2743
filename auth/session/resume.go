package session

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// A Resumption is what it takes to go on with a session of an administration door
// on another node, or after a restart. It holds no secret.
type Resumption struct {
	ID        string           `json:"id"`
	AccountID string           `json:"account_id"`
	Door      policy.Door      `json:"door"`
	Address   netip.Addr       `json:"address"`
	Transport policy.Transport `json:"transport"`
	Client    string           `json:"client,omitempty"`
	Since     time.Time        `json:"since"`
	Fresh     time.Time        `json:"fresh,omitzero"` // the latest interactive proof
	Proved    *auth.Proved     `json:"proved"`
}

// Resumption is the session as it stands now.
func (s *Session) Resumption() Resumption {
	r := Resumption{
		ID: s.id, AccountID: s.accountID, Door: s.door, Address: s.address, Transport: s.transport,
		Client: s.client, Since: s.since, Proved: s.proved.Load(),
	}
	if at := s.fresh.Load(); at != 0 {
		r.Fresh = time.Unix(0, at).UTC()
	}
	return r
}

// Resume goes on with a session under its id: with this node's copy where it has
// one, which learns what was proved elsewhere since. It is no login: the present
// policy judges it as one that is open, and what refuses is a *CutError.
func (m *Manager) Resume(ctx context.Context, r Resumption) (*Session, error) {
	for {
		s, err := m.resume(ctx, r)
		if err != nil {
			return nil, err
		}
		m.judge(s)
		cause := context.Cause(s.ctx)
		if _, cut := errors.AsType[*CutError](cause); cut {
			return nil, cause
		}
		if cause == nil {
			return s, nil
		}
		if m.table.isClosed() {
			return nil, ErrShuttingDown
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// resume finds this node's copy of a session, or makes it.
func (m *Manager) resume(ctx context.Context, r Resumption) (*Session, error) {
	if r.Proved == nil {
		return nil, errors.New("a session cannot go on without its proof")
	}
	if err := m.nodes.Fence(); err != nil {
		return nil, err
	}
	if err := m.ended.load(ctx, m.loadEnds); err != nil {
		return nil, err
	}
	if d, ended := m.ended.of(r); ended {
		return nil, &CutError{Decision: d}
	}
	account, effective, err := m.accounts.LookByID(ctx, r.AccountID)
	if errors.Is(err, accounts.ErrNotFound) {
		return nil, &CutError{Decision: gone(err)}
	}
	if err != nil {
		return nil, fmt.Errorf("go on with a session: %w", err)
	}
	p := auth.Proof{Account: account, Effective: effective, Proved: r.Proved, Attempt: policy.Attempt{
		Door: r.Door, Address: policy.PlainAddress(r.Address), Transport: r.Transport, Time: time.Now(),
		Credential: m.auth.Present(account, effective, r.Proved),
	}}
	if d := effective.Stay(p.Attempt); !d.Allowed {
		return nil, &CutError{Decision: d}
	}
	fresh := m.newSession(auth.Attempt{Door: r.Door, Transport: r.Transport, Client: r.Client}, p, r.ID)
	fresh.since = r.Since
	fresh.fresh.Store(0)
	close(fresh.admitted)
	s, err := m.table.resume(fresh)
	if s != fresh {
		fresh.discard()
	}
	if err != nil {
		return nil, err
	}
	if s == fresh {
		m.presence.Changed(s.id)
	}
	if d, ended := m.ended.of(r); ended { // just now
		m.end(s, d)
		return nil, &CutError{Decision: d}
	}
	_, effective, t, err := s.present()
	s.learn(r, err == nil && !effective.Stay(t).Allowed)
	return s, nil
}

// resume returns the session with this id, or puts this one in its place. No limit
// refuses it, since it is in; from now on it counts.
func (t *table) resume(s *Session) (*Session, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return nil, ErrShuttingDown
	}
	if found, ok := t.sessions[s.id]; ok {
		return found, nil
	}
	t.add(s)
	s.former = nil
	return s, nil
}

// learn takes over what was proved elsewhere: later, or since what was known
// here is good no more.
func (s *Session) learn(r Resumption, stale bool) {
	s.proving.Lock()
	defer s.proving.Unlock()
	later := !r.Fresh.IsZero() && r.Fresh.UnixNano() > s.fresh.Load()
	if later {
		s.fresh.Store(r.Fresh.UnixNano())
	}
	if later || stale {
		s.proved.Store(r.Proved)
	}
	s.touch()
}

// Leave ends the session on this node alone, and says so to nobody: it goes on
// elsewhere, or its end is told of already.
func (s *Session) Leave() {
	m := s.manager
	if !m.table.leave(s, context.Canceled) {
		return
	}
	s.holder.Share()
	s.silence()
	s.fs.Close(context.Canceled)
	m.presence.Changed(s.id)
	m.limits.Forget(s.holder)
	s.log.Debug("session left to others")
	m.table.noted(s)
	m.table.gone()
}
