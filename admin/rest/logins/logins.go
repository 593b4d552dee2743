// Package logins keeps what a browser carries on: logins, those that wait for
// their code, and second factors that wait for their first one. They are sealed
// records of the state, found by a hash of what the browser has: any node answers
// any request, and a restart logs nobody out. What a login may do is judged by
// the present policy with every request; of the session that answers it, each
// node that is asked has its own copy.
package logins

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/storage/accounts"
	"gatehouse/storage/seal"
	"gatehouse/storage/state"
	"gatehouse/storage/state/follow"
)

// Lives of a login.
const (
	idle     = 30 * time.Minute
	absolute = 12 * time.Hour
	// touchEvery is how often it is written that a login is in use: one that was
	// not used for longer than idle is over, or for up to so much less.
	touchEvery = time.Minute
	// patience is how long a write takes that nobody waits for.
	patience = 5 * time.Second
)

// A Face is what a login is for: one to the pages is none to the API, which the
// account's protocols may leave out.
type Face string

// The faces, which are the cookies' names.
const (
	API   Face = "gatehouse"
	Pages Face = "gatehouse-account"
	// Code is a login at the pages that waits for its code.
	Code Face = "gatehouse-code"
)

// Sessions goes on with a session that another node, or another run, has begun.
type Sessions interface {
	Resume(context.Context, session.Resumption) (*session.Session, error)
}

// Accounts is the part of the accounts that logins ask.
type Accounts interface {
	ByID(ctx context.Context, id string) (accounts.Account, error)
	CatchUp(ctx context.Context, id string, revision uint64) error
}

// Config is what a Jar is made of.
type Config struct {
	State    state.Store
	Sealer   *seal.Sealer
	Sessions Sessions
	Accounts Accounts
	Log      *slog.Logger
}

// A Jar keeps logins. Safe for concurrent use.
type Jar struct {
	records
	sessions Sessions
	accounts Accounts
	log      *slog.Logger
	ctx      context.Context // ends with Close
	stop     context.CancelFunc
	running  sync.WaitGroup
	watching sync.Once
	scopes   *follow.Followers

	mu     sync.Mutex // guards what follows
	open   map[string]*open
	copies map[*session.Session]int // how many of open have it
	// arriving are logins that requests are being answered for.
	arriving map[string]*arrival
	// ended are logins whose session somebody has ended, until the store knows.
	ended  map[string]bool
	closed bool
}

// New makes a jar over what the state has.
func New(c Config) *Jar {
	ctx, stop := context.WithCancel(context.Background())
	return &Jar{
		records: records{state: c.State, sealer: c.Sealer}, sessions: c.Sessions, accounts: c.Accounts, log: c.Log,
		ctx: ctx, stop: stop, scopes: follow.New(c.State), open: map[string]*open{}, copies: map[*session.Session]int{},
		arriving: map[string]*arrival{}, ended: map[string]bool{},
	}
}

// Begin keeps a session as a login, and returns what the browser is to have:
// 128 random bits or more.
func (j *Jar) Begin(ctx context.Context, s *session.Session, f Face) (value string, err error) {
	now := time.Now()
	value, name := newValue()
	l := login{Face: f, Began: now, Used: now}
	a, err := j.describe(ctx, &l, s)
	if err != nil {
		return "", err
	}
	l.Status = a.Status.At
	l.revision, err = j.put(ctx, name, l, 0)
	if err != nil {
		return "", fmt.Errorf("begin a login: %w", err)
	}
	j.hold(name, s, l)
	return value, nil
}

// describe notes what it takes to go on with a session elsewhere.
func (j *Jar) describe(ctx context.Context, l *login, s *session.Session) (accounts.Account, error) {
	a, err := j.accounts.ByID(ctx, s.AccountID())
	if err != nil {
		return a, fmt.Errorf("read the account of a login: %w", err)
	}
	l.Session, l.Account = s.Resumption(), a.Revision
	return a, nil
}

// Find returns the session of a login, nil where there is none, none for this
// face, or policy does not let it go on now; and when a person has proved what goes
// by this value. An error says that this cannot be told: the login stands. judging is
// called before anything is judged, once the store was asked.
func (j *Jar) Find(ctx context.Context, value string, f Face, judging func()) (s *session.Session, proved time.Time, err error) {
	name, ok := nameOf(value)
	if !ok {
		return nil, time.Time{}, nil
	}
	defer j.arrive(name)()
	l, err := j.read(ctx, name)
	if errors.Is(err, state.ErrNotFound) {
		j.gone(name)
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("look for a login: %w", err)
	}
	judging()
	now := time.Now()
	switch {
	case l.Face != f:
		return nil, time.Time{}, nil
	case !now.Before(l.ends()):
		j.over(name)
		return nil, time.Time{}, nil
	}
	if s, err = j.session(ctx, name, l); s != nil {
		j.touch(name, l, now)
	}
	return s, l.Session.Fresh, err
}

// read is get, without opening again what is known.
func (j *Jar) read(ctx context.Context, name string) (login, error) {
	return j.get(ctx, name, func(revision uint64) (login, bool) {
		j.mu.Lock()
		defer j.mu.Unlock()
		if o := j.open[name]; o != nil && o.login.revision == revision {
			return o.login, true
		}
		return login{}, false
	})
}

// session returns this node's copy of a login's session.
func (j *Jar) session(ctx context.Context, name string, l login) (*session.Session, error) {
	if s, known := j.held(name, l); known {
		return s, nil
	}
	// What has changed with this login elsewhere must not be judged by what was before.
	if err := j.accounts.CatchUp(ctx, l.Session.AccountID, l.Account); err != nil {
		return nil, fmt.Errorf("read the account of a login: %w", err)
	}
	a, err := j.accounts.ByID(ctx, l.Session.AccountID)
	if errors.Is(err, accounts.ErrNotFound) || err == nil && !a.Status.At.Equal(l.Status) {
		return nil, nil // the account was disabled since, and may be enabled again
	}
	if err != nil {
		return nil, fmt.Errorf("read the account of a login: %w", err)
	}
	s, err := j.sessions.Resume(ctx, l.Session)
	if _, refused := errors.AsType[*session.CutError](err); refused {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("go on with a login: %w", err)
	}
	if !j.enter(name, s, l) {
		return nil, nil
	}
	return s, nil
}

// touch writes that a login is in use, where that was not written of late. Nobody
// waits for it: what fails is tried with the next request.
func (j *Jar) touch(name string, l login, now time.Time) {
	if now.Sub(l.Used) < touchEvery || !j.touching(name) {
		return
	}
	before := l.revision
	l.Used = now
	j.later(func(ctx context.Context) {
		revision, err := j.put(ctx, name, l, before)
		l.revision = revision
		j.touched(name, l, err == nil)
		if err != nil && !errors.Is(err, state.ErrConflict) && ctx.Err() == nil {
			j.log.Warn("it was not kept that a login is in use", "error", err)
		}
	})
}

// later does what nobody waits for, but Close.
func (j *Jar) later(do func(context.Context)) {
	j.run(func() {
		ctx, cancel := context.WithTimeout(j.ctx, patience)
		defer cancel()
		do(ctx)
	})
}

// run does something that Close waits for; not once it has begun.
func (j *Jar) run(do func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.closed {
		j.running.Go(do)
	}
}

// Renew gives a login a new value, for what its session has become: who knew the
// old one knows nothing any more. It returns "" where the login has ended. Where it
// fails the old value is good for what it was good for before, and no more.
func (j *Jar) Renew(ctx context.Context, value string, s *session.Session) (string, error) {
	name, ok := nameOf(value)
	if !ok {
		return "", nil
	}
	next, nextName := newValue()
	for {
		l, err := j.read(ctx, name)
		if errors.Is(err, state.ErrNotFound) {
			j.gone(name)
			return "", nil
		}
		if err == nil {
			err = j.move(ctx, name, nextName, l, s)
		}
		if err == nil {
			return next, nil
		}
		if !errors.Is(err, state.ErrConflict) {
			j.drop(name) // its session has become more than the old value may open
			return "", fmt.Errorf("renew a login: %w", err)
		}
	}
}

// move puts a login under another name.
func (j *Jar) move(ctx context.Context, from, to string, l login, s *session.Session) error {
	before := l.revision
	l.Used = time.Now()
	if _, err := j.describe(ctx, &l, s); err != nil {
		return err
	}
	j.hold(to, s, l) // so that the end of the old name is not the session's
	revision, err := j.replace(ctx, from, before, to, l)
	if err != nil {
		j.let(to)
		return err
	}
	l.revision = revision
	j.hold(to, s, l)
	j.drop(from)
	return nil
}

// End ends a login for good, on every node.
func (j *Jar) End(ctx context.Context, value string) error {
	name, ok := nameOf(value)
	if !ok {
		return nil
	}
	if _, err := j.remove(ctx, name); err != nil {
		return fmt.Errorf("end a login: %w", err)
	}
	j.close(name)
	return nil
}

// Enrol keeps a second factor that a login has begun; nil forgets it.
func (j *Jar) Enrol(ctx context.Context, value string, e *auth.Enrolment) error {
	name, ok := nameOf(value)
	if !ok {
		return nil
	}
	for {
		l, err := j.read(ctx, name)
		if err == nil {
			before := l.revision
			l.Enrolment = e
			_, err = j.put(ctx, name, l, before)
		}
		if errors.Is(err, state.ErrNotFound) {
			return nil // the login has ended, and its factor with it
		}
		if !errors.Is(err, state.ErrConflict) {
			return err
		}
	}
}

// Enrolling returns the second factor that a login has begun.
func (j *Jar) Enrolling(ctx context.Context, value string) (auth.Enrolment, bool, error) {
	name, ok := nameOf(value)
	if !ok {
		return auth.Enrolment{}, false, nil
	}
	l, err := j.read(ctx, name)
	if errors.Is(err, state.ErrNotFound) || err == nil && l.Enrolment == nil {
		return auth.Enrolment{}, false, nil
	}
	if err != nil {
		return auth.Enrolment{}, false, err
	}
	return *l.Enrolment, true, nil
}

// Close lets go of every session: their logins go on elsewhere, or with the next
// start.
func (j *Jar) Close() {
	j.mu.Lock()
	j.closed = true
	j.mu.Unlock()
	j.stop()
	for _, name := range j.names() {
		j.drop(name)
	}
	j.running.Wait()
	j.scopes.Wait()
}
