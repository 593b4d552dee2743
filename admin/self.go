package admin

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

type bodyOf[T any] struct{ Body T }

type nothing struct{}

func (a *API) registerSelf(api huma.API) {
	huma.Register(api, operation("login", http.MethodPost, "/login", "Log in with a password, and a code where there is one", rightAnyone), a.login)
	huma.Register(api, operation("step-up", http.MethodPost, "/login/step-up", "Prove the login anew, for what takes a fresh one", rightSelf), a.stepUp)
	huma.Register(api, operation("logout", http.MethodPost, "/logout", "End this login", rightSelf), a.logout)
	a.registerMe(api)
	a.registerOwnPassword(api)
	a.registerOwnFactor(api)
	a.registerOwnCredentials(api)
	a.registerOwnClients(api)
	a.registerOwnSessions(api)
	a.registerConnect(api)
	a.registerAcceptance(api)
}

// operation describes an operation and who may call it.
func operation(id, method, path, summary string, needs right) huma.Operation {
	op := huma.Operation{
		OperationID: id, Method: method, Path: path, Summary: summary,
		Metadata: map[string]any{"right": needs}, MaxBodyBytes: 1 << 20,
	}
	// A merge patch may be null anywhere, which its schema cannot say: merge and
	// the store judge it.
	op.SkipValidateBody = method == http.MethodPatch
	if method == http.MethodPost || method == http.MethodDelete || method == http.MethodPut {
		op.DefaultStatus = http.StatusOK
	}
	return op
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
	c := callerOf(ctx)
	s, err := a.Sessions.Login(ctx, auth.Attempt{
		Account: in.Body.Username, Password: in.Body.Password, Code: in.Body.Code, Door: policy.API,
		Address: c.Address, Transport: c.Transport, Client: in.UserAgent,
	})
	if err != nil {
		return nil, a.loginProblem(err)
	}
	a.cookies.remove(c.Cookie) // a browser's new login takes the place of its old one
	return &loginOutput{SetCookie: cookieFor(faceAPI, c.Transport, a.cookies.add(s, faceAPI)), Body: sessionView(s)}, nil
}

func (a *API) loginProblem(err error) error {
	if _, ok := errors.AsType[*auth.CodeNeededError](err); ok {
		return huma.NewError(http.StatusUnauthorized, "a code of the second factor is needed",
			&huma.ErrorDetail{Location: "body.code", Message: "send the password again together with a code"})
	}
	return a.problem(err)
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
	c := callerOf(ctx)
	if err := c.interactive(); err != nil {
		return nil, err
	}
	if err := a.prove(ctx, c, in.Body.Password, in.Body.Code, in.UserAgent); err != nil {
		return nil, err
	}
	return a.renewed(c), nil
}

// prove proves the caller's account once more. What is wrong counts as a failed login.
func (a *API) prove(ctx context.Context, c caller, password, code, client string) error {
	err := a.Sessions.StepUp(ctx, c.Session, auth.Attempt{
		Address: c.Address, Transport: c.Transport, Client: client, Password: password, Code: code,
	})
	return a.loginProblem(err)
}

// renewed gives the caller's login a new cookie.
func (a *API) renewed(c caller) *loginOutput {
	return &loginOutput{SetCookie: cookieFor(faceAPI, c.Transport, a.cookies.renew(c.Cookie)), Body: sessionView(c.Session)}
}

// interactive refuses who has not logged in with a password.
func (c caller) interactive() error {
	switch {
	case c.Socket():
		return huma.NewError(http.StatusForbidden, "the local socket has no account of its own")
	case c.Session == nil:
		return huma.NewError(http.StatusUnauthorized, "log in first")
	case c.Bearer || !c.Session.Interactive():
		return huma.NewError(http.StatusForbidden, "this takes a login with a password: POST /login")
	}
	return nil
}

type logoutOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (a *API) logout(ctx context.Context, _ *nothing) (*logoutOutput, error) {
	c := callerOf(ctx)
	if err := c.interactive(); err != nil {
		return nil, err
	}
	a.cookies.remove(c.Cookie)
	return &logoutOutput{SetCookie: cookieFor(faceAPI, c.Transport, "")}, nil
}

// own returns the caller's account and the site's policy.
func (a *API) own(ctx context.Context) (accounts.Account, policy.Site, error) {
	c := callerOf(ctx)
	if c.Session == nil { // nobody, or a login that has ended since the page asked for it
		return accounts.Account{}, policy.Site{}, huma.NewError(http.StatusUnauthorized, "log in first")
	}
	x, err := a.Accounts.ByID(ctx, c.Session.AccountID())
	if err != nil {
		return x, policy.Site{}, a.problem(err)
	}
	site, err := a.Accounts.Site(ctx)
	return x, site.Site, a.problem(err)
}
