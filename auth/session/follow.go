package session

import (
	"errors"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// rejudge is the longest time after which a session with a moment to come is
// judged anew: clocks of machines are set.
const rejudge = 10 * time.Minute

// follow keeps the open sessions true to the present policy.
func (m *Manager) follow(changes <-chan accounts.Change) {
	addresses := m.limits.RecountAddresses(false)
	for c := range changes {
		addresses = m.limits.RecountAddresses(addresses)
		if c.Kind == accounts.KindAccount {
			m.JudgeAccount(c.ID)
			continue
		}
		for _, s := range m.table.all() {
			m.judge(s)
		}
	}
}

// JudgeAccount judges every session of an account that is open here by the present
// policy: those that it refuses are cut before it returns.
func (m *Manager) JudgeAccount(id string) {
	for _, s := range m.table.of(id) {
		m.judge(s)
	}
}

// judge asks the present policy about an open session: it is cut, or each of its
// open handles is judged.
func (m *Manager) judge(s *Session) {
	s.judging.Lock()
	defer s.judging.Unlock()
	if s.ctx.Err() != nil {
		return
	}
	account, effective, t, err := s.present()
	if err != nil {
		m.end(s, gone(err))
		return
	}
	d := effective.Stay(t)
	if !d.Allowed {
		m.end(s, d)
		return
	}
	stands := s.stand(account, effective, t.Credential, onlyFor(d))
	s.standing.Store(stands)
	s.fs.SetOwner(account.UID, account.GID)
	s.fs.SetPolicy(stands.effective)
	m.limits.Recount(s.holder, stands.effective)
	s.wake(d.Until)
}

// gone is the decision on an account that cannot be read any more.
func gone(err error) policy.Decision {
	if errors.Is(err, accounts.ErrNotFound) {
		return policy.Decision{Rule: policy.RuleStatus, Because: "the account was deleted"}
	}
	return policy.Decision{Rule: policy.RuleStatus, Because: "the account cannot be read"}
}

// wake has the session judged again at the moment that changes the decision.
func (s *Session) wake(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moment != nil {
		s.moment.Stop()
	}
	if at.IsZero() || s.ended {
		return
	}
	wait := min(max(time.Until(at), 0), rejudge)
	s.moment = time.AfterFunc(wait, func() { s.manager.judge(s) })
}
