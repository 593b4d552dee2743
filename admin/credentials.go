package admin

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func (a *API) registerCredentials(api huma.API) {
	huma.Register(api, rest.Operation("set-password", http.MethodPut, "/accounts/{name}/password", "Set an account's password", rest.Manage), a.setPassword)
	huma.Register(api, rest.Operation("reset-totp", http.MethodDelete, "/accounts/{name}/totp", "Take an account's second factor away, ending its sessions", rest.Admin), a.resetTOTP)
	huma.Register(api, rest.Operation("list-keys", http.MethodGet, "/accounts/{name}/keys", "List SSH keys", rest.Look), a.listKeys)
	huma.Register(api, rest.Created(rest.Operation("add-key", http.MethodPost, "/accounts/{name}/keys", "Add an SSH key", rest.Manage)), a.addKey)
	huma.Register(api, rest.Operation("remove-key", http.MethodDelete, "/accounts/{name}/keys/{id}", "Remove an SSH key", rest.Manage), a.removeKey)
	a.registerSecrets(api, policy.KindAppPassword, "app-passwords")
	a.registerSecrets(api, policy.KindToken, "tokens")
	a.registerSecrets(api, policy.KindClient, "clients")
}

// registerSecrets registers the operations on one kind of credential.
func (a *API) registerSecrets(api huma.API, kind policy.CredentialKind, at string) {
	path := "/accounts/{name}/" + at
	huma.Register(api, rest.Operation("list-"+at, http.MethodGet, path, "List an account's "+at, rest.Look),
		func(ctx context.Context, in *rest.NameInput) (*rest.Body[[]record.CredentialView], error) {
			x, err := a.Looked(ctx, in.Name)
			if err != nil {
				return nil, a.Problem(err)
			}
			views, err := a.credentials.Views(ctx, x, kind)
			return &rest.Body[[]record.CredentialView]{Body: views}, err
		})
	huma.Register(api, rest.Created(rest.Operation("add-"+at, http.MethodPost, path, "Make one for an account; its secret is shown this once", rest.Manage)),
		func(ctx context.Context, in *addSecretInput) (*rest.Body[record.MadeCredential], error) {
			x, revision, err := a.ManagedAt(ctx, in.Name, in.MatchInput)
			if err != nil {
				return nil, a.Problem(err)
			}
			made, err := a.credentials.Make(ctx, x, revision, kind, in.Body)
			return &rest.Body[record.MadeCredential]{Body: made}, err
		})
	huma.Register(api, rest.Operation("remove-"+at, http.MethodDelete, path+"/{id}", "Revoke one at once", rest.Manage),
		func(ctx context.Context, in *rest.ItemInput) (*rest.Nothing, error) {
			x, revision, err := a.ManagedAt(ctx, in.Name, in.MatchInput)
			if err != nil {
				return nil, a.Problem(err)
			}
			return nil, a.credentials.Drop(ctx, x, revision, kind, in.ID)
		})
}

type addSecretInput struct {
	rest.NameInput
	rest.MatchInput
	Body record.CredentialSettings
}

type setPasswordInput struct {
	rest.NameInput
	rest.MatchInput
	Body struct {
		Password   string `json:"password" maxLength:"4096"`
		MustChange bool   `json:"must_change,omitempty"`
	}
}

func (a *API) setPassword(ctx context.Context, in *setPasswordInput) (*rest.Nothing, error) {
	x, revision, err := a.ManagedAt(ctx, in.Name, in.MatchInput)
	if err != nil {
		return nil, a.Problem(err)
	}
	if err := a.Intend(ctx, "account.password", x.Name); err != nil {
		return nil, err
	}
	now, err := a.Provision.SetPassword(ctx, x.Name, revision, in.Body.Password, in.Body.MustChange)
	if err != nil {
		return nil, a.Problem(err)
	}
	was, is := record.PasswordChange(x.Password, now.Password)
	return nil, a.Problem(a.Record(ctx, "account.password", x.Name, was, is))
}

type resetTOTPInput struct {
	rest.NameInput
	rest.MatchInput
}

func (a *API) resetTOTP(ctx context.Context, in *resetTOTPInput) (*rest.Nothing, error) {
	x, revision, err := a.ManagedAt(ctx, in.Name, in.MatchInput)
	if err != nil {
		return nil, a.Problem(err)
	}
	if x.TOTP == nil {
		return nil, huma.NewError(http.StatusNotFound, "the account has no second factor")
	}
	if err := a.Intend(ctx, "account.totp.reset", x.Name); err != nil {
		return nil, err
	}
	if _, err := a.Provision.RemoveTOTP(ctx, x.Name, revision, rest.CallerOf(ctx).Option()); err != nil {
		return nil, a.Problem(err)
	}
	was, is := record.FactorChange(x.TOTP, nil)
	return nil, a.Problem(a.Record(ctx, "account.totp.reset", x.Name, was, is))
}

func (a *API) listKeys(ctx context.Context, in *rest.NameInput) (*rest.Body[[]record.KeyView], error) {
	out, err := a.getAccount(ctx, in)
	if err != nil {
		return nil, err
	}
	return &rest.Body[[]record.KeyView]{Body: out.Body.Keys}, nil
}

type addKeyInput struct {
	rest.NameInput
	rest.MatchInput
	Body record.KeySettings
}

func (a *API) addKey(ctx context.Context, in *addKeyInput) (*rest.Body[record.KeyView], error) {
	key, err := in.Body.Parse()
	if err != nil {
		return nil, a.Problem(err)
	}
	x, err := a.ManagedOther(ctx, in.Name)
	if err != nil {
		return nil, a.Problem(err)
	}
	out, err := a.update(ctx, x.Name, change{kind: "account.key.add", match: in.IfMatch, do: func(x *accounts.Account) error {
		x.Keys = append(x.Keys, key)
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return &rest.Body[record.KeyView]{Body: out.Body.Keys[len(out.Body.Keys)-1]}, nil
}

func (a *API) removeKey(ctx context.Context, in *rest.ItemInput) (*rest.Nothing, error) {
	x, err := a.ManagedOther(ctx, in.Name)
	if err != nil {
		return nil, a.Problem(err)
	}
	_, err = a.update(ctx, x.Name, change{kind: "account.key.remove", match: in.IfMatch, do: func(x *accounts.Account) error {
		i, err := findKey(x.Keys, in.ID)
		if err == nil {
			x.Keys = slices.Delete(slices.Clone(x.Keys), i, i+1)
		}
		return err
	}})
	return nil, err
}

// findKey finds the key with this id, fingerprint or name. A name that several
// keys have is refused.
func findKey(keys []accounts.Key, which string) (int, error) {
	found := -1
	for i, k := range keys {
		switch {
		case k.ID == which, k.Fingerprint == which:
			return i, nil
		case k.Name == which && found >= 0:
			return 0, rest.Invalid("name", "is that of several keys: name one by its fingerprint")
		case k.Name == which:
			found = i
		}
	}
	if found < 0 {
		return 0, accounts.ErrNotFound
	}
	return found, nil
}
