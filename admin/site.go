package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func (a *API) registerSite(api huma.API) {
	huma.Register(api, rest.Operation("get-site", http.MethodGet, "/site", "Show the site policy", rest.Read), a.getSite)
	change := rest.Operation("change-site", http.MethodPatch, "/site", "Change what the body names; null resets", rest.Admin)
	huma.Register(api, change, a.changeSite)
	rest.TakesJSON[map[string]any](api, change)
}

type siteOutput struct {
	ETag string         `header:"ETag"`
	Body map[string]any `doc:"the site policy by key"`
}

func (a *API) getSite(ctx context.Context, _ *rest.Nothing) (*siteOutput, error) {
	s, err := a.Accounts.Site(ctx)
	if err != nil {
		return nil, a.Problem(err)
	}
	return &siteOutput{ETag: rest.ETag(s.Revision), Body: rest.Map(s.Site)}, nil
}

type changeSiteInput struct {
	rest.MatchInput
	rest.ConfirmInput
	RawBody []byte `contentType:"application/json"`
}

func (a *API) changeSite(ctx context.Context, in *changeSiteInput) (*siteOutput, error) {
	revision, err := rest.Revision(in.IfMatch)
	if err != nil {
		return nil, err
	}
	patch, err := record.SitePatch(in.RawBody)
	if err != nil {
		return nil, a.Problem(err)
	}
	present, err := a.Accounts.Site(ctx)
	if err != nil {
		return nil, a.Problem(err)
	}
	if _, err := a.siteAfter(ctx, present.Site, patch); err != nil {
		return nil, a.Problem(err)
	}
	if err := a.Intend(ctx, "site.change", ""); err != nil {
		return nil, err
	}
	var before policy.Site
	now, err := a.Accounts.UpdateSite(ctx, revision, func(s *accounts.Site) error {
		before = s.Site
		merged, err := a.siteAfter(ctx, before, patch)
		if err != nil {
			return err
		}
		s.Site = merged
		return a.SiteConfirmed(ctx, merged, in.Confirm)
	}, rest.CallerOf(ctx).Option())
	if err != nil {
		return nil, a.Problem(err)
	}
	was, is := rest.Difference(rest.Map(before), rest.Map(now.Site))
	if err := a.Record(ctx, "site.change", "", was, is); err != nil {
		return nil, a.Problem(err)
	}
	return &siteOutput{ETag: rest.ETag(now.Revision), Body: rest.Map(now.Site)}, nil
}

// siteAfter is the policy with a patch, where the caller may change it so.
func (a *API) siteAfter(ctx context.Context, before policy.Site, patch []byte) (policy.Site, error) {
	merged, err := rest.Merge(before, policy.DefaultSite(), patch)
	if err != nil {
		return before, err
	}
	return merged, a.MaySite(ctx, before, merged)
}
