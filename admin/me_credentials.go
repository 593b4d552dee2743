package admin

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func (a *API) registerOwnCredentials(api huma.API) {
	huma.Register(api, operation("own-keys", http.MethodGet, "/me/keys", "One's own SSH keys", rightOwn), a.ownKeys)
	huma.Register(api, created(operation("add-own-key", http.MethodPost, "/me/keys", "Add an SSH key", rightFresh)), a.addOwnKey)
	huma.Register(api, operation("remove-own-key", http.MethodDelete, "/me/keys/{id}", "Remove an SSH key", rightFresh), a.removeOwnKey)
	a.registerOwnSecrets(api, policy.KindAppPassword, "app-passwords")
	a.registerOwnSecrets(api, policy.KindToken, "tokens")
	a.registerOwnSecrets(api, policy.KindClient, "clients")
}

// registerOwnSecrets registers the operations on one kind of one's own credentials.
func (a *API) registerOwnSecrets(api huma.API, kind policy.CredentialKind, at string) {
	path := "/me/" + at
	huma.Register(api, operation("own-"+at, http.MethodGet, path, "One's own "+at, rightOwn),
		func(ctx context.Context, _ *nothing) (*bodyOf[[]CredentialView], error) {
			x, _, err := a.own(ctx)
			if err != nil {
				return nil, err
			}
			views, err := a.credentialViews(ctx, x, kind)
			return &bodyOf[[]CredentialView]{views}, err
		})
	huma.Register(api, created(operation("add-own-"+at, http.MethodPost, path, "Make one; its secret is shown this once", rightFresh)),
		func(ctx context.Context, in *ownSecretInput) (*bodyOf[MadeCredential], error) {
			x, err := a.ownCredentialsAllowed(ctx)
			if err != nil {
				return nil, err
			}
			made, err := a.makeCredential(ctx, x, kind, in.Body)
			return &bodyOf[MadeCredential]{made}, err
		})
	huma.Register(api, operation("remove-own-"+at, http.MethodDelete, path+"/{id}", "Revoke one at once", rightFresh),
		func(ctx context.Context, in *ownItemInput) (*nothing, error) {
			x, err := a.ownCredentialsAllowed(ctx)
			if err != nil {
				return nil, err
			}
			return nil, a.dropCredential(ctx, x, kind, in.ID)
		})
}

type ownSecretInput struct{ Body CredentialSettings }

type ownItemInput struct {
	ID string `path:"id" maxLength:"400"`
}

// ownCredentialsAllowed refuses what the site has switched off (self_service.keys),
// and a shared account: whoever has it would lock the others out, or stay in.
func (a *API) ownCredentialsAllowed(ctx context.Context) (accounts.Account, error) {
	x, site, err := a.own(ctx)
	if err != nil {
		return x, err
	}
	if !site.SelfService.Keys || x.Shared {
		return x, huma.NewError(http.StatusForbidden, "an administrator changes the credentials of this account")
	}
	return x, nil
}

func (a *API) ownKeys(ctx context.Context, _ *nothing) (*bodyOf[[]KeyView], error) {
	x, _, err := a.own(ctx)
	if err != nil {
		return nil, err
	}
	activity, err := a.Accounts.Activity(ctx, x.ID)
	if err != nil {
		return nil, a.problem(err)
	}
	return &bodyOf[[]KeyView]{keyViews(x, activity)}, nil
}

type ownKeyInput struct{ Body KeySettings }

func (a *API) addOwnKey(ctx context.Context, in *ownKeyInput) (*bodyOf[KeyView], error) {
	x, err := a.ownCredentialsAllowed(ctx)
	if err != nil {
		return nil, err
	}
	key, err := in.Body.key()
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.intend(ctx, "account.key.add", x.Name); err != nil {
		return nil, err
	}
	made, now, err := a.Accounts.AddKey(ctx, x.Name, key, accounts.Guarded)
	if err != nil {
		return nil, a.problem(err)
	}
	views := keyViews(now, accounts.Activity{})
	i := slices.IndexFunc(views, func(v KeyView) bool { return v.ID == made.ID })
	return &bodyOf[KeyView]{views[i]}, a.problem(a.record(ctx, "account.key.add", x.Name, nil, asMap(views[i])))
}

func (a *API) removeOwnKey(ctx context.Context, in *ownItemInput) (*nothing, error) {
	x, err := a.ownCredentialsAllowed(ctx)
	if err != nil {
		return nil, err
	}
	if err := a.intend(ctx, "account.key.remove", x.Name); err != nil {
		return nil, err
	}
	if _, err := a.Accounts.RemoveKey(ctx, x.Name, in.ID, accounts.Guarded); err != nil {
		return nil, a.problem(err)
	}
	return nil, a.problem(a.record(ctx, "account.key.remove", x.Name, map[string]any{"key": in.ID}, nil))
}
