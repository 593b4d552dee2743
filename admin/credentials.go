package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/storage/accounts"
)

func (a *API) registerCredentials(api huma.API) {
	huma.Register(api, operation("set-password", http.MethodPut, "/accounts/{name}/password", "Set an account's password", rightAdmin), a.setPassword)
	huma.Register(api, operation("list-keys", http.MethodGet, "/accounts/{name}/keys", "List SSH keys", rightRead), a.listKeys)
	add := operation("add-key", http.MethodPost, "/accounts/{name}/keys", "Add an SSH key", rightAdmin)
	add.DefaultStatus = http.StatusCreated
	huma.Register(api, add, a.addKey)
	huma.Register(api, operation("remove-key", http.MethodDelete, "/accounts/{name}/keys/{id}", "Remove an SSH key", rightAdmin), a.removeKey)
}

type setPasswordInput struct {
	NameInput
	Body struct {
		Password   string `json:"password" maxLength:"4096"`
		MustChange bool   `json:"must_change,omitempty"`
	}
}

func (a *API) setPassword(ctx context.Context, in *setPasswordInput) (*nothing, error) {
	x, err := a.Accounts.Account(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	if c := callerOf(ctx); !c.Socket() && c.Session.AccountID() == x.ID {
		return nil, huma.NewError(http.StatusConflict, "one's own password takes the present one too: PUT /me/password")
	}
	now, err := a.Sessions.SetPassword(ctx, in.Name, in.Body.Password, in.Body.MustChange)
	if err != nil {
		return nil, a.problem(err)
	}
	return nil, a.problem(a.record(ctx, "account.password", now.Name, nil, map[string]any{"must_change": in.Body.MustChange}))
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
	Body struct {
		Key        string     `json:"key" maxLength:"16384" doc:"an authorized_keys line"`
		Name       string     `json:"name,omitempty" maxLength:"200" doc:"default: the line's comment"`
		Expires    *time.Time `json:"expires,omitempty"`
		AllowedIPs []string   `json:"allowed_ips,omitempty" doc:"addresses or CIDR"`
	}
}

func (a *API) addKey(ctx context.Context, in *addKeyInput) (*bodyOf[KeyView], error) {
	key, err := accounts.ParseKey(in.Body.Key)
	if err != nil {
		return nil, a.problem(&accounts.InvalidError{Field: "key", Why: err.Error()})
	}
	if in.Body.Name != "" {
		key.Name = in.Body.Name
	}
	if _, err := parsePrefixes("allowed_ips", in.Body.AllowedIPs); err != nil {
		return nil, a.problem(err)
	}
	key.Expires, key.AllowedIPs = in.Body.Expires, in.Body.AllowedIPs
	_, err = a.recorded(ctx, in.Name, "account.key.add", func(o accounts.Option) (now accounts.Account, err error) {
		key, now, err = a.Accounts.AddKey(ctx, in.Name, key, o)
		return now, err
	})
	if err != nil {
		return nil, err
	}
	return &bodyOf[KeyView]{keyView(key, accounts.Activity{})}, nil
}

type itemInput struct {
	NameInput
	ID string `path:"id"`
}

func (a *API) removeKey(ctx context.Context, in *itemInput) (*nothing, error) {
	_, err := a.recorded(ctx, in.Name, "account.key.remove", func(o accounts.Option) (accounts.Account, error) {
		return a.Accounts.RemoveKey(ctx, in.Name, in.ID, o)
	})
	return nil, err
}
