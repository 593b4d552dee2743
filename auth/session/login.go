package session

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/session/limits"
	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/events"
)

// Login admits an attempt or returns an *auth.RefusedError, or an
// *auth.CodeNeededError where nothing but a code is missing and the door can ask
// for one (any other error says that nothing could be decided: the store is
// away, auth.ErrBusy, ErrShuttingDown, ErrUnrecorded, nodes.ErrNotHeld). A password costs one hash whatever the
// outcome, but for what rules 1 and 2 end. The login is in the log before it
// returns.
func (m *Manager) Login(ctx context.Context, a auth.Attempt) (*Session, error) {
	began := time.Now()
	if m.table.isClosed() {
		return nil, ErrShuttingDown
	}
	if err := m.mayProve(a); err != nil {
		return nil, err
	}
	proof, err := m.prove(ctx, a, auth.Once)
	if err != nil {
		return nil, fmt.Errorf("prove a login: %w", err)
	}
	s := m.newSession(a, proof, newSessionID())
	var d policy.Decision
	judge, err := m.seat(ctx, s, a, proof)
	if err == nil {
		d, err = m.table.enter(s, judge)
	}
	if err != nil || !d.Allowed {
		s.discard()
		m.limits.GiveBack(ctx, s.holder)
		if err != nil {
			return nil, err
		}
		return nil, m.refuseOrAsk(ctx, began, a, proof, d)
	}
	if err := m.welcome(ctx, s, proof, began); err != nil {
		return nil, err
	}
	if cut, ok := errors.AsType[*CutError](context.Cause(s.ctx)); ok {
		return nil, m.refuse(ctx, began, a, proof, cut.Decision)
	}
	return s, nil
}

// judged makes the final judgement of a proof, with the counts of the moment.
func judged(p auth.Proof) func(policy.Sessions) policy.Decision {
	return func(counts policy.Sessions) policy.Decision {
		t := p.Attempt
		t.Sessions = counts
		d := p.Effective.Admit(t)
		if d.Allowed && !t.Credential.Proved {
			// The local socket's attempts are no logins.
			return policy.Decision{Rule: policy.RuleCredential, Because: "the credential was not proved"}
		}
		return d
	}
}

// seat returns how an attempt is judged that becomes a session: by what is open on
// this node where it is alone, else by the places that it is given among all. Where
// it is not admitted, they are given back.
func (m *Manager) seat(ctx context.Context, s *Session, a auth.Attempt, p auth.Proof) (func(policy.Sessions) policy.Decision, error) {
	judge := judged(p)
	if m.nodes == nil {
		return judge, nil
	}
	if err := m.nodes.Fence(); err != nil {
		return m.seatReader(s, a, p, err)
	}
	if d := judge(uncounted); !d.Allowed {
		return func(policy.Sessions) policy.Decision { return d }, nil
	}
	counts, err := m.limits.Ask(ctx, s.holder, p.Effective)
	if err != nil {
		return nil, fmt.Errorf("count the open sessions: %w", err)
	}
	return func(policy.Sessions) policy.Decision { return judge(counts) }, nil
}

// newSession makes what becomes a session once it is admitted.
func (m *Manager) newSession(a auth.Attempt, p auth.Proof, id string) *Session {
	now := time.Now()
	s := &Session{
		manager: m, id: id, accountID: p.Account.ID, account: p.Account.Name,
		door: a.Door, client: printable(a.Client), since: now,
		address: p.Attempt.Address, transport: a.Transport,
		admitted: make(chan struct{}), noted: make(chan struct{}),
	}
	s.holder = limits.NewHolder(id, s.accountID, s.address)
	s.active.Store(now.UnixNano())
	s.proved.Store(p.Proved)
	effective := p.Effective.Scoped(p.Attempt.Credential.Scope)
	s.standing.Store(&standing{role: p.Account.Role, credential: p.Attempt.Credential, effective: effective})
	if p.Proved.Interactive() {
		s.fresh.Store(now.UnixNano())
	}
	s.ctx, s.cancel = context.WithCancelCause(m.ctx)
	s.log = m.log.With("session", id, "account", s.account, "door", string(s.door), "address", s.address.String())
	c := guard.Config{
		Effective: effective, Door: a.Door, Report: s.report, Audited: s.audited, UID: p.Account.UID, GID: p.Account.GID,
	}
	if m.traffic != nil {
		c.Traffic = m.traffic.Join(s.accountID)
	}
	s.fs = m.tree.FS(c)
	return s
}

// discard lets go of a session that was not admitted.
func (s *Session) discard() {
	s.cancel(context.Canceled)
	s.fs.Close(context.Canceled)
}

// welcome puts an admitted login into the log, and judges it once more: what
// has changed since the account was read would otherwise pass unseen.
func (m *Manager) welcome(ctx context.Context, s *Session, p auth.Proof, began time.Time) error {
	e := s.sign(events.Event{Kind: events.Login, Outcome: events.OK, Transport: string(s.transport), Took: time.Since(began)})
	s.awaitFormer(ctx)
	if s.reader.Load() {
		s.failed = m.recordReader(ctx, p.Effective.Site(), e)
	} else {
		s.failed = m.recordLogin(ctx, p.Effective.Site(), e)
	}
	close(s.admitted)
	if s.failed != nil {
		m.end(s, policy.Decision{Rule: policy.RuleEnded, Because: "the login could not be put into the log"})
		return s.failed
	}
	m.accounts.Touch(s.accountID, s.Credential().ID, s.since, s.address.String(), s.door)
	m.judge(s)
	m.presence.Changed(s.id)
	s.log.Info("session opened", "credential", nameOf(s.Credential()), "client", s.client)
	return nil
}

// awaitFormer waits until the end of the session that had the same id has its place in
// the log. That waits for no store, but where its login is not in there yet.
func (s *Session) awaitFormer(ctx context.Context) {
	if s.former == nil {
		return
	}
	select {
	case <-s.former.noted:
	case <-ctx.Done():
	}
	s.former = nil
}

// recordLogin is record for who comes in with all its rights, which nobody does while
// the store is away: that the log is kept on this machine meanwhile is not enough, where
// the site insists on it.
func (m *Manager) recordLogin(ctx context.Context, site policy.Site, e events.Event) error {
	if err := m.unrecorded(site); err != nil {
		return err
	}
	if err := m.record(ctx, site, e); err != nil {
		return err
	}
	return m.unrecorded(site)
}

func (m *Manager) unrecorded(site policy.Site) error {
	err := m.events.Away()
	if err == nil || site.Audit.OnFailure == policy.AuditContinue {
		return nil
	}
	return fmt.Errorf("record a login: %w: %w", ErrUnrecorded, err)
}

// record makes an event durable, as far as the site insists on it.
func (m *Manager) record(ctx context.Context, site policy.Site, e events.Event) error {
	err := m.events.Record(ctx, e)
	if err == nil {
		return nil
	}
	if site.Audit.OnFailure == policy.AuditContinue && ctx.Err() == nil {
		m.log.Error("an event was not recorded", "kind", string(e.Kind), "error", err)
		return nil
	}
	return fmt.Errorf("record a login: %w: %w", ErrUnrecorded, err)
}

// refuseOrAsk is refuse, but for a proof that nothing but a code is missing for.
func (m *Manager) refuseOrAsk(ctx context.Context, began time.Time, a auth.Attempt, p auth.Proof, d policy.Decision) error {
	needed := p.NeedsCode()
	if needed == nil {
		return m.refuse(ctx, began, a, p, d)
	}
	// Who has the password and not the code must not go unseen.
	m.events.Note(events.Event{
		Kind: KindCodeAsked, Outcome: events.OK, Rule: string(d.Rule), Account: p.Account.Name, AccountID: p.Account.ID,
		Credential: nameOf(p.Attempt.Credential), Door: string(a.Door), Address: p.Attempt.Address,
	})
	return needed
}

// refuse puts a refusal into the log, waits as long as every refusal takes, and
// returns it.
func (m *Manager) refuse(ctx context.Context, began time.Time, a auth.Attempt, p auth.Proof, d policy.Decision) error {
	if p.Why != "" && (d.Rule == policy.RuleCredential || d.Rule == policy.RuleSecondFactor) {
		d.Because = p.Why
	}
	reference, err := m.reference(ctx, began, a, p, d)
	if err != nil {
		return err
	}
	m.auth.Settle(ctx, began)
	return &auth.RefusedError{Reference: reference, Decision: d}
}

// reference records a refusal. What costs nobody any work, a closed door and a
// banned address, is recorded once in a while only: a flood must not fill the log.
func (m *Manager) reference(ctx context.Context, began time.Time, a auth.Attempt, p auth.Proof, d policy.Decision) (string, error) {
	var key refusalKey
	if p.Ends(d) {
		key = m.refused.keyOf(a, p, d)
		if known, ok := m.refused.get(key); ok {
			return known, nil
		}
	}
	reference := newReference()
	e := events.Event{
		Time: time.Now(), Kind: events.Refused, Outcome: events.Denied, Rule: string(d.Rule), Reference: reference,
		Reason: d.Because, Account: attemptedName(a, p), AccountID: p.Account.ID, Credential: nameOf(p.Attempt.Credential),
		Door: string(a.Door), Address: p.Attempt.Address, Transport: string(a.Transport), Node: m.node, Took: time.Since(began),
	}
	if err := m.record(ctx, p.Effective.Site(), e); err != nil {
		return "", err
	}
	if p.Ends(d) {
		m.refused.put(key, reference)
	}
	m.alarm(ctx, p, e)
	m.log.Info("login refused", "account", e.Account, "door", e.Door, "address", e.Address.String(), "rule", e.Rule, "reference", reference)
	return reference, nil
}

// alarm puts a lockout or a ban that a failure has started into the log.
func (m *Manager) alarm(ctx context.Context, p auth.Proof, refusal events.Event) {
	started := map[events.Kind]bool{KindLockout: p.LockStarted, KindBan: p.BanStarted}
	for kind, yes := range started {
		if !yes {
			continue
		}
		e := refusal
		e.Kind, e.Outcome, e.Rule, e.Reason, e.Took = kind, events.OK, "", "too many failures", 0
		if err := m.events.Record(ctx, e); err != nil {
			m.log.Error("an event was not recorded", "kind", string(kind), "error", err)
		}
	}
}

// Kinds of events that failures lead to, and of a code that was asked for after
// everything else was right.
const (
	KindLockout   events.Kind = "account.lockout"
	KindBan       events.Kind = "address.ban"
	KindCodeAsked events.Kind = "login.code"
)

// attemptedName is the account's name or, where there is none, what the client
// sent: within bounds, and without what a log should not hold.
func attemptedName(a auth.Attempt, p auth.Proof) string {
	if p.Account.Name != "" {
		return p.Account.Name
	}
	return printable(a.Account)
}
