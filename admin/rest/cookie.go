package rest

import (
	"net/http"

	"gatehouse/admin/rest/logins"
	"gatehouse/policy"
	"gatehouse/protocols/places"
)

// CookieName differs by transport: the __Host- prefix, which binds a cookie to
// this host and to TLS (RFC 6265bis 4.1.3.2), is refused by browsers without it.
func CookieName(f logins.Face, t policy.Transport) string {
	if t == policy.Clear {
		return string(f)
	}
	return "__Host-" + string(f)
}

// CookieFor makes a cookie; an empty value takes it away.
func CookieFor(f logins.Face, t policy.Transport, value string) http.Cookie {
	c := http.Cookie{
		Name: CookieName(f, t), Value: value, Path: "/",
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: t != policy.Clear,
	}
	if value == "" {
		c.MaxAge = -1
	}
	return c
}

// CookieCaller finds the caller by a cookie of a face; nil is nobody. An error
// says that nobody can tell now: the cookie may be as good as ever.
func (a *API) CookieCaller(r *http.Request, f logins.Face) (*Caller, error) {
	current := a.current(r.Context())
	defer current()
	address, transport := a.Connection(r)
	cookie, err := r.Cookie(CookieName(f, transport))
	if err != nil {
		return nil, nil
	}
	s, proved, err := a.Cookies.Find(r.Context(), cookie.Value, f, current)
	if err != nil || s == nil || !s.Renew(r.Context(), address, transport) {
		return nil, err
	}
	x, err := a.Accounts.ByID(r.Context(), s.AccountID())
	if err != nil {
		return nil, nil
	}
	places.From(r.Context()).Keep()
	return &Caller{Name: x.Name, Role: x.Role, Session: s, Cookie: cookie.Value, Proved: proved}, nil
}
