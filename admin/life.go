package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/admin/rights"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func (a *API) registerLife(api huma.API) {
	huma.Register(api, rest.Operation("delete-account", http.MethodDelete, "/accounts/{name}", "Delete an account for good", rest.Manage), a.deleteAccount)
	clone := rest.Operation("clone-account", http.MethodPost, "/accounts/{name}/clone", "Create an account like another: groups, grants, protocols, network and limits, nothing else", rest.Manage)
	clone.DefaultStatus = http.StatusCreated
	huma.Register(api, clone, a.cloneAccount)
	huma.Register(api, rest.Operation("disable-account", http.MethodPost, "/accounts/{name}/disable", "Disable, ending every session", rest.Manage), a.disableAccount)
	huma.Register(api, rest.Operation("enable-account", http.MethodPost, "/accounts/{name}/enable", "Enable again", rest.Manage), a.enableAccount)
	huma.Register(api, rest.Operation("unlock-account", http.MethodPost, "/accounts/{name}/unlock", "Lift a lockout", rest.Admin), a.unlockAccount)
}

type deleteAccountInput struct {
	rest.NameInput
	rest.MatchInput
	Confirm string `query:"confirm" required:"true" doc:"the username again"`
	Files   string `query:"files" required:"true" enum:"keep,delete" doc:"what becomes of the home: keep moves it to /.kept"`
}

func (a *API) deleteAccount(ctx context.Context, in *deleteAccountInput) (*rest.Nothing, error) {
	revision, err := rest.Revision(in.IfMatch)
	if err != nil {
		return nil, err
	}
	x, err := a.Managed(ctx, in.Name)
	if err != nil {
		return nil, a.Problem(err)
	}
	if in.Confirm != x.Name && in.Confirm != in.Name {
		return nil, a.Problem(rest.Invalid("confirm", "is not the account's username"))
	}
	if rest.CallerOf(ctx).Is(x) {
		return nil, huma.NewError(http.StatusConflict, "an account cannot delete itself")
	}
	if !rest.CallerOf(ctx).Administers() && in.Files == string(accounts.KeepFiles) {
		return nil, rights.NotTheirs("files", "only administrators keep the files of an account, which only they can reach then")
	}
	if err := a.Intend(ctx, "account.delete", x.Name); err != nil {
		return nil, err
	}
	e := a.Changed(ctx, "account.delete", x.Name)
	was, err := record.NewDirectory(ctx, a.Accounts).View(ctx, x)
	if err != nil {
		return nil, a.Problem(err)
	}
	if err := a.Provision.Delete(ctx, x.Name, revision, in.Files, rest.CallerOf(ctx).Option()); err != nil {
		return nil, a.Problem(err)
	}
	e.Before = rest.Map(was)
	withoutNotes(e.Before)
	e.After = map[string]any{"files": in.Files}
	return nil, a.Problem(a.RecordEvent(ctx, e))
}

type cloneInput struct {
	rest.NameInput
	Body struct {
		Username    string                   `json:"username" minLength:"1" maxLength:"200"`
		DisplayName string                   `json:"display_name,omitempty" maxLength:"200"`
		Email       string                   `json:"email,omitempty" maxLength:"254"`
		Role        string                   `json:"role,omitempty" enum:"user,guest" doc:"default user; the source's role is never taken"`
		ManagedBy   *record.ManagersSettings `json:"managed_by,omitempty"`
		Expires     *string                  `json:"expires,omitempty" doc:"YYYY-MM-DD or an RFC 3339 instant"`
		Password    string                   `json:"password,omitempty" maxLength:"4096"`
		MustChange  bool                     `json:"must_change,omitempty"`
	}
}

// cloneAccount judges the copy as if every setting of it had been given by the
// caller: a copy widens no less than an original.
func (a *API) cloneAccount(ctx context.Context, in *cloneInput) (*accountOutput, error) {
	source, err := a.Looked(ctx, in.Name)
	if err != nil {
		return nil, a.Problem(err)
	}
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return nil, a.Problem(err)
	}
	x, err := accounts.CloneOf(source, in.Body.Username)
	if err != nil {
		return nil, a.Problem(err)
	}
	x.DisplayName, x.Email = in.Body.DisplayName, in.Body.Email
	if in.Body.Role != "" {
		x.Role = policy.Role(in.Body.Role)
	}
	settings := record.AccountSettings{Expires: in.Body.Expires, ManagedBy: in.Body.ManagedBy}
	for _, write := range []func(*accounts.Account) error{settings.WriteExpiry(site.TimeZone), settings.WriteManagers(record.NewDirectory(ctx, a.Accounts))} {
		if err := write(&x); err != nil {
			return nil, a.Problem(err)
		}
	}
	return a.makeAccount(ctx, "account.clone", x, newAccount{password: in.Body.Password, mustChange: in.Body.MustChange})
}

type disableInput struct {
	rest.NameInput
	rest.MatchInput
	rest.ConfirmInput
	Body *struct {
		Why string `json:"why,omitempty" maxLength:"500"`
	}
}

func (a *API) disableAccount(ctx context.Context, in *disableInput) (*accountOutput, error) {
	why := ""
	if in.Body != nil {
		why = in.Body.Why
	}
	return a.update(ctx, in.Name, change{kind: "account.disable", match: in.IfMatch, confirm: in.Confirm, do: func(x *accounts.Account) error {
		x.Status = policy.Status{Disabled: true, By: rest.CallerOf(ctx).Actor(), At: now(), Why: why}
		return nil
	}})
}

type enableInput struct {
	rest.NameInput
	rest.MatchInput
}

func (a *API) enableAccount(ctx context.Context, in *enableInput) (*accountOutput, error) {
	return a.update(ctx, in.Name, change{kind: "account.enable", match: in.IfMatch, do: func(x *accounts.Account) error {
		if x.Status.Disabled {
			x.Status = policy.Status{By: rest.CallerOf(ctx).Actor(), At: now()}
		}
		return nil
	}})
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

// UnlockedAccount is an account after its lockout was lifted.
type UnlockedAccount struct {
	record.AccountView
	WasLocked bool `json:"was_locked" doc:"false: it was not, and only what had failed is forgotten"`
}

type unlockOutput struct {
	ETag string `header:"ETag"`
	Body UnlockedAccount
}

func (a *API) unlockAccount(ctx context.Context, in *rest.NameInput) (*unlockOutput, error) {
	x, err := a.Managed(ctx, in.Name)
	if err != nil {
		return nil, a.Problem(err)
	}
	if err := a.Intend(ctx, "account.unlock", x.Name); err != nil {
		return nil, err
	}
	before, err := a.Auth.Lockout(ctx, x.ID)
	if err != nil {
		return nil, a.Problem(err)
	}
	if err := a.Auth.Unlock(ctx, x.ID); err != nil {
		return nil, a.Problem(err)
	}
	was, is := map[string]any(nil), map[string]any(nil)
	if before.Failures > 0 || !before.Until.IsZero() {
		was, is = map[string]any{"failed_logins": before.Failures}, map[string]any{"failed_logins": 0}
	}
	if !before.Until.IsZero() {
		was["locked_until"] = before.Until
	}
	if err := a.Record(ctx, "account.unlock", x.Name, was, is); err != nil {
		return nil, err
	}
	view, err := a.view(ctx, record.NewDirectory(ctx, a.Accounts), x)
	if err != nil {
		return nil, a.Problem(err)
	}
	return &unlockOutput{rest.ETag(x.Revision), UnlockedAccount{view, !before.Until.IsZero()}}, nil
}
