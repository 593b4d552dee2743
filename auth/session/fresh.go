package session

import (
	"context"
	"fmt"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
)

// freshness is how long after an interactive proof a session may change what the
// account is proved with.
const freshness = 10 * time.Minute

// Only is what a session is there for and for nothing else.
type Only string

// What a session may be limited to.
const (
	OnlyNothing  Only = ""         // it is not limited
	OnlyPassword Only = "password" // it changes the password
	OnlyEnrol    Only = "enrol"    // it sets up a second factor
)

// onlyFor is what a session is limited to that a decision lets in.
func onlyFor(d policy.Decision) Only {
	switch {
	case d.ChangesPassword():
		return OnlyPassword
	case d.Enrols():
		return OnlyEnrol
	}
	return OnlyNothing
}

// Only is what the session is limited to, as it is now.
func (s *Session) Only() Only { return s.standing.Load().only }

// MustChange reports whether the session is there for nothing but changing the
// password.
func (s *Session) MustChange() bool { return s.Only() == OnlyPassword }

// MustEnrol reports whether the session is there for nothing but setting up a
// second factor.
func (s *Session) MustEnrol() bool { return s.Only() == OnlyEnrol }

// Interactive reports whether a person has proved the session: with the main
// password, and the code where the account has a second factor.
func (s *Session) Interactive() bool { return s.proved.Load().Interactive() }

// Fresh reports whether that was within the last 10 minutes. Nothing else may
// change what the account is proved with.
func (s *Session) Fresh() bool {
	at := s.fresh.Load()
	return at != 0 && IsFresh(time.Unix(0, at))
}

// IsFresh reports whether an interactive proof of then is one of the last 10 minutes.
func IsFresh(at time.Time) bool { return time.Since(at) < freshness }

// StepUp makes a session fresh that a person proves once more. The attempt's
// account and door are the session's own. It refuses and counts as Login does.
func (m *Manager) StepUp(ctx context.Context, s *Session, a auth.Attempt) error {
	began := time.Now()
	a.Account, a.Door = s.account, s.door
	proof, err := m.auth.Prove(ctx, a, auth.Once)
	if err != nil {
		return fmt.Errorf("prove a session anew: %w", err)
	}
	d := judged(proof)(uncounted)
	switch {
	case !d.Allowed:
		return m.refuseOrAsk(ctx, began, a, proof, d)
	case !proof.Proved.Interactive() || !s.Interactive() || proof.Account.ID != s.accountID:
		return m.refuse(ctx, began, a, proof, policy.Decision{
			Rule: policy.RuleCredential, Because: "only the main password makes a session fresh that it began",
		})
	}
	s.proving.Lock()
	s.proved.Store(proof.Proved)
	s.proving.Unlock()
	s.fresh.Store(began.UnixNano())
	m.judge(s)
	return context.Cause(s.ctx)
}
