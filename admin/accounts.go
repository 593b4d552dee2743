package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/admin/rights"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/events"
)

func (a *API) registerAccounts(api huma.API) {
	huma.Register(api, rest.Operation("list-accounts", http.MethodGet, "/accounts", "List accounts; a delegate sees those that it manages", rest.Look), a.listAccounts)
	create := rest.Operation("create-account", http.MethodPost, "/accounts", "Create an account", rest.Manage)
	create.DefaultStatus = http.StatusCreated
	huma.Register(api, create, a.createAccount)
	huma.Register(api, rest.Operation("get-account", http.MethodGet, "/accounts/{name}", "Show an account", rest.Look), a.getAccount)
	huma.Register(api, rest.Operation("change-account", http.MethodPatch, "/accounts/{name}", "Change what the body names; null resets", rest.Manage), a.changeAccount)
}

// AccountQuery selects and orders accounts.
type AccountQuery struct {
	Q      string `query:"q" doc:"in username, display name or e-mail"`
	Role   string `query:"role" enum:"admin,auditor,user,guest"`
	Group  string `query:"group"`
	Status string `query:"status" enum:"enabled,disabled,expired,locked" doc:"locked: after too many failures"`
	Sort   string `query:"sort" enum:"username,-username,display_name,-display_name,email,-email,last_login,-last_login,created,-created"`
}

type listAccountsInput struct {
	AccountQuery
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string `query:"cursor"`
}

func (a *API) listAccounts(ctx context.Context, in *listAccountsInput) (*rest.Body[rest.Page[record.AccountView]], error) {
	q, err := a.accountQuery(ctx, in.AccountQuery)
	if err != nil {
		return nil, a.Problem(err)
	}
	q.Limit, q.Cursor = in.Limit, in.Cursor
	found, next, err := a.Accounts.List(ctx, q)
	if err != nil {
		return nil, a.QueryProblem(err)
	}
	page := rest.Page[record.AccountView]{Items: make([]record.AccountView, 0, len(found)), Next: next}
	d := record.NewDirectory(ctx, a.Accounts)
	for _, x := range found {
		v, err := a.view(ctx, d, x)
		if err != nil {
			return nil, a.Problem(err)
		}
		page.Items = append(page.Items, v)
	}
	return &rest.Body[rest.Page[record.AccountView]]{Body: page}, nil
}

type createAccountInput struct {
	Body struct {
		Username string `json:"username" minLength:"1" maxLength:"200"`
		record.AccountSettings
		Password   string   `json:"password,omitempty" maxLength:"4096"`
		MustChange bool     `json:"must_change,omitempty" doc:"the password must be changed at first login"`
		Keys       []string `json:"keys,omitempty" doc:"authorized_keys lines"`
		AdoptHome  bool     `json:"adopt_home,omitempty" doc:"take a home that exists already, with what it holds; for administrators"`
	}
}

type accountOutput struct {
	ETag string `header:"ETag"`
	Body record.AccountView
}

func (a *API) createAccount(ctx context.Context, in *createAccountInput) (*accountOutput, error) {
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return nil, a.Problem(err)
	}
	x := accounts.Account{}
	x.Name = in.Body.Username
	if err := in.Body.Write(&x, site.TimeZone, record.NewDirectory(ctx, a.Accounts)); err != nil {
		return nil, a.Problem(err)
	}
	if x.Keys, err = parseKeys(in.Body.Keys); err != nil {
		return nil, a.Problem(err)
	}
	return a.makeAccount(ctx, "account.create", x, newAccount{in.Body.Password, in.Body.MustChange, in.Body.AdoptHome})
}

// newAccount is what making an account takes beside its record.
type newAccount struct {
	password              string
	mustChange, adoptHome bool
}

// makeAccount makes an account of what the caller may give.
func (a *API) makeAccount(ctx context.Context, kind events.Kind, x accounts.Account, n newAccount) (*accountOutput, error) {
	if n.adoptHome && !rest.CallerOf(ctx).Administers() {
		return nil, rights.NotTheirs("adopt_home", "only administrators adopt a home")
	}
	x, err := a.MayCreate(ctx, x)
	if err != nil {
		return nil, a.Problem(err)
	}
	if n.adoptHome && !x.Home.IsRoot() {
		if err := a.FolderThere(ctx, "home", x.Home); err != nil {
			return nil, a.Problem(err)
		}
	}
	if err := a.Intend(ctx, kind, x.Name); err != nil {
		return nil, err
	}
	made, err := a.Provision.Create(ctx, x, n.password, n.mustChange, n.adoptHome)
	if err != nil {
		return nil, a.Problem(err)
	}
	return a.answer(ctx, kind, nil, made)
}

func parseKeys(lines []string) ([]accounts.Key, error) {
	var keys []accounts.Key
	for _, line := range lines {
		key, err := credentials.ParseKey(line)
		if err != nil {
			return nil, rest.Invalid("keys", err.Error())
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// answer records a change and returns the account as it is now.
func (a *API) answer(ctx context.Context, kind events.Kind, before *accounts.Account, now accounts.Account) (*accountOutput, error) {
	d := record.NewDirectory(ctx, a.Accounts)
	view, err := d.View(ctx, now)
	if err != nil {
		return nil, a.Problem(err)
	}
	var old map[string]any
	if before != nil {
		oldView, err := d.View(ctx, *before)
		if err != nil {
			return nil, a.Problem(err)
		}
		old = rest.Map(oldView)
	}
	was, is := rest.Difference(old, rest.Map(view))
	withoutNotes(was)
	withoutNotes(is)
	if err := a.Record(ctx, kind, now.Name, was, is); err != nil {
		return nil, a.Problem(err)
	}
	view.Warnings = a.warnings(ctx, before, now)
	if err := a.tellLockout(ctx, &view); err != nil {
		return nil, a.Problem(err)
	}
	return &accountOutput{ETag: rest.ETag(now.Revision), Body: view}, nil
}

// withoutNotes keeps the text of notes, which are for administrators, out of the
// trail, which others read.
func withoutNotes(record map[string]any) {
	if _, ok := record["notes"]; ok {
		record["notes"] = "(not shown)"
	}
}

func (a *API) getAccount(ctx context.Context, in *rest.NameInput) (*accountOutput, error) {
	x, err := a.Looked(ctx, in.Name)
	if err != nil {
		return nil, a.Problem(err)
	}
	view, err := a.view(ctx, record.NewDirectory(ctx, a.Accounts), x)
	if err != nil {
		return nil, a.Problem(err)
	}
	return &accountOutput{ETag: rest.ETag(x.Revision), Body: view}, nil
}

type changeAccountInput struct {
	rest.NameInput
	rest.MatchInput
	rest.ConfirmInput
	Body rest.Patch[AccountChange]
}

// AccountChange is what can be changed of an account.
type AccountChange struct {
	record.AccountSettings
	MustChange *bool `json:"must_change,omitempty" doc:"the password must be changed at the next login"`
	AdoptHome  bool  `json:"adopt_home,omitempty" doc:"take a new home that exists already, with what it holds; for administrators"`
}

func (a *API) changeAccount(ctx context.Context, in *changeAccountInput) (*accountOutput, error) {
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return nil, a.Problem(err)
	}
	adopts, err := a.adopts(ctx, in.Body)
	if err != nil {
		return nil, a.Problem(err)
	}
	d := record.NewDirectory(ctx, a.Accounts)
	return a.update(ctx, in.Name, change{kind: "account.change", match: in.IfMatch, confirm: in.Confirm, adopts: adopts, do: func(x *accounts.Account) error {
		settings, err := rest.Merge(AccountChange{AccountSettings: record.SettingsOf(*x, d)}, AccountChange{}, in.Body)
		if err != nil {
			return err
		}
		if settings.Home == "" {
			settings.Home = x.Home.String()
		}
		if err := settings.Write(x, site.TimeZone, d); err != nil {
			return err
		}
		return settings.writeMustChange(x)
	}})
}

// adopts reports whether a change is to take a home that is there: one that it
// names, for an administrator.
func (a *API) adopts(ctx context.Context, patch rest.Patch[AccountChange]) (bool, error) {
	settings, err := rest.Merge(AccountChange{}, AccountChange{}, patch)
	if err != nil || !settings.AdoptHome {
		return false, err
	}
	if !rest.CallerOf(ctx).Administers() {
		return false, rights.NotTheirs("adopt_home", "only administrators adopt a home")
	}
	if settings.Home == "" {
		return false, rest.Invalid("adopt_home", "is for a change of the home: name it")
	}
	home, err := record.ParsePath("home", settings.Home)
	if err != nil {
		return false, err
	}
	return true, a.FolderThere(ctx, "home", home)
}

func (c AccountChange) writeMustChange(x *accounts.Account) error {
	switch {
	case c.MustChange == nil:
		return nil
	case x.Password == nil:
		return rest.Invalid("must_change", "the account has no password")
	case *c.MustChange && x.Shared:
		return rest.Invalid("must_change", "a shared account changes none of its own credentials")
	}
	changed := *x.Password
	changed.MustChange = *c.MustChange
	x.Password = &changed
	return nil
}

// A change is what is to become of an account; do may be called more than once.
type change struct {
	kind    events.Kind
	match   string // If-Match
	confirm string
	adopts  bool // a new home that is there already
	do      func(*accounts.Account) error
}

// update changes an account that the caller manages, as far as the caller may,
// and records what has changed.
func (a *API) update(ctx context.Context, name string, c change) (*accountOutput, error) {
	revision, err := rest.Revision(c.match)
	if err != nil {
		return nil, err
	}
	before, err := a.Managed(ctx, name)
	if err != nil {
		return nil, a.Problem(err)
	}
	if err := a.Intend(ctx, c.kind, before.Name); err != nil {
		return nil, err
	}
	write := a.Provision.Change
	if c.adopts {
		write = a.Provision.ChangeAdopting
	}
	now, err := write(ctx, before.Name, revision, func(x *accounts.Account) error {
		was := *x
		if err := c.do(x); err != nil {
			return err
		}
		if err := a.MayChange(ctx, was, *x); err != nil {
			return err
		}
		before = was
		return a.Confirmed(ctx, *x, c.confirm)
	}, rest.CallerOf(ctx).Option())
	if err != nil {
		return nil, a.Problem(err)
	}
	return a.answer(ctx, c.kind, &before, now)
}
