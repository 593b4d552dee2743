package admin

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func (a *API) registerAccounts(api huma.API) {
	huma.Register(api, operation("list-accounts", http.MethodGet, "/accounts", "List accounts", rightRead), a.listAccounts)
	create := operation("create-account", http.MethodPost, "/accounts", "Create an account", rightAdmin)
	create.DefaultStatus = http.StatusCreated
	huma.Register(api, create, a.createAccount)
	huma.Register(api, operation("get-account", http.MethodGet, "/accounts/{name}", "Show an account", rightRead), a.getAccount)
	huma.Register(api, operation("change-account", http.MethodPatch, "/accounts/{name}", "Change what the body names; null resets", rightAdmin), a.changeAccount)
	huma.Register(api, operation("delete-account", http.MethodDelete, "/accounts/{name}", "Delete an account for good", rightAdmin), a.deleteAccount)
	huma.Register(api, operation("disable-account", http.MethodPost, "/accounts/{name}/disable", "Disable, ending every session", rightAdmin), a.disableAccount)
	huma.Register(api, operation("enable-account", http.MethodPost, "/accounts/{name}/enable", "Enable again", rightAdmin), a.enableAccount)
	huma.Register(api, operation("unlock-account", http.MethodPost, "/accounts/{name}/unlock", "Lift a lockout", rightAdmin), a.unlockAccount)
	huma.Register(api, operation("account-access", http.MethodGet, "/accounts/{name}/access", "Effective rights, and where each comes from", rightRead), a.accountAccess)
}

type listAccountsInput struct {
	Q      string `query:"q" doc:"in username, display name or e-mail"`
	Role   string `query:"role" enum:"admin,auditor,user,guest"`
	Group  string `query:"group"`
	Status string `query:"status" enum:"enabled,disabled,expired"`
	Sort   string `query:"sort" enum:"username,-username,display_name,-display_name,email,-email,last_login,-last_login,created,-created"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string `query:"cursor"`
}

// Page is a piece of a list; next_cursor is absent at the end.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next_cursor,omitempty"`
}

func (a *API) listAccounts(ctx context.Context, in *listAccountsInput) (*bodyOf[Page[AccountView]], error) {
	found, next, err := a.Accounts.List(ctx, accounts.Query{
		Text: in.Q, Role: policy.Role(in.Role), Group: in.Group, Status: in.Status,
		Sort: in.Sort, Limit: in.Limit, Cursor: in.Cursor,
	})
	if err != nil {
		return nil, a.problem(err)
	}
	page := Page[AccountView]{Items: make([]AccountView, 0, len(found)), Next: next}
	nameOf := a.groupName(ctx)
	for _, x := range found {
		v, err := a.viewNamed(ctx, x, nameOf)
		if err != nil {
			return nil, a.problem(err)
		}
		page.Items = append(page.Items, v)
	}
	return &bodyOf[Page[AccountView]]{page}, nil
}

type createAccountInput struct {
	Body struct {
		Username string `json:"username" minLength:"1" maxLength:"200"`
		AccountSettings
		Password   string   `json:"password,omitempty" maxLength:"4096"`
		MustChange bool     `json:"must_change,omitempty" doc:"the password must be changed at first login"`
		Keys       []string `json:"keys,omitempty" doc:"authorized_keys lines"`
		AdoptHome  bool     `json:"adopt_home,omitempty" doc:"take a home that exists already, with what it holds"`
	}
}

type accountOutput struct {
	ETag string `header:"ETag"`
	Body AccountView
}

func (a *API) createAccount(ctx context.Context, in *createAccountInput) (*accountOutput, error) {
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	x := accounts.Account{}
	x.Name = in.Body.Username
	if err := in.Body.AccountSettings.write(&x, site.TimeZone, a.groupID(ctx)); err != nil {
		return nil, a.problem(err)
	}
	for _, line := range in.Body.Keys {
		key, err := accounts.ParseKey(line)
		if err != nil {
			return nil, a.problem(&accounts.InvalidError{Field: "keys", Why: err.Error()})
		}
		x.Keys = append(x.Keys, key)
	}
	if in.Body.AdoptHome && !x.Home.IsRoot() {
		if err := a.folderThere(ctx, "home", x.Home); err != nil {
			return nil, a.problem(err)
		}
	}
	made, err := a.Sessions.CreateAccount(ctx, x, in.Body.Password, in.Body.MustChange, in.Body.AdoptHome)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.answer(ctx, "account.create", nil, made)
}

// answer records a change and returns the account as it is now.
func (a *API) answer(ctx context.Context, kind string, before *accounts.Account, now accounts.Account) (*accountOutput, error) {
	view, err := a.view(ctx, now)
	if err != nil {
		return nil, a.problem(err)
	}
	var old map[string]any
	if before != nil {
		oldView, err := a.view(ctx, *before)
		if err != nil {
			return nil, a.problem(err)
		}
		old = asMap(oldView)
	}
	was, is := difference(old, asMap(view))
	if err := a.record(ctx, eventKind(kind), now.Name, was, is); err != nil {
		return nil, a.problem(err)
	}
	return &accountOutput{ETag: etag(now.Revision), Body: view}, nil
}

// NameInput names the record that a request is about.
type NameInput struct {
	Name string `path:"name" maxLength:"400"`
}

func (a *API) getAccount(ctx context.Context, in *NameInput) (*accountOutput, error) {
	x, err := a.Accounts.Account(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	view, err := a.view(ctx, x)
	if err != nil {
		return nil, a.problem(err)
	}
	return &accountOutput{ETag: etag(x.Revision), Body: view}, nil
}

type changeAccountInput struct {
	NameInput
	IfMatch string `header:"If-Match"`
	Confirm string `query:"confirm" enum:"self" doc:"self: the change may end the caller's own session"`
	Body    Patch[AccountSettings]
}

func (a *API) changeAccount(ctx context.Context, in *changeAccountInput) (*accountOutput, error) {
	revision, err := revisionOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	var before accounts.Account
	if before, err = a.Accounts.Account(ctx, in.Name); err != nil {
		return nil, a.problem(err)
	}
	change := func(x *accounts.Account) error {
		settings, err := merge(settingsOf(*x, a.groupName(ctx)), AccountSettings{}, in.Body)
		if err != nil {
			return err
		}
		if settings.Home == "" {
			settings.Home = x.Home.String()
		}
		if err := settings.write(x, site.TimeZone, a.groupID(ctx)); err != nil {
			return err
		}
		return a.confirmed(ctx, *x, in.Confirm)
	}
	now, err := a.Sessions.ChangeAccount(ctx, in.Name, revision, change, callerOf(ctx).option())
	if err != nil {
		return nil, a.problem(err)
	}
	return a.answer(ctx, "account.change", &before, now)
}

// confirmed asks for confirm=self where the change would end the caller's own
// session.
func (a *API) confirmed(ctx context.Context, changed accounts.Account, confirm string) error {
	c := callerOf(ctx)
	if c.Socket() || confirm == "self" || c.Session.AccountID() != changed.ID {
		return nil
	}
	effective, err := a.Accounts.Effective(ctx, changed)
	if err != nil {
		return err
	}
	d := effective.Admit(c.attempt())
	if d.Allowed && changed.Role == c.Role {
		return nil
	}
	return huma.NewError(http.StatusConflict, "this would end your own session: repeat it with confirm=self")
}

type deleteAccountInput struct {
	NameInput
	IfMatch string `header:"If-Match"`
	Confirm string `query:"confirm" required:"true" doc:"the username again"`
	Files   string `query:"files" required:"true" enum:"keep,delete" doc:"what becomes of the home"`
}

func (a *API) deleteAccount(ctx context.Context, in *deleteAccountInput) (*nothing, error) {
	revision, err := revisionOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	x, err := a.Accounts.Account(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	if in.Confirm != x.Name && in.Confirm != in.Name {
		return nil, a.problem(&accounts.InvalidError{Field: "confirm", Why: "is not the account's username"})
	}
	if c := callerOf(ctx); !c.Socket() && c.Session.AccountID() == x.ID {
		return nil, huma.NewError(http.StatusConflict, "an account cannot delete itself")
	}
	if err := a.Sessions.DeleteAccount(ctx, in.Name, revision, in.Files, callerOf(ctx).option()); err != nil {
		return nil, a.problem(err)
	}
	return nil, a.problem(a.record(ctx, "account.delete", x.Name, map[string]any{"id": x.ID}, map[string]any{"files": in.Files}))
}

type disableInput struct {
	NameInput
	Body *struct {
		Why string `json:"why,omitempty" maxLength:"500"`
	}
}

func (a *API) disableAccount(ctx context.Context, in *disableInput) (*accountOutput, error) {
	why := ""
	if in.Body != nil {
		why = in.Body.Why
	}
	return a.update(ctx, in.Name, "account.disable", func(x *accounts.Account) error {
		x.Status = policy.Status{Disabled: true, By: callerOf(ctx).actor(), At: time.Now().UTC(), Why: why}
		return nil
	})
}

func (a *API) enableAccount(ctx context.Context, in *NameInput) (*accountOutput, error) {
	return a.update(ctx, in.Name, "account.enable", func(x *accounts.Account) error {
		x.Status = policy.Status{By: callerOf(ctx).actor(), At: time.Now().UTC()}
		return nil
	})
}

func (a *API) unlockAccount(ctx context.Context, in *NameInput) (*accountOutput, error) {
	x, err := a.Accounts.Account(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.Sessions.Unlock(ctx, x.Name); err != nil {
		return nil, a.problem(err)
	}
	return a.answer(ctx, "account.unlock", &x, x)
}

// update changes an account and records what has changed.
func (a *API) update(ctx context.Context, name, kind string, change func(*accounts.Account) error) (*accountOutput, error) {
	return a.recorded(ctx, name, kind, func(o accounts.Option) (accounts.Account, error) {
		return a.Accounts.Update(ctx, name, 0, change, o)
	})
}

// recorded makes a change of an account and records what has changed.
func (a *API) recorded(ctx context.Context, name, kind string, change func(accounts.Option) (accounts.Account, error)) (*accountOutput, error) {
	before, err := a.Accounts.Account(ctx, name)
	if err != nil {
		return nil, a.problem(err)
	}
	now, err := change(callerOf(ctx).option())
	if err != nil {
		return nil, a.problem(err)
	}
	return a.answer(ctx, kind, &before, now)
}

func asMap(v any) map[string]any {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var m map[string]any
	if json.Unmarshal(text, &m) != nil {
		return nil
	}
	return m
}

// AccessView is what an account may do where, and why.
type AccessView struct {
	Protocols []policy.DoorOrigin  `json:"protocols"`
	Grants    []policy.GrantOrigin `json:"grants"`
	Views     map[string]SeenView  `json:"views" doc:"what the account sees, by door"`
	Uploads   map[string]string    `json:"uploads"`
	PlainFTP  string               `json:"plain_ftp"`
}

// SeenView is what an account sees through a door.
type SeenView struct {
	Root    string         `json:"root"`
	Entries []policy.Entry `json:"entries"`
}

func (a *API) accountAccess(ctx context.Context, in *NameInput) (*bodyOf[AccessView], error) {
	x, err := a.Accounts.Account(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	e, err := a.Accounts.Effective(ctx, x)
	if err != nil {
		return nil, a.problem(err)
	}
	v := AccessView{
		Protocols: e.Protocols(), Grants: e.Grants(), PlainFTP: e.PlainFTP().Because,
		Views: map[string]SeenView{}, Uploads: map[string]string{},
	}
	for _, d := range []policy.Door{policy.SFTP, policy.FTP, policy.WebDAV} {
		seen := e.View(d)
		v.Views[string(d)] = SeenView{seen.Root.String(), append([]policy.Entry{}, seen.Entries...)}
		v.Uploads[string(d)] = string(e.Uploads(d))
	}
	return &bodyOf[AccessView]{v}, nil
}
