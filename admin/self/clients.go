package self

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// registerOwnClients registers the operations on what clients keep in step, which
// an account may change from anywhere: a sync is no credential.
func (a *API) registerOwnClients(api huma.API) {
	const path = "/me/clients/{id}/syncs"
	huma.Register(api, rest.Created(rest.Operation("add-own-sync", http.MethodPost, path, "Give a client a folder to keep in step", rest.Own)), a.addSync)
	huma.Register(api, rest.Operation("change-own-sync", http.MethodPut, path+"/{sync}", "Change the paths of a sync", rest.Own), a.changeSync)
	huma.Register(api, rest.Operation("remove-own-sync", http.MethodDelete, path+"/{sync}", "Take a sync away", rest.Own), a.removeSync)
	huma.Register(api, rest.Operation("note-own-sync", http.MethodPost, path+"/{sync}/done", "Say that a folder was brought in step; for the client itself", rest.Own), a.noteSync)
}

// SyncSettings is a folder that a client is to keep in step.
type SyncSettings struct {
	Local  string `json:"local_path" minLength:"1" maxLength:"4096"`
	Remote string `json:"remote_path" minLength:"1" maxLength:"4096" doc:"a tree path"`
}

// ClientInput names the client that a request is about.
type ClientInput struct {
	ID string `path:"id" maxLength:"400"`
}

type addSyncInput struct {
	ClientInput
	Body SyncSettings
}

// SyncInput names what a client keeps in step.
type SyncInput struct {
	ClientInput
	Sync string `path:"sync" maxLength:"400"`
}

type changeSyncInput struct {
	SyncInput
	Body SyncSettings
}

// ownClient returns the caller's account, where the client is its own.
func (a *API) ownClient(ctx context.Context, id string) (accounts.Account, error) {
	x, _, err := a.own(ctx)
	if err != nil {
		return x, err
	}
	if c, ok := x.Credential(id); !ok || c.Kind != policy.KindClient {
		return x, a.Problem(accounts.ErrNotFound)
	}
	return x, nil
}

func (s SyncSettings) sync() (accounts.Sync, error) {
	p, err := record.ParsePath("remote_path", s.Remote)
	return accounts.Sync{Local: s.Local, Remote: p}, err
}

func (a *API) addSync(ctx context.Context, in *addSyncInput) (*rest.Body[record.SyncView], error) {
	y, err := in.Body.sync()
	if err != nil {
		return nil, a.Problem(err)
	}
	return a.syncChange(ctx, in.ID, "account.sync.add", func(x accounts.Account) (accounts.Sync, error) {
		return a.Accounts.AddSync(ctx, x.Name, in.ID, y, accounts.Guarded)
	})
}

func (a *API) changeSync(ctx context.Context, in *changeSyncInput) (*rest.Body[record.SyncView], error) {
	y, err := in.Body.sync()
	if err != nil {
		return nil, a.Problem(err)
	}
	return a.syncChange(ctx, in.ID, "account.sync.change", func(x accounts.Account) (accounts.Sync, error) {
		return a.Accounts.UpdateSync(ctx, x.Name, in.ID, in.Sync, func(now *accounts.Sync) error {
			now.Local, now.Remote = y.Local, y.Remote
			return nil
		}, accounts.Guarded)
	})
}

// syncChange makes and records a change of what a client keeps in step.
func (a *API) syncChange(ctx context.Context, client string, kind events.Kind, change func(accounts.Account) (accounts.Sync, error)) (*rest.Body[record.SyncView], error) {
	x, err := a.ownClient(ctx, client)
	if err != nil {
		return nil, err
	}
	if err := a.Intend(ctx, kind, x.Name); err != nil {
		return nil, err
	}
	y, err := change(x)
	if err != nil {
		return nil, a.Problem(err)
	}
	view := record.ViewSync(client, y, accounts.Activity{})
	after := rest.Map(view)
	after["client"] = client
	return &rest.Body[record.SyncView]{Body: view}, a.Problem(a.Record(ctx, kind, x.Name, nil, after))
}

func (a *API) removeSync(ctx context.Context, in *SyncInput) (*rest.Nothing, error) {
	x, err := a.ownClient(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if err := a.Intend(ctx, "account.sync.remove", x.Name); err != nil {
		return nil, err
	}
	if err := a.Accounts.RemoveSync(ctx, x.Name, in.ID, in.Sync, accounts.Guarded); err != nil {
		return nil, a.Problem(err)
	}
	return nil, a.Problem(a.Record(ctx, "account.sync.remove", x.Name, map[string]any{"client": in.ID, "sync": in.Sync}, nil))
}

// noteSync is believed of the client alone: only it knows.
func (a *API) noteSync(ctx context.Context, in *SyncInput) (*rest.Nothing, error) {
	c := rest.CallerOf(ctx)
	x, err := a.ownClient(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if by := c.Session.Credential(); by.Kind != policy.KindClient || by.ID != in.ID {
		return nil, huma.NewError(http.StatusForbidden, "only the client itself says so")
	}
	client, _ := x.Credential(in.ID)
	for _, y := range client.Device.Syncs {
		if y.ID == in.Sync {
			a.Accounts.Synced(x.ID, in.ID, in.Sync, time.Now(), c.Address.String(), policy.API)
			return nil, nil
		}
	}
	return nil, a.Problem(accounts.ErrNotFound)
}
