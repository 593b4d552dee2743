package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

type loginInput struct {
	Body struct {
		Username string `json:"username" minLength:"1" maxLength:"400"`
		Password string `json:"password" maxLength:"4096"`
	}
	UserAgent string `header:"User-Agent"`
}

type loginOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
	Body      SelfView
}

// SelfView is what an account sees of itself.
type SelfView struct {
	Username   string `json:"username"`
	Role       string `json:"role"`
	MustChange bool   `json:"must_change_password"`
}

type bodyOf[T any] struct{ Body T }

type nothing struct{}

func (a *API) registerSelf(api huma.API) {
	huma.Register(api, operation("login", http.MethodPost, "/login", "Log in with a password", rightAnyone), a.login)
	huma.Register(api, operation("logout", http.MethodPost, "/logout", "End this login", rightSelf), a.logout)
	huma.Register(api, operation("me", http.MethodGet, "/me", "Who is logged in", rightSelf), a.me)
	huma.Register(api, operation("change-own-password", http.MethodPut, "/me/password", "Change one's own password", rightSelf), a.changeOwnPassword)
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

func (a *API) login(ctx context.Context, in *loginInput) (*loginOutput, error) {
	c := callerOf(ctx)
	s, err := a.Sessions.Login(ctx, auth.Attempt{
		Account: in.Body.Username, Password: in.Body.Password, Door: policy.API,
		Address: c.Address, Transport: c.Transport, Client: in.UserAgent,
	})
	if err != nil {
		return nil, a.problem(err)
	}
	a.cookies.remove(c.Cookie) // a browser's new login takes the place of its old one
	return a.loggedIn(c, s), nil
}

// loggedIn begins a login that a cookie carries on.
func (a *API) loggedIn(c caller, s *session.Session) *loginOutput {
	return &loginOutput{
		SetCookie: cookieFor(c.Transport, a.cookies.add(s)),
		Body:      SelfView{s.Account(), string(s.Role()), s.MustChange()},
	}
}

type logoutOutput struct {
	SetCookie http.Cookie `header:"Set-Cookie"`
}

func (a *API) logout(ctx context.Context, _ *nothing) (*logoutOutput, error) {
	c := callerOf(ctx)
	a.cookies.remove(c.Cookie)
	return &logoutOutput{SetCookie: cookieFor(c.Transport, "")}, nil
}

func (a *API) me(ctx context.Context, _ *nothing) (*bodyOf[SelfView], error) {
	c := callerOf(ctx)
	view := SelfView{Username: c.Name, Role: string(c.Role)}
	if !c.Socket() {
		view.MustChange = c.Session.MustChange()
	}
	return &bodyOf[SelfView]{view}, nil
}

type ownPasswordInput struct {
	Body struct {
		Current string `json:"current" maxLength:"4096"`
		New     string `json:"new" maxLength:"4096"`
	}
}

// changeOwnPassword asks for the present password again, so that a browser left
// open cannot be used to take the account over. The new login is the answer's.
func (a *API) changeOwnPassword(ctx context.Context, in *ownPasswordInput) (*loginOutput, error) {
	c := callerOf(ctx)
	if c.Socket() {
		return nil, huma.NewError(http.StatusForbidden, "the socket has no password of its own")
	}
	if err := a.ownPasswordAllowed(ctx, c); err != nil {
		return nil, err
	}
	again := auth.Attempt{
		Account: c.Name, Password: in.Body.Current, Door: policy.API, Address: c.Address, Transport: c.Transport,
	}
	proof, err := a.Sessions.Login(ctx, again)
	if err != nil {
		return nil, a.problem(err)
	}
	proof.Close()
	if in.Body.New == in.Body.Current {
		return nil, a.problem(&accounts.InvalidError{Field: "new", Why: "is the present password"})
	}
	if _, err := a.Sessions.SetPassword(ctx, c.Name, in.Body.New, false); err != nil {
		return nil, a.problem(err)
	}
	if err := a.record(ctx, "account.password", c.Name, nil, nil); err != nil {
		return nil, a.problem(err)
	}
	a.cookies.remove(c.Cookie)
	again.Password = in.Body.New
	s, err := a.Sessions.Login(ctx, again)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.loggedIn(c, s), nil
}

// ownPasswordAllowed refuses what the site has switched off, and a shared
// account: whoever changed its password would shut the others out. A password
// that must be changed may be.
func (a *API) ownPasswordAllowed(ctx context.Context, c caller) error {
	x, err := a.Accounts.ByID(ctx, c.Session.AccountID())
	if err != nil {
		return a.problem(err)
	}
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return a.problem(err)
	}
	if c.Session.MustChange() || site.SelfService.Password && !x.Shared {
		return nil
	}
	return huma.NewError(http.StatusForbidden, "an administrator changes the password of this account")
}

// record makes a change durable as an event before the answer goes out, as far
// as the site insists on it.
func (a *API) record(ctx context.Context, kind events.Kind, account string, before, after map[string]any) error {
	c := callerOf(ctx)
	e := events.Event{
		Kind: kind, Outcome: events.OK, Account: account, Actor: c.actor(), Door: string(policy.API),
		Address: c.Address, Before: before, After: after,
	}
	if c.Session != nil {
		e.Session = c.Session.ID()
	}
	err := a.Events.Record(ctx, e)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if site, e := a.Accounts.Site(ctx); e != nil || site.Audit.OnFailure != policy.AuditContinue {
		return err
	}
	a.Log.Error("an event was not recorded", "kind", string(kind), "error", err)
	return nil
}
