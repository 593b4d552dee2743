package admin

import (
	"context"
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
	mu   sync.Mutex // guards held
	held map[[32]byte]*login
}

type login struct {
	session *session.Session
	began   time.Time
	end     *time.Timer
	gone    func() bool // calls off what follows the session's end
}

func newCookieJar() *cookieJar { return &cookieJar{held: map[[32]byte]*login{}} }

// add begins a login and returns the cookie's value. The login ends by itself:
// when it stays idle, when its time is up, or with its session.
func (j *cookieJar) add(s *session.Session) string {
	value := rand.Text()
	key := sha256.Sum256([]byte(value))
	j.mu.Lock()
	defer j.mu.Unlock()
	j.held[key] = &login{
		session: s, began: time.Now(),
		end:  time.AfterFunc(cookieIdle, func() { j.drop(key) }),
		gone: context.AfterFunc(s.Context(), func() { j.drop(key) }),
	}
	return value
}

// get returns the session of a cookie, nil where it has ended.
func (j *cookieJar) get(value string) *session.Session {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.held[sha256.Sum256([]byte(value))]
	if l == nil {
		return nil
	}
	left := cookieAbsolute - time.Since(l.began)
	if left <= 0 || l.session.Context().Err() != nil {
		return nil // its end is on the way
	}
	l.end.Reset(min(cookieIdle, left))
	return l.session
}

// remove ends a login.
func (j *cookieJar) remove(value string) { j.drop(sha256.Sum256([]byte(value))) }

func (j *cookieJar) drop(key [32]byte) {
	j.mu.Lock()
	l := j.held[key]
	delete(j.held, key)
	j.mu.Unlock()
	if l != nil {
		l.close()
	}
}

// close ends every login.
func (j *cookieJar) close() {
	j.mu.Lock()
	held := j.held
	j.held = map[[32]byte]*login{}
	j.mu.Unlock()
	for _, l := range held {
		l.close()
	}
}

func (l *login) close() {
	l.end.Stop()
	l.gone()
	l.session.Close()
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
