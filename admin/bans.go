package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
	"gatehouse/auth"
)

func (a *API) registerBans(api huma.API) {
	huma.Register(api, rest.Operation("list-bans", http.MethodGet, "/bans", "List the addresses that are banned now", rest.Read), a.listBans)
	huma.Register(api, rest.Operation("lift-ban", http.MethodDelete, "/bans/{address}", "Lift a ban: of an address, or of the /64 of an IPv6 one", rest.Admin), a.liftBan)
}

func (a *API) listBans(ctx context.Context, in *rest.PageInput) (*rest.ListOutput[auth.Ban], error) {
	list, next, err := a.Auth.Bans(ctx, in.Cursor, in.Limit)
	for err == nil && in.Limit == 0 && next != "" {
		var more []auth.Ban
		more, next, err = a.Auth.Bans(ctx, next, 0)
		list = append(list, more...)
	}
	if err != nil {
		return nil, a.QueryProblem(err)
	}
	return &rest.ListOutput[auth.Ban]{Next: next, Body: append([]auth.Ban{}, list...)}, nil
}

type banInput struct {
	Address string `path:"address" maxLength:"100" doc:"as the list shows it, or any address within it"`
}

func (a *API) liftBan(ctx context.Context, in *banInput) (*rest.Nothing, error) {
	address, err := auth.ParseBanned(in.Address)
	if err != nil {
		return nil, huma.NewError(http.StatusUnprocessableEntity, "a value is not valid",
			&huma.ErrorDetail{Location: "path.address", Message: "is no address, nor the /64 of one"})
	}
	if err := a.Intend(ctx, "address.unban", ""); err != nil {
		return nil, err
	}
	lifted, err := a.Auth.Unban(ctx, address)
	if err != nil {
		return nil, a.Problem(err)
	}
	if !lifted {
		return nil, huma.NewError(http.StatusNotFound, "the address is not banned")
	}
	return nil, a.Problem(a.Record(ctx, "address.unban", "", map[string]any{"address": in.Address}, nil))
}
