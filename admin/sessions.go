package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/auth/session"
)

func (a *API) registerSessions(api huma.API) {
	huma.Register(api, operation("list-sessions", http.MethodGet, "/sessions", "List open sessions", rightRead), a.listSessions)
	huma.Register(api, operation("account-sessions", http.MethodGet, "/accounts/{name}/sessions", "List an account's open sessions", rightRead), a.accountSessions)
	huma.Register(api, operation("end-session", http.MethodDelete, "/sessions/{id}", "End a session", rightAdmin), a.endSession)
}

func (a *API) listSessions(context.Context, *nothing) (*bodyOf[[]session.Description], error) {
	return &bodyOf[[]session.Description]{a.sorted(func(session.Description) bool { return true })}, nil
}

func (a *API) accountSessions(ctx context.Context, in *NameInput) (*bodyOf[[]session.Description], error) {
	x, err := a.Accounts.Account(ctx, in.Name)
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
	ID string `path:"id"`
}

func (a *API) endSession(ctx context.Context, in *endSessionInput) (*nothing, error) {
	if !a.Sessions.End(in.ID, "ended by "+callerOf(ctx).actor()) {
		return nil, huma.NewError(http.StatusNotFound, "no such session")
	}
	return nil, a.problem(a.record(ctx, "session.end", "", map[string]any{"session": in.ID}, nil))
}
