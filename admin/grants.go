package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
)

func (a *API) registerGrants(api huma.API) {
	huma.Register(api, operation("list-grants", http.MethodGet, "/accounts/{name}/grants", "List an account's own grants", rightRead), a.listGrants)
	add := operation("add-grant", http.MethodPost, "/accounts/{name}/grants", "Grant rights on a folder", rightAdmin)
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, a.addGrant)
	huma.Register(api, operation("remove-grant", http.MethodDelete, "/accounts/{name}/grants/{id}", "Remove a grant", rightAdmin), a.removeGrant)
}

// GrantSettings is a grant to be made: a preset, or single permissions.
type GrantSettings struct {
	Path        string   `json:"path" minLength:"1" maxLength:"4096" doc:"a tree path"`
	Preset      string   `json:"preset,omitempty" enum:"full,read-only,upload-only"`
	Permissions []string `json:"permissions,omitempty" doc:"list, read, create, write, delete, share"`
	Recursive   *bool    `json:"recursive,omitempty" doc:"default true"`
	At          string   `json:"at,omitempty" maxLength:"255" doc:"the name under which the folder appears in the account's root"`
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
		return g, &accounts.InvalidError{Field: "permissions", Why: "give either a preset or permissions"}
	case s.Preset != "":
		g.Permissions, err = policy.Preset(s.Preset)
	default:
		g.Permissions, err = policy.ParsePermissions(s.Permissions)
	}
	if err != nil {
		return g, &accounts.InvalidError{Field: "permissions", Why: err.Error()}
	}
	return g, nil
}

func (a *API) listGrants(ctx context.Context, in *NameInput) (*bodyOf[[]GrantView], error) {
	x, err := a.Accounts.Account(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	return &bodyOf[[]GrantView]{grantViews(x.Grants)}, nil
}

type addGrantInput struct {
	NameInput
	Body GrantSettings
}

func (a *API) addGrant(ctx context.Context, in *addGrantInput) (*bodyOf[GrantView], error) {
	g, err := in.Body.grant()
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.folderThere(ctx, "path", g.Path); err != nil {
		return nil, a.problem(err)
	}
	_, err = a.recorded(ctx, in.Name, "account.grant.add", func(o accounts.Option) (now accounts.Account, err error) {
		g, now, err = a.Accounts.AddGrant(ctx, in.Name, g, o)
		return now, err
	})
	if err != nil {
		return nil, err
	}
	return &bodyOf[GrantView]{grantView(g)}, nil
}

// folderThere refuses what is no folder: most often a misspelling.
func (a *API) folderThere(ctx context.Context, field string, p path.Path) error {
	info, err := a.Sessions.System(callerOf(ctx).actor()).Lstat(ctx, p)
	if err != nil || !info.IsDir() {
		return &accounts.InvalidError{Field: field, Why: "there is no folder " + p.String()}
	}
	return nil
}

func (a *API) removeGrant(ctx context.Context, in *itemInput) (*nothing, error) {
	_, err := a.recorded(ctx, in.Name, "account.grant.remove", func(o accounts.Option) (accounts.Account, error) {
		return a.Accounts.RemoveGrant(ctx, in.Name, in.ID, o)
	})
	return nil, err
}
