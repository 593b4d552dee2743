package session

import (
	"context"
	"fmt"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// Further judges a proof for what policy alone does not know.
type Further func(context.Context, auth.Proof) (policy.Decision, error)

// Admit judges an attempt that becomes no session, such as one with a reset link, and
// returns what it has proved. further is asked last. It refuses as Login does, and
// counts nobody.
func (m *Manager) Admit(ctx context.Context, a auth.Attempt, further Further) (auth.Proof, error) {
	began := time.Now()
	proof, err := m.auth.Prove(ctx, a, auth.Once)
	if err != nil {
		return auth.Proof{}, fmt.Errorf("prove a link: %w", err)
	}
	d := judged(proof)(uncounted)
	if d.Allowed {
		if d, err = further(ctx, proof); err != nil {
			return auth.Proof{}, err
		}
	}
	if !d.Allowed {
		return auth.Proof{}, m.refuse(ctx, began, a, proof, d)
	}
	return proof, nil
}

// uncounted is for who is judged without limits: nobody comes in, or is in already.
var uncounted = policy.Sessions{Account: -1, Address: -1, All: -1}

// Rebind makes a change of what an account is proved with, by a session that goes on
// with what next makes of its proof in the place of the old. What else the old proof
// opened here is cut before it returns.
func (m *Manager) Rebind(s *Session, next func(*auth.Proved) *auth.Proved, change func() (accounts.Account, error)) error {
	s.proving.Lock()
	defer s.proving.Unlock()
	before := s.proved.Load()
	both := next(before)
	s.proved.Store(both)
	now, err := change()
	if err != nil {
		s.proved.Store(before)
		m.judge(s)
		return err
	}
	s.proved.Store(both.Settled(now))
	m.JudgeAccount(now.ID)
	return nil
}
