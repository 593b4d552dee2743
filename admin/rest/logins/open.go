package logins

import (
	"context"
	"errors"
	"time"

	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/pause"
	"gatehouse/storage/state"
	"gatehouse/storage/state/follow"
)

// again is the pause after which a store that was away is asked once more.
const again = time.Second

// open is a login that this node has a copy of the session of.
type open struct {
	session  *session.Session
	login    login // as it was last read or written here
	end      *time.Timer
	ended    func() bool // calls off what follows the session's end
	touching bool
}

// held returns this node's copy of a login's session, nil where somebody has ended
// it; known is false where there is no copy.
func (j *Jar) held(name string, l login) (s *session.Session, known bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	o := j.open[name]
	switch {
	case j.ended[name], o != nil && wasEnded(o.session):
		return nil, true
	case o == nil || o.session.Context().Err() != nil:
		return nil, false
	}
	o.know(l)
	return o.session, true
}

// wasEnded reports whether somebody has ended a session, and neither policy nor
// its client has.
func wasEnded(s *session.Session) bool {
	cut, ok := errors.AsType[*session.CutError](context.Cause(s.Context()))
	return ok && cut.Decision.Rule == policy.RuleEnded
}

// know takes in how a login stands.
func (o *open) know(l login) {
	if l.revision < o.login.revision {
		return
	}
	o.login = l
	o.end.Reset(time.Until(l.ends()))
}

// hold notes that this node has a session for a login, until that ends, by
// whichever way.
func (j *Jar) hold(name string, s *session.Session, l login) {
	j.watching.Do(j.watch)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return // who ends all sessions ends this one
	}
	if o := j.open[name]; o != nil {
		if o.session == s {
			o.know(l)
			return
		}
		j.forget(name, o)
	}
	o := &open{session: s, login: l}
	o.end = time.AfterFunc(time.Until(l.ends()), func() { j.lapse(name) })
	o.ended = context.AfterFunc(s.Context(), func() { j.left(name, s) })
	j.open[name] = o
	j.copies[s]++
}

// forget takes a login out, and reports whether its session serves no other: the
// caller holds j.mu.
func (j *Jar) forget(name string, o *open) (last bool) {
	delete(j.open, name)
	o.end.Stop()
	o.ended()
	if j.copies[o.session]--; j.copies[o.session] > 0 {
		return false
	}
	delete(j.copies, o.session)
	return true
}

// take is forget by name; it returns the session that nothing needs any more.
func (j *Jar) take(name string) *session.Session {
	j.mu.Lock()
	defer j.mu.Unlock()
	if o := j.open[name]; o != nil && j.forget(name, o) {
		return o.session
	}
	return nil
}

// let takes back that a session is held for a login.
func (j *Jar) let(name string) { j.take(name) }

// drop ends this node's copy of a login that is no more: who ended it has said so.
func (j *Jar) drop(name string) {
	if s := j.take(name); s != nil {
		s.Leave()
	}
}

// close ends a login's session, whose client has gone.
func (j *Jar) close(name string) {
	j.mu.Lock()
	j.turnAway(name)
	j.mu.Unlock()
	if s := j.take(name); s != nil {
		s.Close()
	}
}

func (j *Jar) names() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	names := make([]string, 0, len(j.open))
	for name := range j.open {
		names = append(names, name)
	}
	for name := range j.arriving {
		if j.open[name] == nil {
			names = append(names, name)
		}
	}
	return names
}

// touching reports whether the caller is the one to write that a login is in use.
func (j *Jar) touching(name string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	o := j.open[name]
	if o == nil || o.touching {
		return false
	}
	o.touching = true
	return true
}

func (j *Jar) touched(name string, l login, kept bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	o := j.open[name]
	if o == nil {
		return
	}
	if o.touching = false; kept {
		o.know(l)
	}
}

// left does what follows the end of a session. Where somebody has ended it, its
// login has ended as well; where policy has, or this node goes, it may go on as
// soon, and where, policy lets it.
func (j *Jar) left(name string, s *session.Session) {
	j.mu.Lock()
	if o := j.open[name]; o != nil && o.session == s { // and none that goes on in its place
		j.forget(name, o)
	}
	j.mu.Unlock()
	if !wasEnded(s) {
		return
	}
	j.mark(name, true)
	j.run(func() {
		j.insist(func(ctx context.Context) error {
			_, err := j.remove(ctx, name)
			return err
		})
		j.mark(name, false)
	})
}

// mark notes that a login has ended which the store still has, or has no more.
func (j *Jar) mark(name string, ended bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if delete(j.ended, name); ended {
		j.ended[name] = true
	}
}

// insist does something as soon as the store lets it, until the jar is closed or
// the login is over anyway.
func (j *Jar) insist(do func(context.Context) error) {
	for end := time.Now().Add(idle); time.Now().Before(end); {
		ctx, cancel := context.WithTimeout(j.ctx, patience)
		err := do(ctx)
		cancel()
		if err == nil || pause.For(j.ctx, again) != nil {
			return
		}
	}
}

// lapse looks after a login that nobody uses here: on another node it may be used.
func (j *Jar) lapse(name string) {
	j.later(func(ctx context.Context) {
		l, err := j.read(ctx, name)
		if err == nil && !time.Now().Before(l.ends()) {
			j.over(name)
			return
		}
		j.drop(name)
	})
}

// over ends a login whose time is up. Of several nodes one says so.
func (j *Jar) over(name string) {
	j.later(func(ctx context.Context) {
		if ended, err := j.remove(ctx, name); ended && err == nil {
			j.close(name)
			return
		}
		j.drop(name)
	})
}

// watch has logins that end on another node end here, from the first one on.
func (j *Jar) watch() {
	j.run(func() {
		for {
			err := j.scopes.Start(j.ctx, follow.Scope{Name: scope, Load: j.look, One: j.changed, All: func() {}})
			if err == nil || pause.For(j.ctx, again) != nil {
				return
			}
		}
	})
}

func (j *Jar) changed(_ context.Context, c state.Change) error {
	if c.Deleted {
		j.gone(c.Name)
	}
	return nil
}

// look asks for every login that is open here whether it still is one.
func (j *Jar) look(ctx context.Context) (uint64, error) {
	revision, err := j.state.Revision(ctx, scope)
	if err != nil {
		return 0, err
	}
	for _, name := range j.names() {
		_, err := j.state.Get(ctx, scope, name)
		if errors.Is(err, state.ErrNotFound) {
			j.gone(name)
		} else if err != nil {
			return 0, err
		}
	}
	return revision, nil
}
