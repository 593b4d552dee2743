package rights

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// Confirmed asks for confirm=self where the change would end the caller's own
// session, or what it may do.
func (j *Judge) Confirmed(ctx context.Context, changed accounts.Account, confirm string) error {
	c := rest.CallerOf(ctx)
	if c.Socket() || confirm == ConfirmSelf || c.Session.AccountID() != changed.ID {
		return nil
	}
	effective, err := j.Accounts.Effective(ctx, changed)
	if err != nil {
		return err
	}
	if d := effective.Stay(j.present(c, changed, effective)); d.Allowed && d.Rule == policy.RuleAdmitted && changed.Role == c.Role {
		return nil
	}
	return Unconfirmed()
}

// ConfirmSelf is what confirms that a change may end the caller's own session.
const ConfirmSelf = "self"

// Unconfirmed asks for confirm=self.
func Unconfirmed() error {
	return huma.NewError(http.StatusConflict, "this would end your own session: repeat it with confirm=self")
}

// GroupConfirmed asks for confirm=self where the caller could not come in with
// this group replaced, or taken away where there is nothing in its place.
func (j *Judge) GroupConfirmed(ctx context.Context, id string, instead *policy.Group, confirm string) error {
	return j.staysIn(ctx, confirm, func(site policy.Site, groups []policy.Group, own policy.Account) policy.Effective {
		var kept []policy.Group
		for _, g := range groups {
			if g.ID == id && instead == nil {
				continue
			}
			if g.ID == id {
				g = *instead
			}
			kept = append(kept, g)
		}
		return policy.Resolve(site, kept, own)
	})
}

// SiteConfirmed asks for confirm=self where the caller could not come in under
// the new policy.
func (j *Judge) SiteConfirmed(ctx context.Context, site policy.Site, confirm string) error {
	return j.staysIn(ctx, confirm, func(_ policy.Site, groups []policy.Group, own policy.Account) policy.Effective {
		return policy.Resolve(site, groups, own)
	})
}

// staysIn asks for confirm=self where the caller could not come in under what
// would hold for it then.
func (j *Judge) staysIn(ctx context.Context, confirm string, then func(policy.Site, []policy.Group, policy.Account) policy.Effective) error {
	c := rest.CallerOf(ctx)
	if c.Socket() || confirm == ConfirmSelf {
		return nil
	}
	own, err := j.Accounts.ByID(ctx, c.Session.AccountID())
	if err != nil {
		return err
	}
	present, err := j.Accounts.Effective(ctx, own)
	if err != nil {
		return err
	}
	is := then(present.Site(), present.Groups(), own.Account)
	if d := is.Stay(j.present(c, own, is)); d.Allowed && d.Rule == policy.RuleAdmitted {
		return nil
	}
	return Unconfirmed()
}

// present is the caller at the API door, as if it came in now with what holds
// then: a second factor that it proved it has proved.
func (j *Judge) present(c rest.Caller, x accounts.Account, e policy.Effective) policy.Attempt {
	was := c.Session.Credential()
	return policy.Attempt{
		Door: policy.API, Address: c.Address, Transport: c.Transport, Time: time.Now(),
		Credential: j.Auth.Assume(x, e, was.Kind, was.ID),
	}
}
