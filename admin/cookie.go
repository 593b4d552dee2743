package admin

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"gatehouse/auth/session"
	"gatehouse/policy"
)

// Lives of a cookie.
const (
	cookieIdle     = 30 * time.Minute
	cookieAbsolute = 12 * time.Hour
)

// cookieJar holds the logins that a browser carries on. A cookie's value is
// 128 random bits or more; the jar knows its hash alone.
type cookieJar struct {
	now func() time.Time

	mu   sync.Mutex // guards held
	held map[[32]byte]*login
}

type login struct {
	session *session.Session
	began   time.Time
	used    time.Time
}

func newCookieJar(now func() time.Time) *cookieJar {
	return &cookieJar{now: now, held: map[[32]byte]*login{}}
}

// add begins a login and returns the cookie's value. It also lets go of logins
// that have ended, so the jar holds no more than there are sessions.
func (j *cookieJar) add(s *session.Session) string {
	value, now := rand.Text(), j.now()
	j.mu.Lock()
	defer j.mu.Unlock()
	for key, l := range j.held {
		if l.ended(now) {
			delete(j.held, key)
			l.session.Close()
		}
	}
	j.held[sha256.Sum256([]byte(value))] = &login{session: s, began: now, used: now}
	return value
}

// get returns the session of a cookie, nil where it has ended.
func (j *cookieJar) get(value string) *session.Session {
	key, now := sha256.Sum256([]byte(value)), j.now()
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.held[key]
	if l == nil {
		return nil
	}
	if l.ended(now) {
		delete(j.held, key)
		l.session.Close()
		return nil
	}
	l.used = now
	return l.session
}

// remove ends a login.
func (j *cookieJar) remove(value string) {
	key := sha256.Sum256([]byte(value))
	j.mu.Lock()
	l := j.held[key]
	delete(j.held, key)
	j.mu.Unlock()
	if l != nil {
		l.session.Close()
	}
}

// close ends every login.
func (j *cookieJar) close() {
	j.mu.Lock()
	held := j.held
	j.held = map[[32]byte]*login{}
	j.mu.Unlock()
	for _, l := range held {
		l.session.Close()
	}
}

func (l *login) ended(now time.Time) bool {
	return l.session.Context().Err() != nil || now.Sub(l.used) > cookieIdle || now.Sub(l.began) > cookieAbsolute
}

// cookieName differs by transport: the __Host- prefix, which binds a cookie to
// this host and to TLS (RFC 6265bis 4.1.3.2), is refused by browsers without it.
func cookieName(t policy.Transport) string {
	if t == policy.Clear {
		return "gatehouse"
	}
	return "__Host-gatehouse"
}

func cookieFor(t policy.Transport, value string) http.Cookie {
	c := http.Cookie{
		Name: cookieName(t), Value: value, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: t != policy.Clear,
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// webCaller finds the caller by its cookie.
func (a *API) webCaller(r *http.Request) *caller {
	address, transport := a.Connection(r)
	cookie, err := r.Cookie(cookieName(transport))
	if err != nil {
		return nil
	}
	s := a.cookies.get(cookie.Value)
	if s == nil || !s.Renew(r.Context(), address, transport) {
		return nil
	}
	return &caller{Name: s.Account(), Role: s.Role(), Session: s, Cookie: cookie.Value}
}
