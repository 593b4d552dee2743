package logins

import "gatehouse/auth/session"

// An arrival is a login that requests are being answered for. One that ends after
// it was read from the store, and before this node has a copy of its session,
// would otherwise leave a session behind that nobody ends.
type arrival struct {
	requests int
	over     bool // the login has ended meanwhile
}

// arrive notes a request before it asks the store for its login. The caller
// departs once it knows of its session.
func (j *Jar) arrive(name string) (depart func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	a := j.arriving[name]
	if a == nil {
		a = &arrival{}
		j.arriving[name] = a
	}
	a.requests++
	return func() {
		j.mu.Lock()
		defer j.mu.Unlock()
		if a.requests--; a.requests == 0 {
			delete(j.arriving, name)
		}
	}
}

// turnAway has requests that are on their way to a login find that it has ended:
// the caller holds j.mu.
func (j *Jar) turnAway(name string) {
	if a := j.arriving[name]; a != nil {
		a.over = true
	}
}

// gone lets go of a login that the store has no more.
func (j *Jar) gone(name string) {
	j.mu.Lock()
	j.turnAway(name)
	j.mu.Unlock()
	j.drop(name)
}

// enter is hold for a request that has arrived; false where the login has ended
// since. A session that no other login needs is left then.
func (j *Jar) enter(name string, s *session.Session, l login) bool {
	j.hold(name, s, l)
	j.mu.Lock()
	a := j.arriving[name]
	over := a != nil && a.over
	j.mu.Unlock()
	if over {
		j.drop(name)
	}
	return !over
}
