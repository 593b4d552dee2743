package admin

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
	"gatehouse/admin/rights"
	"gatehouse/auth/session"
	"gatehouse/storage/accounts"
)

func (a *API) registerSessions(api huma.API) {
	huma.Register(api, rest.Operation("list-sessions", http.MethodGet, "/sessions", "List open sessions; a delegate sees those of accounts that it manages", rest.Look), a.listSessions)
	huma.Register(api, rest.Operation("end-session", http.MethodDelete, "/sessions/{id}", "End a session", rest.Manage), a.endSession)
	huma.Register(api, rest.Operation("account-sessions", http.MethodGet, "/accounts/{name}/sessions", "List an account's open sessions", rest.Look), a.accountSessions)
	huma.Register(api, rest.Operation("end-account-session", http.MethodDelete, "/accounts/{name}/sessions/{id}", "End a session of an account", rest.Manage), a.endAccountSession)
}

func (a *API) listSessions(ctx context.Context, in *rest.PageInput) (*rest.ListOutput[session.Description], error) {
	r, err := a.Sight(ctx)
	if err != nil {
		return nil, a.Problem(err)
	}
	all, err := a.Sessions.Everywhere(ctx, "")
	if err != nil {
		return nil, a.Problem(err)
	}
	list := slices.DeleteFunc(all, func(d session.Description) bool { return !r.Sees(d.AccountID) })
	return rest.Piece(*in, list, func(d session.Description) string {
		return d.Since.UTC().Format(pieceTime) + " " + d.ID // as they are sorted
	}), nil
}

func (a *API) accountSessions(ctx context.Context, in *rest.NameInput) (*rest.Body[[]session.Description], error) {
	x, err := a.Looked(ctx, in.Name)
	if err != nil {
		return nil, a.Problem(err)
	}
	own, err := a.Sessions.Everywhere(ctx, x.ID)
	return &rest.Body[[]session.Description]{Body: own}, a.Problem(err)
}

type endSessionInput struct {
	rest.ConfirmInput
	ID string `path:"id"`
}

func (a *API) endSession(ctx context.Context, in *endSessionInput) (*rest.Nothing, error) {
	all, err := a.Sessions.Everywhere(ctx, "")
	if err != nil {
		return nil, a.Problem(err)
	}
	i := slices.IndexFunc(all, func(d session.Description) bool { return d.ID == in.ID })
	if i < 0 {
		return nil, errNoSession()
	}
	x, err := a.ManagedByID(ctx, all[i].AccountID)
	if err != nil {
		return nil, errNoSession() // whose sessions the caller does not see, it does not hear of
	}
	return a.end(ctx, x, in.ID, in.Confirm)
}

type endAccountSessionInput struct {
	rest.NameInput
	rest.ConfirmInput
	ID string `path:"id"`
}

func (a *API) endAccountSession(ctx context.Context, in *endAccountSessionInput) (*rest.Nothing, error) {
	x, err := a.Managed(ctx, in.Name)
	if err != nil {
		return nil, a.Problem(err)
	}
	own, err := a.Sessions.Everywhere(ctx, x.ID)
	if err != nil {
		return nil, a.Problem(err)
	}
	if !slices.ContainsFunc(own, func(d session.Description) bool { return d.ID == in.ID }) {
		return nil, errNoSession()
	}
	return a.end(ctx, x, in.ID, in.Confirm)
}

func errNoSession() error { return huma.NewError(http.StatusNotFound, "no such session") }

// end ends a session of an account that the caller manages.
func (a *API) end(ctx context.Context, x accounts.Account, id, confirm string) (*rest.Nothing, error) {
	c := rest.CallerOf(ctx)
	if !c.Socket() && c.Session.ID() == id && confirm != rights.ConfirmSelf {
		return nil, rights.Unconfirmed()
	}
	if err := a.Intend(ctx, "session.end", x.Name); err != nil {
		return nil, err
	}
	switch found, err := a.Sessions.EndAnywhere(ctx, id, "ended by "+c.Actor()); {
	case err != nil:
		return nil, a.Problem(err)
	case !found:
		return nil, errNoSession()
	}
	return nil, a.Problem(a.Record(ctx, "session.end", x.Name, map[string]any{"session": id}, nil))
}
