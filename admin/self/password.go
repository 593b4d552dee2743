package self

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func (a *API) registerOwnPassword(api huma.API) {
	huma.Register(api, rest.Operation("own-password", http.MethodGet, "/me/password", "The age of one's own password, and the rules for a new one", rest.Self), a.ownPassword)
	huma.Register(api, rest.Operation("change-own-password", http.MethodPut, "/me/password", "Change one's own password", rest.Self), a.changeOwnPassword)
}

// OwnPasswordView says about one's password what is no secret.
type OwnPasswordView struct {
	Set        bool       `json:"set"`
	Changed    *time.Time `json:"changed,omitempty"`
	Expires    *time.Time `json:"expires,omitempty" doc:"when it must be changed"`
	MustChange bool       `json:"must_change"`
	MinLength  int        `json:"min_length"`
}

func ownPasswordView(x accounts.Account, e policy.Effective) *OwnPasswordView {
	v := OwnPasswordView{MinLength: e.Site().Password.MinLength}
	p := x.Password
	if p == nil {
		return &v
	}
	v.Set, v.Changed, v.MustChange = true, &p.Changed, p.MustChange
	if at := e.PasswordExpires(p.Changed); !at.IsZero() {
		v.Expires = &at
	}
	return &v
}

func (a *API) ownPassword(ctx context.Context, _ *rest.Nothing) (*rest.Body[OwnPasswordView], error) {
	x, e, err := a.ownEffective(ctx)
	if err != nil {
		return nil, err
	}
	return &rest.Body[OwnPasswordView]{Body: *ownPasswordView(x, e)}, nil
}

type ownPasswordInput struct {
	Body struct {
		Current string `json:"current,omitempty" maxLength:"4096" doc:"proves the account anew; may be left out within 10 minutes of a proof"`
		Code    string `json:"code,omitempty" maxLength:"64" doc:"of the second factor, with current"`
		New     string `json:"new" maxLength:"4096"`
	}
	UserAgent string `header:"User-Agent"`
}

// changeOwnPassword asks for a proof of this moment, so that a browser left open
// cannot be used to take the account over. The login goes on under a new id; the
// account's others end.
func (a *API) changeOwnPassword(ctx context.Context, in *ownPasswordInput) (*loginOutput, error) {
	c := rest.CallerOf(ctx)
	err := a.setOwnPassword(ctx, newOwnPassword{in.Body.Current, in.Body.Code, in.Body.New, in.UserAgent})
	if err != nil {
		return nil, err
	}
	return a.renewed(ctx, c)
}

// newOwnPassword is what a change of one's own password takes. Without current
// the login must be fresh.
type newOwnPassword struct{ current, code, password, client string }

func (a *API) setOwnPassword(ctx context.Context, n newOwnPassword) error {
	c := rest.CallerOf(ctx)
	if err := c.Interactive(); err != nil {
		return err
	}
	x, site, err := a.own(ctx)
	if err != nil {
		return err
	}
	if err := ownPasswordAllowed(c, x, site); err != nil {
		return err
	}
	if n.current != "" {
		err = a.prove(ctx, c, n.current, n.code, n.client)
	} else {
		err = c.Fresh()
	}
	if err != nil {
		return err
	}
	if n.current == n.password {
		return a.Problem(&accounts.InvalidError{Field: "new", Why: "is the present password"})
	}
	if err := a.Intend(ctx, "account.password", c.Name); err != nil {
		return err
	}
	err = a.SelfService.ChangePassword(ctx, c.Session, n.password)
	if invalid, ok := errors.AsType[*accounts.InvalidError](err); ok && invalid.Field == "password" {
		err = &accounts.InvalidError{Field: "new", Why: invalid.Why}
	}
	if err != nil {
		return a.Problem(err)
	}
	now, err := a.Accounts.ByID(ctx, x.ID)
	if err != nil {
		return a.Problem(err)
	}
	was, is := record.PasswordChange(x.Password, now.Password)
	return a.Problem(a.Record(ctx, "account.password", c.Name, was, is))
}

// ownPasswordAllowed refuses what the site has switched off, a shared account
// (whoever changed its password would shut the others out) and a guest, whose
// managers set it. A password that must be changed may be.
func ownPasswordAllowed(c rest.Caller, x accounts.Account, site policy.Site) error {
	switch {
	case c.Session.MustChange():
		return nil
	case c.Session.MustEnrol():
		return rest.EnrolFirst()
	case x.Role == policy.RoleGuest:
		return huma.NewError(http.StatusForbidden, "a guest's password is set by its managers")
	case !site.SelfService.Password || x.Shared || x.Authentication != accounts.Local:
		return huma.NewError(http.StatusForbidden, "an administrator changes the password of this account")
	}
	return nil
}
