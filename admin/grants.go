package admin

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
)

func (a *API) registerGrants(api huma.API) {
	huma.Register(api, operation("list-grants", http.MethodGet, "/accounts/{name}/grants", "List an account's own grants", rightLook), a.listGrants)
	huma.Register(api, created(operation("add-grant", http.MethodPost, "/accounts/{name}/grants", "Grant rights on a folder", rightManage)), a.addGrant)
	huma.Register(api, operation("remove-grant", http.MethodDelete, "/accounts/{name}/grants/{id}", "Remove a grant", rightManage), a.removeGrant)
}

// GrantSettings is a grant to be made: a preset, or single permissions.
type GrantSettings struct {
	Path        string   `json:"path" minLength:"1" maxLength:"4096" doc:"a tree path"`
	Preset      string   `json:"preset,omitempty" enum:"full,read-only,upload-only"`
	Permissions []string `json:"permissions,omitempty" doc:"list, read, create, write, delete, share"`
	Recursive   *bool    `json:"recursive,omitempty" doc:"default true"`
	At          string   `json:"at,omitempty" maxLength:"255" doc:"the name under which the folder appears in the account's root"`
}

// MadeGrant is a grant as it was made.
type MadeGrant struct {
	GrantView
	Warnings []string `json:"warnings,omitempty" doc:"what may not be meant"`
}

// grant makes a policy grant of the settings; the store gives it an id.
func (s GrantSettings) grant() (policy.Grant, error) {
	g := policy.Grant{Recursive: s.Recursive == nil || *s.Recursive, At: s.At}
	var err error
	if g.Path, err = parsePath("path", s.Path); err != nil {
		return g, err
	}
	switch {
	case (s.Preset == "") == (len(s.Permissions) == 0):
		return g, invalid("permissions", "give either a preset or permissions")
	case s.Preset != "":
		g.Permissions, err = policy.Preset(s.Preset)
	default:
		g.Permissions, err = policy.ParsePermissions(s.Permissions)
	}
	if err != nil {
		return g, invalid("permissions", err.Error())
	}
	return g, nil
}

func (a *API) listGrants(ctx context.Context, in *NameInput) (*bodyOf[[]GrantView], error) {
	x, err := a.looked(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	return &bodyOf[[]GrantView]{grantViews(x.Grants)}, nil
}

type addGrantInput struct {
	NameInput
	MatchInput
	Body GrantSettings
}

// addGrant judges the right to give before it looks for the folder: who may not
// give it must not learn which folders there are.
func (a *API) addGrant(ctx context.Context, in *addGrantInput) (*bodyOf[MadeGrant], error) {
	g, err := in.Body.grant()
	if err != nil {
		return nil, a.problem(err)
	}
	out, err := a.update(ctx, in.Name, change{kind: "account.grant.add", match: in.IfMatch, do: func(x *accounts.Account) error {
		if err := a.mayGive(ctx, *x, g); err != nil {
			return err
		}
		if err := a.folderThere(ctx, "path", g.Path); err != nil {
			return err
		}
		x.Grants = append(x.Grants, g)
		return nil
	}})
	if err != nil {
		return nil, err
	}
	made := out.Body.Grants[len(out.Body.Grants)-1]
	return &bodyOf[MadeGrant]{MadeGrant{made, out.Body.Warnings}}, nil
}

// folderThere refuses what is no folder: most often a misspelling.
func (a *API) folderThere(ctx context.Context, field string, p path.Path) error {
	info, err := a.Sessions.System(callerOf(ctx).actor()).Lstat(ctx, p)
	if err != nil || !info.IsDir() {
		return invalid(field, "there is no folder "+p.String())
	}
	return nil
}

func (a *API) removeGrant(ctx context.Context, in *itemInput) (*nothing, error) {
	_, err := a.update(ctx, in.Name, change{kind: "account.grant.remove", match: in.IfMatch, do: func(x *accounts.Account) error {
		var err error
		x.Grants, err = withoutGrant(x.Grants, in.ID)
		return err
	}})
	return nil, err
}

// withoutGrant takes the grant with this id away.
func withoutGrant(grants []policy.Grant, id string) ([]policy.Grant, error) {
	i := slices.IndexFunc(grants, func(g policy.Grant) bool { return g.ID == id })
	if i < 0 {
		return nil, accounts.ErrNotFound
	}
	return slices.Delete(slices.Clone(grants), i, i+1), nil
}
