// Package session turns a login into a session, knows who is in, and keeps
// every open session true to the present policy.
package session

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/session/limits"
	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/accounts"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
)

// What front ends need of the guard, under names that they may import.
type (
	FS          = guard.FS
	File        = guard.File
	Dir         = guard.Dir
	Info        = guard.Info
	Open        = guard.Open
	Replace     = guard.Replace
	CopyHow     = guard.CopyHow
	Space       = guard.Space
	Lock        = guard.Lock
	LockRequest = guard.LockRequest
	Attr        = backend.Attr
)

// Replacements of a rename or copy, as in guard.
const (
	KeepTarget  = guard.KeepTarget
	ReplaceFile = guard.ReplaceFile
	ReplaceAny  = guard.ReplaceAny
)

// A Session is one admitted login.
type Session struct {
	manager   *Manager
	id        string
	accountID string
	account   string
	door      policy.Door
	address   netip.Addr
	transport policy.Transport
	client    string
	holder    *limits.Holder
	byRequest bool        // the same on every node that has requests of it
	reader    atomic.Bool // it came in while the store was away, which it still is
	proved    atomic.Pointer[auth.Proved]
	since     time.Time
	ctx       context.Context
	cancel    context.CancelCauseFunc
	fs        *FS
	log       *slog.Logger
	active    atomic.Int64 // unix nanoseconds of the latest use
	fresh     atomic.Int64 // unix nanoseconds of the latest interactive proof
	standing  atomic.Pointer[standing]
	proving   sync.Mutex // orders those who change proved
	// judging orders judgements, so that an older one never overwrites a newer.
	judging sync.Mutex
	// admitted is closed once the login is in the log; failed says that it is not.
	admitted chan struct{}
	failed   error
	// former had the same id, and ended just now; noted is closed once the end has
	// its place in the log.
	former *Session
	noted  chan struct{}

	mu       sync.Mutex  // guards what follows
	moment   *time.Timer // when time alone changes the decision
	idle     *time.Timer // of a session of requests
	requests int
	unused   time.Time // since when there are no requests
	ended    bool
}

// A standing is what of an account's state a session shows.
type standing struct {
	role       policy.Role
	only       Only
	credential policy.Credential
	effective  policy.Effective // within the credential's scope
}

// A CutError is the cause of a session's end that the client did not ask for.
type CutError struct{ Decision policy.Decision }

func (e *CutError) Error() string { return "the session was ended: " + e.Decision.Because }

// ID identifies the session in log, events and API.
func (s *Session) ID() string { return s.id }

// Account is the username as it is stored.
func (s *Session) Account() string { return s.account }

// AccountID is the account's id, which outlives no account.
func (s *Session) AccountID() string { return s.accountID }

// Role is the account's role, as it is now.
func (s *Session) Role() policy.Role { return s.standing.Load().role }

// Credential is what the session was proved with, as it is now.
func (s *Session) Credential() policy.Credential { return s.standing.Load().credential }

// Effective is what holds for the session now: what holds for its account, within
// the scope of its credential.
func (s *Session) Effective() policy.Effective { return s.standing.Load().effective }

// FS is the session's guarded file system.
func (s *Session) FS() *FS { return s.fs }

// Context ends when the session is cut or closed; its cause says why. Front
// ends close the connection then (context.AfterFunc).
func (s *Session) Context() context.Context { return s.ctx }

// Log carries session, account, door and address.
func (s *Session) Log() *slog.Logger { return s.log }

// Close ends the session from the client's side.
func (s *Session) Close() { s.manager.end(s, policy.Decision{}) }

// Renew judges the session for a request that comes from an address, and notes
// that it is in use. False refuses the request; the session stays, unless its
// own address would be refused as well.
func (s *Session) Renew(_ context.Context, address netip.Addr, transport policy.Transport) bool {
	if s.ctx.Err() != nil {
		return false
	}
	_, effective, t, err := s.present()
	if err != nil {
		return false
	}
	t.Address, t.Transport = policy.PlainAddress(address), transport
	if !effective.Stay(t).Allowed {
		return false
	}
	s.touch()
	return true
}

// present returns the session's account, and the session as policy judges it now. Its
// proof and its account are of one moment: by the account as it was before Rebind, the
// proof that came of it would be none.
func (s *Session) present() (accounts.Account, policy.Effective, policy.Attempt, error) {
	for {
		proved := s.proved.Load()
		a, e, err := s.manager.accounts.LookByID(s.ctx, s.accountID)
		if err != nil {
			return accounts.Account{}, policy.Effective{}, policy.Attempt{}, err
		}
		if s.proved.Load() != proved {
			continue
		}
		return a, e, policy.Attempt{
			Door: s.door, Address: s.address, Transport: s.transport, Time: time.Now(),
			Credential: s.manager.auth.Present(a, e, proved),
		}, nil
	}
}

func (s *Session) touch() { s.active.Store(time.Now().UnixNano()) }

// report fills in what the guard does not know of an event.
func (s *Session) report(e events.Event) {
	s.touch()
	s.manager.events.Note(s.sign(e))
}

// audited says whether file operations go on: where the site insists on its log,
// not while that takes no events.
func (s *Session) audited() bool {
	return s.manager.events.Behind() == nil || s.standing.Load().effective.Site().Audit.OnFailure == policy.AuditContinue
}

// sign fills in who and from where.
func (s *Session) sign(e events.Event) events.Event {
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	e.Account, e.AccountID, e.Credential = s.account, s.accountID, nameOf(s.Credential())
	e.Door, e.Address, e.Session, e.Node = string(s.door), s.address, s.id, s.manager.node
	return e
}

// nameOf names a credential in events and listings.
func nameOf(c policy.Credential) string {
	if c.ID == "" {
		return string(c.Kind)
	}
	return string(c.Kind) + ":" + c.ID
}

// CredentialName names what proved the session, as its events do.
func (s *Session) CredentialName() string { return nameOf(s.Credential()) }

func (s *Session) lastActive() time.Time { return time.Unix(0, s.active.Load()).UTC() }

func (s *Session) describe() Description {
	return Description{
		ID: s.id, Account: s.account, AccountID: s.accountID, Door: s.door,
		Transport: s.transport, Address: s.address, Credential: nameOf(s.Credential()),
		Client: s.client, Since: s.since, LastActive: s.lastActive(),
	}
}
