package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

func (a *API) registerAccounts(api huma.API) {
	huma.Register(api, operation("list-accounts", http.MethodGet, "/accounts", "List accounts; a delegate sees those that it manages", rightLook), a.listAccounts)
	create := operation("create-account", http.MethodPost, "/accounts", "Create an account", rightManage)
	create.DefaultStatus = http.StatusCreated
	huma.Register(api, create, a.createAccount)
	huma.Register(api, operation("get-account", http.MethodGet, "/accounts/{name}", "Show an account", rightLook), a.getAccount)
	huma.Register(api, operation("change-account", http.MethodPatch, "/accounts/{name}", "Change what the body names; null resets", rightManage), a.changeAccount)
}

// AccountQuery selects and orders accounts.
type AccountQuery struct {
	Q      string `query:"q" doc:"in username, display name or e-mail"`
	Role   string `query:"role" enum:"admin,auditor,user,guest"`
	Group  string `query:"group"`
	Status string `query:"status" enum:"enabled,disabled,expired"`
	Sort   string `query:"sort" enum:"username,-username,display_name,-display_name,email,-email,last_login,-last_login,created,-created"`
}

// query makes a query of the store, of what the caller may look at.
func (q AccountQuery) query(r reach) accounts.Query {
	return accounts.Query{
		Text: q.Q, Role: policy.Role(q.Role), Group: q.Group, Status: q.Status, Sort: q.Sort, Where: r.where(),
	}
}

type listAccountsInput struct {
	AccountQuery
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string `query:"cursor"`
}

// Page is a piece of a list; next_cursor is absent at the end.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next_cursor,omitempty"`
}

func (a *API) listAccounts(ctx context.Context, in *listAccountsInput) (*bodyOf[Page[AccountView]], error) {
	r, err := a.reachOf(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	q := in.query(r)
	q.Limit, q.Cursor = in.Limit, in.Cursor
	found, next, err := a.Accounts.List(ctx, q)
	if err != nil {
		return nil, a.problem(err)
	}
	page := Page[AccountView]{Items: make([]AccountView, 0, len(found)), Next: next}
	d := a.directory(ctx)
	for _, x := range found {
		v, err := a.view(ctx, x, d)
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
		AdoptHome  bool     `json:"adopt_home,omitempty" doc:"take a home that exists already, with what it holds; for administrators"`
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
	if err := in.Body.write(&x, site.TimeZone, a.directory(ctx)); err != nil {
		return nil, a.problem(err)
	}
	if x.Keys, err = parseKeys(in.Body.Keys); err != nil {
		return nil, a.problem(err)
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
	x, err := a.mayCreate(ctx, x, n)
	if err != nil {
		return nil, a.problem(err)
	}
	if n.adoptHome && !x.Home.IsRoot() {
		if err := a.folderThere(ctx, "home", x.Home); err != nil {
			return nil, a.problem(err)
		}
	}
	if err := a.intend(ctx, kind, x.Name); err != nil {
		return nil, err
	}
	made, err := a.Sessions.CreateAccount(ctx, x, n.password, n.mustChange, n.adoptHome)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.answer(ctx, kind, nil, made)
}

func parseKeys(lines []string) ([]accounts.Key, error) {
	var keys []accounts.Key
	for _, line := range lines {
		key, err := accounts.ParseKey(line)
		if err != nil {
			return nil, invalid("keys", err.Error())
		}
		keys = append(keys, key)
	}
	return keys, nil
}

// answer records a change and returns the account as it is now.
func (a *API) answer(ctx context.Context, kind events.Kind, before *accounts.Account, now accounts.Account) (*accountOutput, error) {
	d := a.directory(ctx)
	view, err := a.view(ctx, now, d)
	if err != nil {
		return nil, a.problem(err)
	}
	var old map[string]any
	if before != nil {
		oldView, err := a.view(ctx, *before, d)
		if err != nil {
			return nil, a.problem(err)
		}
		old = asMap(oldView)
	}
	was, is := difference(old, asMap(view))
	withoutNotes(was)
	withoutNotes(is)
	if err := a.record(ctx, kind, now.Name, was, is); err != nil {
		return nil, a.problem(err)
	}
	view.Warnings = a.warnings(ctx, before, now)
	return &accountOutput{ETag: etag(now.Revision), Body: view}, nil
}

// withoutNotes keeps the text of notes, which are for administrators, out of the
// trail, which others read.
func withoutNotes(record map[string]any) {
	if _, ok := record["notes"]; ok {
		record["notes"] = "(not shown)"
	}
}

// NameInput names the record that a request is about.
type NameInput struct {
	Name string `path:"name" maxLength:"400"`
}

func (a *API) getAccount(ctx context.Context, in *NameInput) (*accountOutput, error) {
	x, err := a.looked(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	view, err := a.view(ctx, x, a.directory(ctx))
	if err != nil {
		return nil, a.problem(err)
	}
	return &accountOutput{ETag: etag(x.Revision), Body: view}, nil
}

// ConfirmInput lets a change end the caller's own session.
type ConfirmInput struct {
	Confirm string `query:"confirm" enum:"self" doc:"self: the change may end the caller's own session"`
}

// MatchInput asks that a record is as it was read.
type MatchInput struct {
	IfMatch string `header:"If-Match"`
}

type changeAccountInput struct {
	NameInput
	MatchInput
	ConfirmInput
	Body Patch[AccountSettings]
}

func (a *API) changeAccount(ctx context.Context, in *changeAccountInput) (*accountOutput, error) {
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	d := a.directory(ctx)
	return a.update(ctx, in.Name, change{kind: "account.change", match: in.IfMatch, confirm: in.Confirm, do: func(x *accounts.Account) error {
		settings, err := merge(settingsOf(*x, d), AccountSettings{}, in.Body)
		if err != nil {
			return err
		}
		if settings.Home == "" {
			settings.Home = x.Home.String()
		}
		return settings.write(x, site.TimeZone, d)
	}})
}

// A change is what is to become of an account; do may be called more than once.
type change struct {
	kind    events.Kind
	match   string // If-Match
	confirm string
	do      func(*accounts.Account) error
}

// update changes an account that the caller manages, as far as the caller may,
// and records what has changed.
func (a *API) update(ctx context.Context, name string, c change) (*accountOutput, error) {
	revision, err := revisionOf(c.match)
	if err != nil {
		return nil, err
	}
	before, err := a.managed(ctx, name)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.intend(ctx, c.kind, before.Name); err != nil {
		return nil, err
	}
	now, err := a.Sessions.ChangeAccount(ctx, before.Name, revision, func(x *accounts.Account) error {
		was := *x
		if err := c.do(x); err != nil {
			return err
		}
		if err := a.mayChange(ctx, was, *x); err != nil {
			return err
		}
		before = was
		return a.confirmed(ctx, *x, c.confirm)
	}, callerOf(ctx).option())
	if err != nil {
		return nil, a.problem(err)
	}
	return a.answer(ctx, c.kind, &before, now)
}

// confirmed asks for confirm=self where the change would end the caller's own
// session, or what it may do.
func (a *API) confirmed(ctx context.Context, changed accounts.Account, confirm string) error {
	c := callerOf(ctx)
	if c.Socket() || confirm == confirmSelf || c.Session.AccountID() != changed.ID {
		return nil
	}
	effective, err := a.Accounts.Effective(ctx, changed)
	if err != nil {
		return err
	}
	if d := effective.Stay(a.present(c, changed, effective)); d.Allowed && d.Rule == policy.RuleAdmitted && changed.Role == c.Role {
		return nil
	}
	return errConfirm()
}

// confirmSelf is what confirms that a change may end the caller's own session.
const confirmSelf = "self"

func errConfirm() error {
	return huma.NewError(http.StatusConflict, "this would end your own session: repeat it with confirm=self")
}
