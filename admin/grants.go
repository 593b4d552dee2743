package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/storage/accounts"
)

func (a *API) registerGrants(api huma.API) {
	huma.Register(api, rest.Operation("list-grants", http.MethodGet, "/accounts/{name}/grants", "List an account's own grants", rest.Look), a.listGrants)
	huma.Register(api, rest.Created(rest.Operation("add-grant", http.MethodPost, "/accounts/{name}/grants", "Grant rights on a folder", rest.Manage)), a.addGrant)
	huma.Register(api, rest.Operation("remove-grant", http.MethodDelete, "/accounts/{name}/grants/{id}", "Remove a grant", rest.Manage), a.removeGrant)
}

// MadeGrant is a grant as it was made.
type MadeGrant struct {
	record.GrantView
	Warnings []string `json:"warnings,omitempty" doc:"what may not be meant"`
}

func (a *API) listGrants(ctx context.Context, in *rest.NameInput) (*rest.Body[[]record.GrantView], error) {
	x, err := a.Looked(ctx, in.Name)
	if err != nil {
		return nil, a.Problem(err)
	}
	effective, err := a.Accounts.Effective(ctx, x)
	if err != nil {
		return nil, a.Problem(err)
	}
	return &rest.Body[[]record.GrantView]{Body: record.CutGrants(record.ViewGrants(x.Grants), effective.Cuts())}, nil
}

// addGrant judges the right to give before it looks for the folder: who may not
// give it must not learn which folders there are.
func (a *API) addGrant(ctx context.Context, in *record.GrantInput) (*rest.Body[MadeGrant], error) {
	g, err := in.Body.Parse()
	if err != nil {
		return nil, a.Problem(err)
	}
	out, err := a.update(ctx, in.Name, change{kind: "account.grant.add", match: in.IfMatch, do: func(x *accounts.Account) error {
		if err := a.MayGive(ctx, *x, g); err != nil {
			return err
		}
		if err := a.FolderThere(ctx, "path", g.Path); err != nil {
			return err
		}
		x.Grants = append(x.Grants, g)
		return nil
	}})
	if err != nil {
		return nil, err
	}
	made := out.Body.Grants[len(out.Body.Grants)-1]
	return &rest.Body[MadeGrant]{Body: MadeGrant{made, out.Body.Warnings}}, nil
}

func (a *API) removeGrant(ctx context.Context, in *rest.ItemInput) (*rest.Nothing, error) {
	_, err := a.update(ctx, in.Name, change{kind: "account.grant.remove", match: in.IfMatch, do: func(x *accounts.Account) error {
		var err error
		x.Grants, err = record.WithoutGrant(x.Grants, in.ID)
		return err
	}})
	return nil, err
}
