package rest

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest/logins"
	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/protocols/places"
)

// WebCaller finds the caller by its token or, where there is none, its cookie.
func (a *API) WebCaller(r *http.Request) (*Caller, error) {
	token, sent, err := bearer(r)
	if err != nil {
		return nil, err
	}
	if sent {
		return a.tokenCaller(r, token)
	}
	return a.CookieCaller(r, logins.API)
}

// bearer reads a token from the request (RFC 6750, section 2.1). It is read from
// nowhere else: an address ends up in logs.
func bearer(r *http.Request) (token string, sent bool, err error) {
	sentHeaders := r.Header.Values("Authorization")
	if len(sentHeaders) == 0 {
		return "", false, nil
	}
	scheme, token, _ := strings.Cut(sentHeaders[0], " ")
	if len(sentHeaders) > 1 {
		return "", false, huma.NewError(http.StatusBadRequest, "one Authorization header is taken")
	}
	if !strings.EqualFold(scheme, "Bearer") {
		return "", false, nil
	}
	return strings.TrimSpace(token), true, nil
}

// tokenCaller admits a request with a token. What it may do is what its account
// and its scope both allow now: both are read anew with every request.
func (a *API) tokenCaller(r *http.Request, token string) (*Caller, error) {
	a.current(r.Context())()
	address, transport := a.Connection(r)
	s, done, err := a.Sessions.Request(r.Context(), auth.Attempt{
		Token: token, Door: policy.API, Address: address, Transport: transport, Client: r.UserAgent(),
	})
	if err != nil {
		return nil, err
	}
	x, err := a.Accounts.ByID(r.Context(), s.AccountID())
	if err != nil {
		done()
		return nil, err
	}
	places.From(r.Context()).Keep()
	credential, ok := x.Credential(s.Credential().ID)
	return &Caller{
		Name: x.Name, Role: x.Role, Session: s, Bearer: true, release: done,
		ReadOnly: !ok || credential.Scope.ReadOnly,
	}, nil
}
