// Package self is what an account does for itself: logging in, its profile, its
// credentials, its sessions; over the API, and at the pages of /account/.
package self

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/credential"
	"gatehouse/admin/invitation"
	"gatehouse/admin/rest"
	"gatehouse/admin/rest/logins"
	"gatehouse/admin/rights"
	"gatehouse/admin/usage"
	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// An API answers an account that asks for itself. Safe for concurrent use.
type API struct {
	*rights.Judge
	credentials *credential.Keeper
	links       *invitation.API
	usage       *usage.API
}

// New makes the API over those that do the same for others.
func New(j *rights.Judge, k *credential.Keeper, links *invitation.API, u *usage.API) *API {
	return &API{j, k, links, u}
}

// Register adds the operations to the API.
func (a *API) Register(api huma.API) {
	huma.Register(api, rest.Operation("login", http.MethodPost, "/login", "Log in with a password, and a code where there is one", rest.Anyone), a.login)
	huma.Register(api, rest.Operation("step-up", http.MethodPost, "/login/step-up", "Prove the login anew, for what takes a fresh one", rest.Self), a.stepUp)
	huma.Register(api, rest.Operation("logout", http.MethodPost, "/logout", "End this login", rest.Self), a.logout)
	a.registerMe(api)
	a.registerOwnPassword(api)
	a.registerOwnFactor(api)
	a.registerOwnCredentials(api)
	a.registerOwnClients(api)
	a.registerOwnSessions(api)
	a.registerConnect(api)
}

type loginInput struct {
	Body struct {
		Username string `json:"username" minLength:"1" maxLength:"400"`
		Password string `json:"password" maxLength:"4096"`
		Code     string `json:"code,omitempty" maxLength:"64" doc:"of the second factor, or a recovery code"`
	}
	UserAgent string `header:"User-Agent"`
}

type loginOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      SessionView
}

// SessionView is how a login stands.
type SessionView struct {
	Username   string `json:"username"`
	Role       string `json:"role"`
	MustChange bool   `json:"must_change_password"`
	MustEnrol  bool   `json:"must_enrol" doc:"a second factor is required, and there is none yet"`
	Fresh      bool   `json:"fresh" doc:"proved within the last 10 minutes, as a change of credentials takes"`
}

func sessionView(s *session.Session) SessionView {
	return SessionView{
		Username: s.Account(), Role: string(s.Role()), MustChange: s.MustChange(), MustEnrol: s.MustEnrol(), Fresh: s.Interactive() && s.Fresh(),
	}
}

// login says that a code is needed only to who had the password right.
func (a *API) login(ctx context.Context, in *loginInput) (*loginOutput, error) {
	c := rest.CallerOf(ctx)
	s, err := a.Sessions.Login(ctx, auth.Attempt{
		Account: in.Body.Username, Password: in.Body.Password, Code: in.Body.Code, Door: policy.API,
		Address: c.Address, Transport: c.Transport, Client: in.UserAgent,
	})
	if err != nil {
		return nil, a.loginProblem(err)
	}
	value, err := a.begin(ctx, c, s, logins.API)
	if err != nil {
		return nil, a.Problem(err)
	}
	return &loginOutput{SetCookie: rest.CookieFor(logins.API, c.Transport, value), Body: sessionView(s)}, nil
}

// begin keeps a session as the browser's login, in the place of its old one: who
// knew that cookie, or gave it one, has nothing. A session that cannot be kept ends.
func (a *API) begin(ctx context.Context, c rest.Caller, s *session.Session, f logins.Face) (string, error) {
	value, err := a.Cookies.Begin(ctx, s, f)
	if err == nil {
		err = a.Cookies.End(ctx, c.Cookie)
	}
	if err != nil {
		s.Close()
	}
	return value, err
}

func (a *API) loginProblem(err error) error {
	if _, ok := errors.AsType[*auth.CodeNeededError](err); ok {
		return huma.NewError(http.StatusUnauthorized, "a code of the second factor is needed",
			&huma.ErrorDetail{Location: "body.code", Message: "send the password again together with a code"})
	}
	return a.Problem(err)
}

type stepUpInput struct {
	Body struct {
		Password string `json:"password" maxLength:"4096"`
		Code     string `json:"code,omitempty" maxLength:"64"`
	}
	UserAgent string `header:"User-Agent"`
}

// stepUp proves the account once more and gives the login a new id: who knew the
// old one gains nothing by it.
func (a *API) stepUp(ctx context.Context, in *stepUpInput) (*loginOutput, error) {
	c := rest.CallerOf(ctx)
	if err := c.Interactive(); err != nil {
		return nil, err
	}
	if err := a.prove(ctx, c, in.Body.Password, in.Body.Code, in.UserAgent); err != nil {
		return nil, err
	}
	return a.renewed(ctx, c)
}

// prove proves the caller's account once more. What is wrong counts as a failed login.
func (a *API) prove(ctx context.Context, c rest.Caller, password, code, client string) error {
	err := a.Sessions.StepUp(ctx, c.Session, auth.Attempt{
		Address: c.Address, Transport: c.Transport, Client: client, Password: password, Code: code,
	})
	return a.loginProblem(err)
}

// renewed gives the caller's login a new cookie.
func (a *API) renewed(ctx context.Context, c rest.Caller) (*loginOutput, error) {
	cookie, err := a.newCookie(ctx, c)
	return &loginOutput{SetCookie: cookie, Body: sessionView(c.Session)}, err
}

// newCookie gives a login over the API another value; none where it has ended.
func (a *API) newCookie(ctx context.Context, c rest.Caller) (http.Cookie, error) {
	value, err := a.renew(ctx, c)
	return rest.CookieFor(logins.API, c.Transport, value), err
}

// renew gives a login another value, after what it did; "" where it has ended.
func (a *API) renew(ctx context.Context, c rest.Caller) (string, error) {
	value, err := a.Cookies.Renew(ctx, c.Cookie, c.Session)
	if err != nil {
		a.Log.Error("a login got no new cookie", "account", c.Name, "error", err)
		return "", huma.NewError(http.StatusServiceUnavailable, "this is done, but the login cannot go on, since the store does not answer: log in again")
	}
	return value, nil
}

type cookieOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (a *API) logout(ctx context.Context, _ *rest.Nothing) (*cookieOutput, error) {
	c := rest.CallerOf(ctx)
	if err := c.Interactive(); err != nil {
		return nil, err
	}
	if err := a.Cookies.End(ctx, c.Cookie); err != nil {
		return nil, a.Problem(err)
	}
	return &cookieOutput{SetCookie: rest.CookieFor(logins.API, c.Transport, "")}, nil
}

// own returns the caller's account and the site's policy.
func (a *API) own(ctx context.Context) (accounts.Account, policy.Site, error) {
	c := rest.CallerOf(ctx)
	if c.Session == nil { // nobody, or a login that has ended since the page asked for it
		return accounts.Account{}, policy.Site{}, huma.NewError(http.StatusUnauthorized, "log in first")
	}
	x, err := a.Accounts.ByID(ctx, c.Session.AccountID())
	if err != nil {
		return x, policy.Site{}, a.Problem(err)
	}
	site, err := a.Accounts.Site(ctx)
	return x, site.Site, a.Problem(err)
}

// ownEffective returns the caller's account with what holds for it. The local
// socket has none.
func (a *API) ownEffective(ctx context.Context) (accounts.Account, policy.Effective, error) {
	if c := rest.CallerOf(ctx); c.Socket() {
		return accounts.Account{}, policy.Effective{}, c.Interactive()
	}
	x, _, err := a.own(ctx)
	if err != nil {
		return x, policy.Effective{}, err
	}
	e, err := a.Accounts.Effective(ctx, x)
	return x, e, a.Problem(err)
}
