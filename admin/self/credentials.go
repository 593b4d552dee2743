package self

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

func (a *API) registerOwnCredentials(api huma.API) {
	huma.Register(api, rest.Operation("own-keys", http.MethodGet, "/me/keys", "One's own SSH keys", rest.Own), a.ownKeys)
	huma.Register(api, rest.Created(rest.Operation("add-own-key", http.MethodPost, "/me/keys", "Add an SSH key", rest.Fresh)), a.addOwnKey)
	huma.Register(api, rest.Operation("remove-own-key", http.MethodDelete, "/me/keys/{id}", "Remove an SSH key", rest.Fresh), a.removeOwnKey)
	a.registerOwnSecrets(api, policy.KindAppPassword, "app-passwords")
	a.registerOwnSecrets(api, policy.KindToken, "tokens")
	a.registerOwnSecrets(api, policy.KindClient, "clients")
}

// registerOwnSecrets registers the operations on one kind of one's own credentials.
func (a *API) registerOwnSecrets(api huma.API, kind policy.CredentialKind, at string) {
	path := "/me/" + at
	huma.Register(api, rest.Operation("own-"+at, http.MethodGet, path, "One's own "+at, rest.Own),
		func(ctx context.Context, _ *rest.Nothing) (*ownList[record.CredentialView], error) {
			x, _, err := a.own(ctx)
			if err != nil {
				return nil, err
			}
			views, err := a.credentials.Views(ctx, x, kind)
			return &ownList[record.CredentialView]{rest.ETag(x.Revision), views}, err
		})
	huma.Register(api, rest.Created(rest.Operation("add-own-"+at, http.MethodPost, path, "Make one; its secret is shown this once", rest.Fresh)),
		func(ctx context.Context, in *ownSecretInput) (*rest.Body[record.MadeCredential], error) {
			x, revision, err := a.ownCredentialsAllowed(ctx, in.MatchInput)
			if err != nil {
				return nil, err
			}
			made, err := a.credentials.Make(ctx, x, revision, kind, in.Body)
			return &rest.Body[record.MadeCredential]{Body: made}, err
		})
	huma.Register(api, rest.Operation("remove-own-"+at, http.MethodDelete, path+"/{id}", "Revoke one at once", rest.Fresh),
		func(ctx context.Context, in *ownItemInput) (*rest.Nothing, error) {
			x, revision, err := a.ownCredentialsAllowed(ctx, in.MatchInput)
			if err != nil {
				return nil, err
			}
			return nil, a.credentials.Drop(ctx, x, revision, kind, in.ID)
		})
}

// ownList is a list of what is in one's own account, under the account's tag.
type ownList[T any] struct {
	ETag string `header:"ETag"`
	Body []T
}

type ownSecretInput struct {
	rest.MatchInput
	Body record.CredentialSettings
}

type ownItemInput struct {
	rest.MatchInput
	ID string `path:"id" maxLength:"400"`
}

// ownCredentialsAllowed refuses what the site has switched off (self_service.keys),
// a shared account (whoever has it would lock the others out, or stay in), and one
// that is another than If-Match says; a change is to find the revision in the store.
func (a *API) ownCredentialsAllowed(ctx context.Context, m rest.MatchInput) (x accounts.Account, revision uint64, err error) {
	x, site, err := a.own(ctx)
	if err != nil {
		return x, 0, err
	}
	if !site.SelfService.Keys || x.Shared {
		return x, 0, huma.NewError(http.StatusForbidden, "an administrator changes the credentials of this account")
	}
	revision, err = rest.Expected(m.IfMatch, x.Revision)
	return x, revision, a.Problem(err)
}

func (a *API) ownKeys(ctx context.Context, _ *rest.Nothing) (*ownList[record.KeyView], error) {
	x, _, err := a.own(ctx)
	if err != nil {
		return nil, err
	}
	activity, err := a.Accounts.Activity(ctx, x.ID)
	if err != nil {
		return nil, a.Problem(err)
	}
	return &ownList[record.KeyView]{rest.ETag(x.Revision), record.ViewKeys(x, activity)}, nil
}

type ownKeyInput struct {
	rest.MatchInput
	Body record.KeySettings
}

func (a *API) addOwnKey(ctx context.Context, in *ownKeyInput) (*rest.Body[record.KeyView], error) {
	x, revision, err := a.ownCredentialsAllowed(ctx, in.MatchInput)
	if err != nil {
		return nil, err
	}
	key, err := in.Body.Parse()
	if err != nil {
		return nil, a.Problem(err)
	}
	if err := a.Intend(ctx, "account.key.add", x.Name); err != nil {
		return nil, err
	}
	made, now, err := a.Accounts.AddKey(ctx, x.Name, revision, key, accounts.Guarded)
	if err != nil {
		return nil, a.Problem(err)
	}
	views := record.ViewKeys(now, accounts.Activity{})
	i := slices.IndexFunc(views, func(v record.KeyView) bool { return v.ID == made.ID })
	return &rest.Body[record.KeyView]{Body: views[i]}, a.Problem(a.Record(ctx, "account.key.add", x.Name, nil, rest.Map(views[i])))
}

func (a *API) removeOwnKey(ctx context.Context, in *ownItemInput) (*rest.Nothing, error) {
	x, revision, err := a.ownCredentialsAllowed(ctx, in.MatchInput)
	if err != nil {
		return nil, err
	}
	if err := a.Intend(ctx, "account.key.remove", x.Name); err != nil {
		return nil, err
	}
	if _, err := a.Accounts.RemoveKey(ctx, x.Name, revision, in.ID, accounts.Guarded); err != nil {
		return nil, a.Problem(err)
	}
	return nil, a.Problem(a.Record(ctx, "account.key.remove", x.Name, map[string]any{"key": in.ID}, nil))
}
