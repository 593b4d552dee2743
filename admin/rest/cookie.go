package rest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/protocols/places"
)

// Lives of a cookie.
const (
	cookieIdle     = 30 * time.Minute
	cookieAbsolute = 12 * time.Hour
	// codePatience is how long a login waits for its code.
	codePatience = 5 * time.Minute
)

// A Face is what a cookie is for: a login to the pages is none to the API, which
// the account's protocols may leave out.
type Face string

// The faces, which are the cookies' names.
const (
	FaceAPI   Face = "gatehouse"
	FacePages Face = "gatehouse-account"
	// faceCode is a login at the pages that waits for its code.
	FaceCode Face = "gatehouse-code"
)

// Jar holds the logins that a browser carries on. A cookie's value is
// 128 random bits or more; the jar knows its hash alone.
type Jar struct {
	mu      sync.Mutex // guards what follows
	held    map[[32]byte]*login
	waiting map[[32]byte]*waiting
}

type login struct {
	face    Face
	session *session.Session
	began   time.Time
	end     *time.Timer
	gone    func() bool // calls off what follows the session's end
	// enrolment is a second factor that waits for its first code.
	enrolment *auth.Enrolment
}

// waiting is a login whose password was right and whose code is to come.
type waiting struct {
	attempt auth.Attempt
	end     *time.Timer
}

// NewJar makes an empty jar.
func NewJar() *Jar {
	return &Jar{held: map[[32]byte]*login{}, waiting: map[[32]byte]*waiting{}}
}

func keyOf(value string) [32]byte { return sha256.Sum256([]byte(value)) }

// Add begins a login and returns the cookie's value. The login ends by itself:
// when it stays idle, when its time is up, or with its session.
func (j *Jar) Add(s *session.Session, f Face) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.put(&login{face: f, session: s, began: time.Now()})
}

// put gives a login a new value. Who knew another one knows nothing any more.
func (j *Jar) put(l *login) string {
	value := rand.Text()
	key := keyOf(value)
	j.held[key] = l
	l.end = time.AfterFunc(l.patience(), func() { j.drop(key) })
	l.gone = context.AfterFunc(l.session.Context(), func() { j.drop(key) })
	return value
}

// patience is how long a login may stay unused from now on.
func (l *login) patience() time.Duration { return min(cookieIdle, cookieAbsolute-time.Since(l.began)) }

// Renew gives a login a new value, as step-up and a new password do; "" where
// there is none.
func (j *Jar) Renew(value string) string {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.held[keyOf(value)]
	if l == nil {
		return ""
	}
	delete(j.held, keyOf(value))
	l.end.Stop()
	l.gone()
	return j.put(l)
}

// get returns the session of a cookie, nil where it has ended or is for another face.
func (j *Jar) get(value string, f Face) *session.Session {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.held[keyOf(value)]
	if l == nil || l.face != f {
		return nil
	}
	left := l.patience()
	if left <= 0 || l.session.Context().Err() != nil {
		return nil // its end is on the way
	}
	l.end.Reset(left)
	return l.session
}

// Enrol keeps a second factor that a login has begun; nil forgets it.
func (j *Jar) Enrol(value string, e *auth.Enrolment) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if l := j.held[keyOf(value)]; l != nil {
		l.enrolment = e
	}
}

// Enrolling returns the second factor that a login has begun.
func (j *Jar) Enrolling(value string) (auth.Enrolment, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	l := j.held[keyOf(value)]
	if l == nil || l.enrolment == nil {
		return auth.Enrolment{}, false
	}
	return *l.enrolment, true
}

// Wait keeps an attempt for its code, and returns what finds it again.
func (j *Jar) Wait(a auth.Attempt) string {
	value := rand.Text()
	key := keyOf(value)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.waiting[key] = &waiting{attempt: a, end: time.AfterFunc(codePatience, func() { j.forget(key) })}
	return value
}

// Waits returns an attempt that waits for its code.
func (j *Jar) Waits(value string) (auth.Attempt, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	w := j.waiting[keyOf(value)]
	if w == nil {
		return auth.Attempt{}, false
	}
	return w.attempt, true
}

// Forget gives up an attempt that waited for its code.
func (j *Jar) Forget(value string) { j.forget(keyOf(value)) }

func (j *Jar) forget(key [32]byte) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if w := j.waiting[key]; w != nil {
		w.end.Stop()
		delete(j.waiting, key)
	}
}

// Remove ends a login.
func (j *Jar) Remove(value string) { j.drop(keyOf(value)) }

func (j *Jar) drop(key [32]byte) {
	j.mu.Lock()
	l := j.held[key]
	delete(j.held, key)
	j.mu.Unlock()
	if l != nil {
		l.close()
	}
}

// Close ends every login.
func (j *Jar) Close() {
	j.mu.Lock()
	held := j.held
	j.held = map[[32]byte]*login{}
	for _, w := range j.waiting {
		w.end.Stop()
	}
	j.waiting = map[[32]byte]*waiting{}
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

// CookieName differs by transport: the __Host- prefix, which binds a cookie to
// this host and to TLS (RFC 6265bis 4.1.3.2), is refused by browsers without it.
func CookieName(f Face, t policy.Transport) string {
	if t == policy.Clear {
		return string(f)
	}
	return "__Host-" + string(f)
}

// CookieFor makes a cookie; an empty value takes it away.
func CookieFor(f Face, t policy.Transport, value string) http.Cookie {
	c := http.Cookie{
		Name: CookieName(f, t), Value: value, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: t != policy.Clear,
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// CookieCaller finds the caller by a cookie of a face.
func (a *API) CookieCaller(r *http.Request, f Face) *Caller {
	address, transport := a.Connection(r)
	cookie, err := r.Cookie(CookieName(f, transport))
	if err != nil {
		return nil
	}
	s := a.Cookies.get(cookie.Value, f)
	if s == nil || !s.Renew(r.Context(), address, transport) {
		return nil
	}
	x, err := a.Accounts.ByID(r.Context(), s.AccountID())
	if err != nil {
		return nil
	}
	places.From(r.Context()).Keep()
	return &Caller{Name: x.Name, Role: x.Role, Session: s, Cookie: cookie.Value}
}
