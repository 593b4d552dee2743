package webdav

import (
	"errors"
	"net/http"
	"net/netip"
	"strings"
	"unicode/utf8"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
)

// Origin is who sent a request, and how it travelled.
type Origin struct {
	Address   netip.Addr
	Transport policy.Transport
}

// direct takes the origin from the connection itself.
func direct(r *http.Request) Origin {
	o := Origin{Transport: policy.Clear}
	if r.TLS != nil {
		o.Transport = policy.TLS
	}
	if a, err := netip.ParseAddrPort(r.RemoteAddr); err == nil {
		o.Address = a.Addr().Unmap()
	}
	return o
}

const (
	textLogin  = "log in with your account"
	textClear  = "this server takes passwords over an encrypted connection only: use https"
	maxAgent   = 256
	maxAccount = 1024
)

// login admits one request. A credential that came in the clear from anywhere
// but this machine is not looked at.
func (h *Handler) login(r *http.Request) (*session.Session, func(), error) {
	from := h.c.Origin(r)
	if from.Transport == policy.Clear && !from.Address.IsLoopback() {
		return nil, nil, h.tooClear(r, from)
	}
	name, password, ok := r.BasicAuth()
	name, password = readable(name), readable(password)
	if !ok || name == "" || len(name) > maxAccount {
		return nil, nil, refuse(http.StatusUnauthorized, textLogin)
	}
	s, done, err := h.c.Sessions.Request(r.Context(), auth.Attempt{
		Account:   name,
		Door:      policy.WebDAV,
		Address:   from.Address,
		Transport: from.Transport,
		Client:    clip(r.UserAgent(), maxAgent),
		Password:  password,
	})
	var refused *auth.RefusedError
	if errors.As(err, &refused) {
		return nil, nil, refuse(http.StatusUnauthorized, refused.Error())
	}
	if err != nil {
		return nil, nil, &awayError{err}
	}
	return s, done, nil
}

// readable is s in UTF-8, which the challenge asks for (RFC 7617 2.1). Some clients
// send Latin-1 all the same, which is hardly ever UTF-8 by chance.
func readable(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	runes := make([]rune, len(s))
	for i := range len(s) {
		runes[i] = rune(s[i])
	}
	return string(runes)
}

// tooClear refuses what came in the clear, and leaves an event that names nobody:
// whose credential it is was not looked at.
func (h *Handler) tooClear(r *http.Request, from Origin) error {
	err := h.c.Sessions.RefuseOverheard(r.Context(), auth.Attempt{
		Door: policy.WebDAV, Address: from.Address, Transport: from.Transport, Client: clip(r.UserAgent(), maxAgent),
	})
	if refused, ok := errors.AsType[*auth.RefusedError](err); ok {
		return refuse(http.StatusForbidden, textClear+" (reference "+refused.Reference+")")
	}
	return &awayError{err}
}

// challenge asks for Basic authentication (RFC 7617) and nothing else.
func (h *Handler) challenge(header http.Header) {
	realm := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(h.c.Realm)
	header.Set("WWW-Authenticate", `Basic realm="`+realm+`", charset="UTF-8"`)
}

func clip(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
