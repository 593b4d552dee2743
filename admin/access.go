package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
	"gatehouse/policy"
)

func (a *API) registerAccess(api huma.API) {
	huma.Register(api, rest.Operation("account-access", http.MethodGet, "/accounts/{name}/access", "Effective rights, and where each comes from", rest.Look), a.accountAccess)
	huma.Register(api, rest.Operation("list-rules", http.MethodGet, "/rules", "Every rule that a decision is named after: what it asks, its setting, its remedy", rest.Look), a.listRules)
}

// AccessView is what an account may do where, and why.
type AccessView struct {
	Protocols []policy.DoorOrigin  `json:"protocols"`
	Grants    []policy.GrantOrigin `json:"grants"`
	Views     map[string]SeenView  `json:"views" doc:"what the account sees, by door"`
	Uploads   map[string]string    `json:"uploads"`
	PlainFTP  string               `json:"plain_ftp"`
	Limits    []policy.LimitOrigin `json:"limits" doc:"0 is unlimited"`
	Quota     policy.QuotaOrigin   `json:"quota" doc:"of the home; null is unlimited"`
	Addresses policy.AddressOrigin `json:"addresses"`

	Cut          []policy.CutGrant     `json:"cut" doc:"grants of which less holds than they say, and whose rights cut them"`
	Folders      []policy.FolderOrigin `json:"folders" doc:"of its groups"`
	SecondFactor policy.FactorOrigin   `json:"second_factor"`
	PasswordAge  policy.AgeOrigin      `json:"password_age"`
	ShareLinks   policy.DecisionText   `json:"share_links"`
	Desktop      policy.DecisionText   `json:"desktop_access"`
	Managers     []string              `json:"managers" doc:"without an enabled one of them a guest is not let in"`
}

// SeenView is what an account sees through a door.
type SeenView struct {
	Root     string         `json:"root"`
	Entries  []policy.Entry `json:"entries"`
	Shadowed []policy.Entry `json:"shadowed" doc:"lost a clash of names: they do not appear"`
	Behind   []policy.Entry `json:"behind" doc:"the account has something of its own by their names: they do not appear"`
}

func (a *API) accountAccess(ctx context.Context, in *rest.NameInput) (*rest.Body[AccessView], error) {
	x, err := a.Looked(ctx, in.Name)
	if err != nil {
		return nil, a.Problem(err)
	}
	e, err := a.Accounts.Effective(ctx, x)
	if err != nil {
		return nil, a.Problem(err)
	}
	v := accessView(e)
	for door, seen := range v.Views {
		behind, err := a.Explain.Behind(ctx, e, policy.Door(door))
		if err != nil {
			return nil, a.Problem(err)
		}
		seen.Behind = append([]policy.Entry{}, behind...)
		v.Views[door] = seen
	}
	return &rest.Body[AccessView]{Body: v}, nil
}

func accessView(e policy.Effective) AccessView {
	held := e.Access()
	v := AccessView{
		Protocols: held.Protocols, Grants: held.Grants, PlainFTP: held.PlainFTP.Because, Limits: held.Limits,
		Quota: held.Quota, Addresses: held.Addresses, Views: map[string]SeenView{}, Uploads: map[string]string{},
		Cut: held.Cut, Folders: held.Folders, SecondFactor: held.SecondFactor, PasswordAge: held.PasswordAge,
		ShareLinks: held.ShareLinks, Desktop: held.Desktop, Managers: held.Managers,
	}
	for _, d := range []policy.Door{policy.SFTP, policy.FTP, policy.WebDAV} {
		seen := e.View(d)
		v.Views[string(d)] = SeenView{
			Root: seen.Root.String(), Entries: append([]policy.Entry{}, seen.Entries...), Shadowed: append([]policy.Entry{}, seen.Shadowed...),
		}
		v.Uploads[string(d)] = string(e.Uploads(d))
	}
	return v
}

func (a *API) listRules(context.Context, *rest.Nothing) (*rest.Body[[]policy.RuleText], error) {
	return &rest.Body[[]policy.RuleText]{Body: policy.Rules()}, nil
}
