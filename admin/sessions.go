package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/auth/session"
	"gatehouse/storage/accounts"
)

func (a *API) registerSessions(api huma.API) {
	huma.Register(api, operation("list-sessions", http.MethodGet, "/sessions", "List open sessions; a delegate sees those of accounts that it manages", rightLook), a.listSessions)
	huma.Register(api, operation("end-session", http.MethodDelete, "/sessions/{id}", "End a session", rightManage), a.endSession)
	huma.Register(api, operation("account-sessions", http.MethodGet, "/accounts/{name}/sessions", "List an account's open sessions", rightLook), a.accountSessions)
	huma.Register(api, operation("end-account-session", http.MethodDelete, "/accounts/{name}/sessions/{id}", "End a session of an account", rightManage), a.endAccountSession)
}

func (a *API) listSessions(ctx context.Context, _ *nothing) (*bodyOf[[]session.Description], error) {
	r, err := a.reachOf(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	list := a.sorted(func(d session.Description) bool { return r.sees(d.AccountID) })
	return &bodyOf[[]session.Description]{list}, nil
}

func (a *API) accountSessions(ctx context.Context, in *NameInput) (*bodyOf[[]session.Description], error) {
	x, err := a.looked(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	own := a.sorted(func(d session.Description) bool { return d.AccountID == x.ID })
	return &bodyOf[[]session.Description]{own}, nil
}

// sorted returns the sessions to be shown, oldest first.
func (a *API) sorted(show func(session.Description) bool) []session.Description {
	list := []session.Description{}
	for _, d := range a.Sessions.List() {
		if show(d) {
			list = append(list, d)
		}
	}
	slices.SortFunc(list, func(x, y session.Description) int {
		if c := x.Since.Compare(y.Since); c != 0 {
			return c
		}
		return strings.Compare(x.ID, y.ID)
	})
	return list
}

type endSessionInput struct {
	ConfirmInput
	ID string `path:"id"`
}

func (a *API) endSession(ctx context.Context, in *endSessionInput) (*nothing, error) {
	for _, d := range a.Sessions.List() {
		if d.ID != in.ID {
			continue
		}
		x, err := a.managedByID(ctx, d.AccountID)
		if err != nil {
			break // whose sessions the caller does not see, it does not hear of
		}
		return a.end(ctx, x, in.ID, in.Confirm)
	}
	return nil, errNoSession()
}

type endAccountSessionInput struct {
	NameInput
	ConfirmInput
	ID string `path:"id"`
}

func (a *API) endAccountSession(ctx context.Context, in *endAccountSessionInput) (*nothing, error) {
	x, err := a.managed(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	own := func(d session.Description) bool { return d.ID == in.ID && d.AccountID == x.ID }
	if !slices.ContainsFunc(a.Sessions.List(), own) {
		return nil, errNoSession()
	}
	return a.end(ctx, x, in.ID, in.Confirm)
}

func errNoSession() error { return huma.NewError(http.StatusNotFound, "no such session") }

// end ends a session of an account that the caller manages.
func (a *API) end(ctx context.Context, x accounts.Account, id, confirm string) (*nothing, error) {
	c := callerOf(ctx)
	if !c.Socket() && c.Session.ID() == id && confirm != confirmSelf {
		return nil, errConfirm()
	}
	if err := a.intend(ctx, "session.end", x.Name); err != nil {
		return nil, err
	}
	if !a.Sessions.End(id, "ended by "+c.actor()) {
		return nil, errNoSession()
	}
	return nil, a.problem(a.record(ctx, "session.end", x.Name, map[string]any{"session": id}, nil))
}
