package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"gatehouse/auth"
)

// Request admits one request of a door without a login of its own (WebDAV):
// the session is the one of (account, credential, address, transport), which
// ends five minutes after its last request. Policy is asked every time.
// done is called when the request has been answered.
func (m *Manager) Request(ctx context.Context, a auth.Attempt) (s *Session, done func(), err error) {
	began := time.Now()
	if m.table.isClosed() {
		return nil, nil, ErrShuttingDown
	}
	proof, err := m.prove(ctx, a, auth.Repeated)
	if err != nil {
		return nil, nil, fmt.Errorf("prove a request: %w", err)
	}
	if !proof.Attempt.Credential.Proved {
		d := judged(proof)(m.table.count(proof.Account.ID, proof.Attempt.Address))
		return nil, nil, m.refuse(ctx, began, a, proof, d)
	}
	t := proof.Attempt
	id := m.requestID(proof.Account.ID, nameOf(t.Credential), t.Address.String(), string(t.Transport), string(t.Door))
	for {
		s, err = m.joinOrBegin(ctx, began, a, proof, id)
		if err != nil {
			return nil, nil, err
		}
		err = m.goOn(ctx, began, s, a, proof)
		if err == nil {
			return s, sync.OnceFunc(s.release), nil
		}
		s.release()
		// A session that its last request left just now is no refusal.
		if !errors.Is(err, errLeft) {
			return nil, nil, err
		}
	}
}

// errLeft says that a session ended before it could be joined.
var errLeft = errors.New("the session has just ended")

func (m *Manager) joinOrBegin(ctx context.Context, began time.Time, a auth.Attempt, p auth.Proof, id string) (*Session, error) {
	s, err := m.table.join(id)
	if err != nil || s != nil {
		return s, err
	}
	return m.begin(ctx, began, a, p, id)
}

// begin makes the session of a first request. Of several at once one makes it.
func (m *Manager) begin(ctx context.Context, began time.Time, a auth.Attempt, p auth.Proof, id string) (*Session, error) {
	fresh := m.newSession(a, p, id)
	fresh.byRequest = true
	fresh.holder.Share()
	judge, err := m.seat(ctx, fresh, a, p)
	if err != nil {
		fresh.discard()
		return nil, err
	}
	s, d, mine, err := m.table.joinOrEnter(fresh, judge)
	if !mine || err != nil || !d.Allowed {
		fresh.discard()
	}
	switch {
	case err != nil:
		m.limits.Forget(fresh.holder)
		return nil, err
	case !d.Allowed:
		m.limits.GiveBack(ctx, fresh.holder)
		return nil, m.refuse(ctx, began, a, p, d)
	case mine:
		if err := m.welcome(ctx, s, p, began); err != nil {
			return nil, err
		}
	default:
		m.limits.Forget(fresh.holder)
	}
	return s, nil
}

// goOn waits until the session's login is in the log, and judges the request.
func (m *Manager) goOn(ctx context.Context, began time.Time, s *Session, a auth.Attempt, p auth.Proof) error {
	select {
	case <-s.admitted:
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.failed != nil {
		return s.failed
	}
	d := p.Effective.Stay(p.Attempt)
	if !d.Allowed {
		m.end(s, d)
		return m.refuse(ctx, began, a, p, d)
	}
	if cause := context.Cause(s.ctx); cause != nil {
		if cut, ok := errors.AsType[*CutError](cause); ok {
			return m.refuse(ctx, began, a, p, cut.Decision)
		}
		return errLeft
	}
	s.touch()
	m.accounts.Touch(s.accountID, s.Credential().ID, time.Now(), s.address.String(), s.door)
	return nil
}

// hold keeps a session of requests open for one more.
func (s *Session) hold() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if s.idle != nil {
		s.idle.Stop()
	}
}

// release ends a request. After the last one the session ends when it stays
// idle, and at once while the gateway stops.
func (s *Session) release() {
	s.touch()
	s.manager.table.release(s, s.manager.idle)
}

// letGo is release, under the table's lock.
func (s *Session) letGo(idle time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.requests--; s.requests > 0 || s.ended {
		return
	}
	s.unused = time.Now()
	if s.idle != nil {
		s.idle.Reset(idle)
		return
	}
	s.idle = time.AfterFunc(idle, func() { s.manager.endUnused(s) })
}

// isUnused reports whether a session of requests has had none for so long.
func (s *Session) isUnused(idle time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.idle != nil && s.requests == 0 && time.Since(s.unused) >= idle
}
