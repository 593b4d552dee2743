package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func (a *API) registerLife(api huma.API) {
	huma.Register(api, operation("delete-account", http.MethodDelete, "/accounts/{name}", "Delete an account for good", rightManage), a.deleteAccount)
	clone := operation("clone-account", http.MethodPost, "/accounts/{name}/clone", "Create an account like another: groups, grants, protocols, network and limits, nothing else", rightManage)
	clone.DefaultStatus = http.StatusCreated
	huma.Register(api, clone, a.cloneAccount)
	huma.Register(api, operation("disable-account", http.MethodPost, "/accounts/{name}/disable", "Disable, ending every session", rightManage), a.disableAccount)
	huma.Register(api, operation("enable-account", http.MethodPost, "/accounts/{name}/enable", "Enable again", rightManage), a.enableAccount)
	huma.Register(api, operation("unlock-account", http.MethodPost, "/accounts/{name}/unlock", "Lift a lockout", rightAdmin), a.unlockAccount)
}

type deleteAccountInput struct {
	NameInput
	MatchInput
	Confirm string `query:"confirm" required:"true" doc:"the username again"`
	Files   string `query:"files" required:"true" enum:"keep,delete" doc:"what becomes of the home: keep moves it to /.kept"`
}

func (a *API) deleteAccount(ctx context.Context, in *deleteAccountInput) (*nothing, error) {
	revision, err := revisionOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	x, err := a.managed(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	if in.Confirm != x.Name && in.Confirm != in.Name {
		return nil, a.problem(invalid("confirm", "is not the account's username"))
	}
	if callerOf(ctx).is(x) {
		return nil, huma.NewError(http.StatusConflict, "an account cannot delete itself")
	}
	if !callerOf(ctx).administers() && in.Files == string(accounts.KeepFiles) {
		return nil, notTheirs("files", "only administrators keep the files of an account, which only they can reach then")
	}
	if err := a.intend(ctx, "account.delete", x.Name); err != nil {
		return nil, err
	}
	e := a.changed(ctx, "account.delete", x.Name)
	if err := a.Sessions.DeleteAccount(ctx, x.Name, revision, in.Files, callerOf(ctx).option()); err != nil {
		return nil, a.problem(err)
	}
	e.Before = map[string]any{"id": x.ID, "home": x.Home.String(), "role": string(x.Role)}
	e.After = map[string]any{"files": in.Files}
	return nil, a.problem(a.recordEvent(ctx, e))
}

type cloneInput struct {
	NameInput
	Body struct {
		Username    string            `json:"username" minLength:"1" maxLength:"200"`
		DisplayName string            `json:"display_name,omitempty" maxLength:"200"`
		Email       string            `json:"email,omitempty" maxLength:"254"`
		Role        string            `json:"role,omitempty" enum:"user,guest" doc:"default user; the source's role is never taken"`
		ManagedBy   *ManagersSettings `json:"managed_by,omitempty"`
		Expires     *string           `json:"expires,omitempty" doc:"YYYY-MM-DD or an RFC 3339 instant"`
		Password    string            `json:"password,omitempty" maxLength:"4096"`
		MustChange  bool              `json:"must_change,omitempty"`
	}
}

// cloneAccount judges the copy as if every setting of it had been given by the
// caller: a copy widens no less than an original.
func (a *API) cloneAccount(ctx context.Context, in *cloneInput) (*accountOutput, error) {
	source, err := a.looked(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	x, err := accounts.CloneOf(source, in.Body.Username)
	if err != nil {
		return nil, a.problem(err)
	}
	x.DisplayName, x.Email = in.Body.DisplayName, in.Body.Email
	if in.Body.Role != "" {
		x.Role = policy.Role(in.Body.Role)
	}
	settings := AccountSettings{Expires: in.Body.Expires, ManagedBy: in.Body.ManagedBy}
	for _, write := range []func(*accounts.Account) error{settings.writeExpiry(site.TimeZone), settings.writeManagers(a.directory(ctx))} {
		if err := write(&x); err != nil {
			return nil, a.problem(err)
		}
	}
	return a.makeAccount(ctx, "account.clone", x, newAccount{password: in.Body.Password, mustChange: in.Body.MustChange})
}

type disableInput struct {
	NameInput
	MatchInput
	ConfirmInput
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
		x.Status = policy.Status{Disabled: true, By: callerOf(ctx).actor(), At: now(), Why: why}
		return nil
	}})
}

type enableInput struct {
	NameInput
	MatchInput
}

func (a *API) enableAccount(ctx context.Context, in *enableInput) (*accountOutput, error) {
	return a.update(ctx, in.Name, change{kind: "account.enable", match: in.IfMatch, do: func(x *accounts.Account) error {
		if x.Status.Disabled {
			x.Status = policy.Status{By: callerOf(ctx).actor(), At: now()}
		}
		return nil
	}})
}

func now() time.Time { return time.Now().UTC().Truncate(time.Second) }

func (a *API) unlockAccount(ctx context.Context, in *NameInput) (*accountOutput, error) {
	x, err := a.managed(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.intend(ctx, "account.unlock", x.Name); err != nil {
		return nil, err
	}
	if err := a.Sessions.Unlock(ctx, x.Name); err != nil {
		return nil, a.problem(err)
	}
	return a.answer(ctx, "account.unlock", &x, x)
}
