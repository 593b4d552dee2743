package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func (a *API) registerSite(api huma.API) {
	huma.Register(api, operation("get-site", http.MethodGet, "/site", "Show the site policy", rightRead), a.getSite)
	huma.Register(api, operation("change-site", http.MethodPatch, "/site", "Change what the body names; null resets", rightAdmin), a.changeSite)
}

type siteOutput struct {
	ETag string         `header:"ETag"`
	Body map[string]any `doc:"the site policy by key"`
}

func (a *API) getSite(ctx context.Context, _ *nothing) (*siteOutput, error) {
	s, err := a.Accounts.Site(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	return &siteOutput{ETag: etag(s.Revision), Body: asMap(s.Site)}, nil
}

type changeSiteInput struct {
	MatchInput
	ConfirmInput
	RawBody []byte `contentType:"application/json"`
}

func (a *API) changeSite(ctx context.Context, in *changeSiteInput) (*siteOutput, error) {
	revision, err := revisionOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	if err := a.intend(ctx, "site.change", ""); err != nil {
		return nil, err
	}
	var before policy.Site
	now, err := a.Accounts.UpdateSite(ctx, revision, func(s *accounts.Site) error {
		before = s.Site
		merged, err := merge(s.Site, policy.DefaultSite(), in.RawBody)
		if err != nil {
			return err
		}
		s.Site = merged
		return a.siteConfirmed(ctx, merged, in.Confirm)
	}, callerOf(ctx).option())
	if err != nil {
		return nil, a.problem(err)
	}
	was, is := difference(asMap(before), asMap(now.Site))
	if err := a.record(ctx, "site.change", "", was, is); err != nil {
		return nil, a.problem(err)
	}
	return &siteOutput{ETag: etag(now.Revision), Body: asMap(now.Site)}, nil
}

// siteConfirmed asks for confirm=self where the caller could not come in under
// the new policy.
func (a *API) siteConfirmed(ctx context.Context, site policy.Site, confirm string) error {
	return a.staysIn(ctx, confirm, func(_ policy.Site, groups []policy.Group, own policy.Account) policy.Effective {
		return policy.Resolve(site, groups, own)
	})
}

// staysIn asks for confirm=self where the caller could not come in under what
// would hold for it then.
func (a *API) staysIn(ctx context.Context, confirm string, then func(policy.Site, []policy.Group, policy.Account) policy.Effective) error {
	c := callerOf(ctx)
	if c.Socket() || confirm == confirmSelf {
		return nil
	}
	own, err := a.Accounts.ByID(ctx, c.Session.AccountID())
	if err != nil {
		return err
	}
	present, err := a.Accounts.Effective(ctx, own)
	if err != nil {
		return err
	}
	is := then(present.Site(), present.Groups(), own.Account)
	if d := is.Stay(a.present(c, own, is)); d.Allowed && d.Rule == policy.RuleAdmitted {
		return nil
	}
	return errConfirm()
}

// present is the caller at the API door, as if it came in now with what holds
// then: a second factor that it proved it has proved.
func (a *API) present(c caller, x accounts.Account, e policy.Effective) policy.Attempt {
	was := c.Session.Credential()
	return policy.Attempt{
		Door: policy.API, Address: c.Address, Transport: c.Transport, Time: time.Now(),
		Credential: a.Sessions.Assume(x, e, was.Kind, was.ID),
	}
}
