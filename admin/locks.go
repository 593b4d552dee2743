package admin

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/admin/rights"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/locks"
)

func (a *API) registerLocks(api huma.API) {
	huma.Register(api, rest.Operation("list-locks", http.MethodGet, "/locks", "List locks; others than administrators and auditors see those in folders that they manage", rest.GroupHeads), a.listLocks)
	huma.Register(api, rest.Operation("break-lock", http.MethodDelete, "/locks/{token}", "Break a lock: administrators, and who manages the folder", rest.GroupHeads), a.breakLock)
}

func (a *API) listLocks(ctx context.Context, in *rest.PageInput) (*rest.ListOutput[record.LockView], error) {
	r, err := a.Sight(ctx)
	if err != nil {
		return nil, a.Problem(err)
	}
	list, err := a.locksIn(ctx, r)
	if err != nil {
		return nil, a.Problem(err)
	}
	views := make([]record.LockView, 0, len(list))
	for _, l := range list {
		views = append(views, record.ViewLock(l))
	}
	key := func(l record.LockView) string { return l.Path + "\x00" + l.Token }
	slices.SortFunc(views, func(x, y record.LockView) int { return strings.Compare(key(x), key(y)) })
	return rest.Piece(*in, views, key), nil
}

// locksIn returns the locks that are the caller's business: everybody's for who
// may look at everything, else those in folders that it manages.
func (a *API) locksIn(ctx context.Context, r rights.Sight) ([]locks.Lock, error) {
	list, err := a.locks.List(ctx, path.Root)
	if err != nil || r.All {
		return append([]locks.Lock{}, list...), err
	}
	may, err := a.breaker(ctx, r)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(l locks.Lock) bool { return !may(l.Path) })
	return append([]locks.Lock{}, list...), nil
}

// breaker tells whose locks the caller may break: those in its own home, in the
// folder of a group that it manages, in the home of an account that it manages.
func (a *API) breaker(ctx context.Context, r rights.Sight) (func(path.Path) bool, error) {
	var managed []accounts.Account
	if c := rest.CallerOf(ctx); !c.Socket() && c.Delegate() {
		q := accounts.Query{Where: r.Where(), Limit: 1000}
		for more := true; more; more = q.Cursor != "" {
			found, next, err := a.Accounts.List(ctx, q)
			if err != nil {
				return nil, err
			}
			managed, q.Cursor = append(managed, found...), next
		}
	}
	return func(p path.Path) bool {
		if r.Actor.MayBreakLock(p, policy.Account{}).Allowed {
			return true
		}
		return slices.ContainsFunc(managed, func(x accounts.Account) bool {
			return x.Home.Contains(p) && r.Actor.MayBreakLock(p, x.Account).Allowed
		})
	}, nil
}

type tokenInput struct {
	Token string `path:"token"`
}

func (a *API) breakLock(ctx context.Context, in *tokenInput) (*rest.Nothing, error) {
	r, err := a.Sight(ctx)
	if err != nil {
		return nil, a.Problem(err)
	}
	list, err := a.locksIn(ctx, r)
	if err != nil {
		return nil, a.Problem(err)
	}
	i := slices.IndexFunc(list, func(l locks.Lock) bool { return l.Token == in.Token })
	if i < 0 {
		return nil, a.Problem(locks.ErrNoLock)
	}
	may, err := a.breaker(ctx, r)
	if err != nil {
		return nil, a.Problem(err)
	}
	if !may(list[i].Path) {
		return nil, huma.NewError(http.StatusForbidden, "only administrators, and who manages the folder, break a lock")
	}
	if err := a.Intend(ctx, "lock.break", list[i].Account); err != nil {
		return nil, err
	}
	l, err := a.locks.Break(ctx, in.Token)
	if err != nil {
		return nil, a.Problem(err)
	}
	return nil, a.Problem(a.RecordAt(ctx, "lock.break", l.Path, l.Account, map[string]any{"path": l.Path.String(), "token": l.Token}, nil))
}
