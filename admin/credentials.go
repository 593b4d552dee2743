package admin

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func (a *API) registerCredentials(api huma.API) {
	huma.Register(api, operation("set-password", http.MethodPut, "/accounts/{name}/password", "Set an account's password", rightManage), a.setPassword)
	huma.Register(api, operation("reset-totp", http.MethodDelete, "/accounts/{name}/totp", "Take an account's second factor away, ending its sessions", rightAdmin), a.resetTOTP)
	huma.Register(api, operation("list-keys", http.MethodGet, "/accounts/{name}/keys", "List SSH keys", rightLook), a.listKeys)
	huma.Register(api, created(operation("add-key", http.MethodPost, "/accounts/{name}/keys", "Add an SSH key", rightManage)), a.addKey)
	huma.Register(api, operation("remove-key", http.MethodDelete, "/accounts/{name}/keys/{id}", "Remove an SSH key", rightManage), a.removeKey)
	a.registerSecrets(api, policy.KindAppPassword, "app-passwords")
	a.registerSecrets(api, policy.KindToken, "tokens")
	a.registerSecrets(api, policy.KindClient, "clients")
}

// registerSecrets registers the operations on one kind of credential.
func (a *API) registerSecrets(api huma.API, kind policy.CredentialKind, at string) {
	path := "/accounts/{name}/" + at
	huma.Register(api, operation("list-"+at, http.MethodGet, path, "List an account's "+at, rightLook),
		func(ctx context.Context, in *NameInput) (*bodyOf[[]CredentialView], error) {
			x, err := a.looked(ctx, in.Name)
			if err != nil {
				return nil, a.problem(err)
			}
			views, err := a.credentialViews(ctx, x, kind)
			return &bodyOf[[]CredentialView]{views}, err
		})
	huma.Register(api, created(operation("add-"+at, http.MethodPost, path, "Make one for an account; its secret is shown this once", rightManage)),
		func(ctx context.Context, in *addSecretInput) (*bodyOf[MadeCredential], error) {
			x, err := a.managedAt(ctx, in.Name, in.MatchInput)
			if err != nil {
				return nil, a.problem(err)
			}
			made, err := a.makeCredential(ctx, x, kind, in.Body)
			return &bodyOf[MadeCredential]{made}, err
		})
	huma.Register(api, operation("remove-"+at, http.MethodDelete, path+"/{id}", "Revoke one at once", rightManage),
		func(ctx context.Context, in *itemInput) (*nothing, error) {
			x, err := a.managedAt(ctx, in.Name, in.MatchInput)
			if err != nil {
				return nil, a.problem(err)
			}
			return nil, a.dropCredential(ctx, x, kind, in.ID)
		})
}

type addSecretInput struct {
	NameInput
	MatchInput
	Body CredentialSettings
}

type itemInput struct {
	NameInput
	MatchInput
	ID string `path:"id"`
}

// created says that an operation answers 201.
func created(op huma.Operation) huma.Operation {
	op.DefaultStatus = http.StatusCreated
	return op
}

type setPasswordInput struct {
	NameInput
	MatchInput
	Body struct {
		Password   string `json:"password" maxLength:"4096"`
		MustChange bool   `json:"must_change,omitempty"`
	}
}

func (a *API) setPassword(ctx context.Context, in *setPasswordInput) (*nothing, error) {
	x, err := a.managedAt(ctx, in.Name, in.MatchInput)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.intend(ctx, "account.password", x.Name); err != nil {
		return nil, err
	}
	if _, err := a.Sessions.SetPassword(ctx, x.Name, in.Body.Password, in.Body.MustChange); err != nil {
		return nil, a.problem(err)
	}
	return nil, a.problem(a.record(ctx, "account.password", x.Name, nil, map[string]any{"must_change": in.Body.MustChange}))
}

type resetTOTPInput struct {
	NameInput
	MatchInput
}

func (a *API) resetTOTP(ctx context.Context, in *resetTOTPInput) (*nothing, error) {
	x, err := a.managedAt(ctx, in.Name, in.MatchInput)
	if err != nil {
		return nil, a.problem(err)
	}
	if x.TOTP == nil {
		return nil, huma.NewError(http.StatusNotFound, "the account has no second factor")
	}
	if err := a.intend(ctx, "account.totp.reset", x.Name); err != nil {
		return nil, err
	}
	if _, err := a.Sessions.RemoveTOTP(ctx, x.Name, callerOf(ctx).option()); err != nil {
		return nil, a.problem(err)
	}
	return nil, a.problem(a.record(ctx, "account.totp.reset", x.Name, map[string]any{"added": x.TOTP.Added, "confirmed": x.TOTP.Confirmed}, nil))
}

func (a *API) listKeys(ctx context.Context, in *NameInput) (*bodyOf[[]KeyView], error) {
	out, err := a.getAccount(ctx, in)
	if err != nil {
		return nil, err
	}
	return &bodyOf[[]KeyView]{out.Body.Keys}, nil
}

type addKeyInput struct {
	NameInput
	MatchInput
	Body KeySettings
}

// KeySettings is an SSH key to be added.
type KeySettings struct {
	Key        string     `json:"key" maxLength:"16384" doc:"an authorized_keys line"`
	Name       string     `json:"name,omitempty" maxLength:"200" doc:"default: the line's comment"`
	Expires    *time.Time `json:"expires,omitempty"`
	AllowedIPs []string   `json:"allowed_ips,omitempty" doc:"addresses or CIDR"`
}

// key makes a record of the settings; the store gives it an id.
func (s KeySettings) key() (accounts.Key, error) {
	key, err := accounts.ParseKey(s.Key)
	if err != nil {
		return key, invalid("key", err.Error())
	}
	if s.Name != "" {
		key.Name = s.Name
	}
	if _, err := parsePrefixes("allowed_ips", s.AllowedIPs); err != nil {
		return key, err
	}
	key.Expires, key.AllowedIPs = s.Expires, s.AllowedIPs
	return key, nil
}

func (a *API) addKey(ctx context.Context, in *addKeyInput) (*bodyOf[KeyView], error) {
	key, err := in.Body.key()
	if err != nil {
		return nil, a.problem(err)
	}
	x, err := a.managedOther(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	out, err := a.update(ctx, x.Name, change{kind: "account.key.add", match: in.IfMatch, do: func(x *accounts.Account) error {
		x.Keys = append(x.Keys, key)
		return nil
	}})
	if err != nil {
		return nil, err
	}
	return &bodyOf[KeyView]{out.Body.Keys[len(out.Body.Keys)-1]}, nil
}

func (a *API) removeKey(ctx context.Context, in *itemInput) (*nothing, error) {
	x, err := a.managedOther(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
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
			return 0, invalid("name", "is that of several keys: name one by its fingerprint")
		case k.Name == which:
			found = i
		}
	}
	if found < 0 {
		return 0, accounts.ErrNotFound
	}
	return found, nil
}
