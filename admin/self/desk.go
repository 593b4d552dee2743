package self

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"gatehouse/admin/invitation"
	"gatehouse/admin/pages"
	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/admin/rest/logins"
	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/accounts/links"
)

// Pages answers the pages of /account/, under the rules of the API.
func (a *API) Pages() http.Handler {
	p := pages.New(pages.Config{
		Desk: &desk{a}, Log: a.Log, KnownHost: a.KnownHost, Key: a.FormKey,
		Overheard: func(r *http.Request) (string, bool) { return a.Overheard(r, policy.AccountPages) },
		Secure: func(r *http.Request) bool {
			_, transport := a.Connection(r)
			return transport != policy.Clear
		},
	})
	return rest.Lasting(p.Handler())
}

// A visit is what one request knows of who is logged in. It is looked for once,
// unless the request itself changes it.
type visit struct {
	cookie string
	caller *rest.Caller // nil: nobody
}

type visitKey struct{}

// Arrive looks for who is logged in, before a page is thought of: where that cannot
// be told now, nobody is taken for logged out.
func (d *desk) Arrive(r *http.Request) (*http.Request, error) {
	v := &visit{cookie: d.cookie(r)}
	var err error
	if v.caller, err = d.api.CookieCaller(r, logins.Pages); err != nil {
		return nil, d.problem(err)
	}
	return r.WithContext(context.WithValue(r.Context(), visitKey{}, v)), nil
}

// cookie is what the browser has of a login.
func (d *desk) cookie(r *http.Request) string {
	_, transport := d.api.Connection(r)
	c, err := r.Cookie(rest.CookieName(logins.Pages, transport))
	if err != nil {
		return ""
	}
	return c.Value
}

// caller returns who is logged in, nil for nobody.
func (d *desk) caller(r *http.Request) *rest.Caller {
	v, ok := r.Context().Value(visitKey{}).(*visit)
	if !ok {
		return nil
	}
	if now := d.cookie(r); now != v.cookie { // this request has changed it
		found, err := d.api.CookieCaller(r, logins.Pages)
		if err != nil {
			return nil // the page is shown as to a stranger; the login stands
		}
		v.cookie, v.caller = now, found
	}
	if v.caller == nil || v.caller.Session.Context().Err() != nil {
		return nil
	}
	found := *v.caller
	return &found
}

// desk does for the pages what the API does for programs.
type desk struct{ api *API }

var _ pages.Desk = (*desk)(nil)

// visit returns the request's context with its caller.
func (d *desk) visit(r *http.Request) (context.Context, rest.Caller, bool) {
	c := d.caller(r)
	ok := c != nil
	if !ok {
		c = &rest.Caller{}
	}
	c.Address, c.Transport = d.api.Connection(r)
	c.Host, c.Door = r.Host, policy.AccountPages
	return rest.WithCaller(r.Context(), *c), *c, ok
}

// Visitor returns who is logged in.
func (d *desk) Visitor(r *http.Request) (pages.Visitor, bool) {
	ctx, c, ok := d.visit(r)
	if !ok {
		return pages.Visitor{}, false
	}
	x, _, err := d.api.own(ctx)
	if err != nil {
		return pages.Visitor{}, false
	}
	return pages.Visitor{
		Username: x.Name, Login: c.Cookie,
		MustChange: c.Session.MustChange(), MustEnrol: c.Session.MustEnrol(), Fresh: c.Fresh() == nil, HasFactor: x.HasCode(),
	}, true
}

// Login begins a login at the pages, whatever the account's protocols say.
func (d *desk) Login(w http.ResponseWriter, r *http.Request, username, password string) error {
	_, c, _ := d.visit(r)
	attempt := auth.Attempt{
		Account: username, Password: password, Door: policy.AccountPages,
		Address: c.Address, Transport: c.Transport, Client: r.UserAgent(),
	}
	s, err := d.api.Sessions.Login(r.Context(), attempt)
	if needed, ok := errors.AsType[*auth.CodeNeededError](err); ok {
		attempt.Password, attempt.Proved = "", needed.Proved
		value, err := d.api.Cookies.Wait(r.Context(), attempt)
		if err != nil {
			return d.problem(err)
		}
		set(w, r, rest.CookieFor(logins.Code, c.Transport, value))
		return pages.ErrCodeNeeded
	}
	if err != nil {
		return d.problem(err)
	}
	return d.enter(w, r, c, s)
}

// enter begins the browser's login anew.
func (d *desk) enter(w http.ResponseWriter, r *http.Request, c rest.Caller, s *session.Session) error {
	value, err := d.api.begin(r.Context(), c, s, logins.Pages)
	if err != nil {
		return d.problem(err)
	}
	set(w, r, rest.CookieFor(logins.Pages, c.Transport, value))
	return nil
}

// renew gives the login a new cookie, and returns its value.
func (d *desk) renew(w http.ResponseWriter, r *http.Request, c rest.Caller) (string, error) {
	value, err := d.api.renew(r.Context(), c)
	if err != nil {
		return "", d.problem(err)
	}
	set(w, r, rest.CookieFor(logins.Pages, c.Transport, value))
	return value, nil
}

// set gives the browser a cookie. The page that answers this request is made for
// it already.
func set(w http.ResponseWriter, r *http.Request, c http.Cookie) {
	http.SetCookie(w, &c)
	others := r.Cookies()
	r.Header.Del("Cookie")
	for _, other := range others {
		if other.Name != c.Name {
			r.AddCookie(other)
		}
	}
	if c.Value != "" {
		r.AddCookie(&c)
	}
}

// Code finishes a login that waits for its code. A wrong code can be followed by
// another: each is counted.
func (d *desk) Code(w http.ResponseWriter, r *http.Request, code string) error {
	_, c, _ := d.visit(r)
	cookie, err := r.Cookie(rest.CookieName(logins.Code, c.Transport))
	if err != nil {
		return lateCode()
	}
	attempt, ok, err := d.api.Cookies.Waits(r.Context(), cookie.Value)
	if err != nil {
		return d.problem(err)
	}
	if !ok || attempt.Address != c.Address || attempt.Transport != c.Transport {
		return lateCode()
	}
	attempt.Code = strings.TrimSpace(code)
	s, err := d.api.Sessions.Login(r.Context(), attempt)
	if err != nil {
		return d.codeProblem(err)
	}
	if err := d.api.Cookies.Forget(r.Context(), cookie.Value); err != nil {
		d.api.Log.Warn("a login that waited for its code is kept for some minutes", "error", err)
	}
	set(w, r, rest.CookieFor(logins.Code, c.Transport, ""))
	return d.enter(w, r, c, s)
}

func lateCode() error {
	return &pages.Problem{Status: http.StatusForbidden, Text: "That took too long. Log in again with your password."}
}

// codeProblem tells a wrong code, which may be tried again, from a refusal.
func (d *desk) codeProblem(err error) error {
	refused, ok := errors.AsType[*auth.RefusedError](err)
	if _, needed := errors.AsType[*auth.CodeNeededError](err); needed || ok && refused.Decision.Rule == policy.RuleSecondFactor {
		return &pages.Problem{Status: http.StatusForbidden, Field: "code", Text: "This code is wrong, or was used already. Wait for the next one."}
	}
	return d.problem(err)
}

// Logout ends the login.
func (d *desk) Logout(w http.ResponseWriter, r *http.Request) error {
	_, c, _ := d.visit(r)
	if err := d.api.Cookies.End(r.Context(), c.Cookie); err != nil {
		return d.problem(err)
	}
	set(w, r, rest.CookieFor(logins.Pages, c.Transport, ""))
	return nil
}

// MinLength is the site's; without a site nothing is said.
func (d *desk) MinLength(r *http.Request) int {
	site, err := d.api.Accounts.Site(r.Context())
	if err != nil {
		return 0
	}
	return site.Password.MinLength
}

// SetPassword changes the visitor's password; its login goes on under a new cookie.
func (d *desk) SetPassword(w http.ResponseWriter, r *http.Request, p pages.Proof, password string) error {
	ctx, c, _ := d.visit(r)
	if err := proofMissing(c, p); err != nil {
		return err
	}
	err := d.api.setOwnPassword(ctx, newOwnPassword{current: p.Password, code: p.Code, password: password, client: r.UserAgent()})
	if err != nil {
		return d.problem(err)
	}
	_, err = d.renew(w, r, c)
	return err
}

// Factor tells how it stands with the visitor's second factor.
func (d *desk) Factor(r *http.Request) (pages.Factor, error) {
	ctx, c, _ := d.visit(r)
	x, e, err := d.api.ownEffective(ctx)
	if err != nil {
		return pages.Factor{}, d.problem(err)
	}
	f := pages.Factor{Required: e.CodeRequired()}
	if x.HasCode() {
		f.On, f.Left = x.TOTP.Added, len(x.TOTP.Recovery)
		return f, nil
	}
	begun, ok, err := d.api.Cookies.Enrolling(ctx, c.Cookie)
	if err != nil {
		return f, d.problem(err)
	}
	if ok {
		f.Secret, f.URI = begun.Secret, begun.URI
	}
	return f, nil
}

// BeginFactor makes a new secret.
func (d *desk) BeginFactor(w http.ResponseWriter, r *http.Request, p pages.Proof) error {
	ctx, err := d.again(w, r, p)
	if err != nil {
		return err
	}
	begun, err := d.api.beginOwnFactor(ctx)
	if err != nil {
		return d.problem(err)
	}
	return d.problem(d.api.Cookies.Enrol(ctx, rest.CallerOf(ctx).Cookie, &begun))
}

// again proves the visitor once more where the form says how. The login then has
// a new cookie.
func (d *desk) again(w http.ResponseWriter, r *http.Request, p pages.Proof) (context.Context, error) {
	ctx, c, _ := d.visit(r)
	if err := proofMissing(c, p); err != nil || p.Password == "" {
		return ctx, err
	}
	if err := d.api.prove(ctx, c, p.Password, p.Code, r.UserAgent()); err != nil {
		return ctx, d.problem(err)
	}
	var err error
	c.Proved = time.Now()
	c.Cookie, err = d.renew(w, r, c)
	return rest.WithCaller(ctx, c), err
}

// proofMissing asks a login that is not fresh for the present password.
func proofMissing(c rest.Caller, p pages.Proof) error {
	if p.Password != "" || c.Session == nil || c.Fresh() == nil {
		return nil
	}
	return &pages.Problem{Status: http.StatusForbidden, Field: "current", Text: "Type your present password, too."}
}

// ConfirmFactor takes the first code.
func (d *desk) ConfirmFactor(w http.ResponseWriter, r *http.Request, code string) ([]string, error) {
	ctx, c, _ := d.visit(r)
	codes, err := d.api.confirmOwnFactor(ctx, strings.Join(strings.Fields(code), ""))
	if err != nil {
		return nil, d.problem(err)
	}
	// The codes are shown once: nothing is in their way any more.
	if err := d.api.Cookies.Enrol(ctx, c.Cookie, nil); err == nil {
		_, _ = d.renew(w, r, c) // it is in the log
	}
	return codes, nil
}

// NewCodes makes new recovery codes.
func (d *desk) NewCodes(w http.ResponseWriter, r *http.Request, p pages.Proof) ([]string, error) {
	ctx, err := d.again(w, r, p)
	if err != nil {
		return nil, err
	}
	codes, err := d.api.renewOwnCodes(ctx)
	return codes, d.problem(err)
}

// Connect tells how the visitor connects.
func (d *desk) Connect(r *http.Request) ([]pages.Connection, error) {
	ctx, _, _ := d.visit(r)
	list, err := d.api.connections(ctx)
	if err != nil {
		return nil, d.problem(err)
	}
	var shown []pages.Connection
	for _, v := range list {
		shown = append(shown, connection(v))
	}
	return shown, nil
}

// Look tells what a link is for.
func (d *desk) Look(r *http.Request, secret string) (pages.Link, error) {
	ctx, c, _ := d.visit(r)
	l, err := d.api.SelfService.ByLink(ctx, invitation.Attempt(c, secret, r.UserAgent()))
	if err != nil {
		return pages.Link{}, d.problem(invitation.UnknownLink(err))
	}
	v := pages.Link{Invitation: l.Kind == links.Invite, Expires: l.Expires}
	if !v.Invitation {
		x, err := d.api.Accounts.ByID(ctx, l.Account)
		if err != nil {
			return v, d.problem(links.ErrGone)
		}
		v.Username = x.Name
		return v, nil
	}
	names := record.NewDirectory(ctx, d.api.Accounts)
	v.By, v.Email, v.Groups = names.AccountName(l.By), l.Invitation.Email, record.Named(l.Invitation.Groups, names.GroupName)
	return v, nil
}

// Accept makes the account of an invitation.
func (d *desk) Accept(r *http.Request, secret string, in pages.Acceptance) (string, error) {
	ctx, _, _ := d.visit(r)
	made, err := d.api.links.Accept(ctx, invitation.Acceptance{
		Secret: secret, Username: in.Username, DisplayName: in.DisplayName, Password: in.Password, Client: r.UserAgent(),
	})
	return made.Name, d.problem(err)
}

// Reset sets the password that a link is for.
func (d *desk) Reset(r *http.Request, secret, password string) error {
	ctx, _, _ := d.visit(r)
	_, err := d.api.links.Reset(ctx, secret, password, r.UserAgent())
	return d.problem(err)
}
