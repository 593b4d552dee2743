package admin

import (
	"context"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/locks"
)

func (a *API) registerLocks(api huma.API) {
	huma.Register(api, operation("list-locks", http.MethodGet, "/locks", "List locks; others than administrators and auditors see those in folders that they manage", rightGroup), a.listLocks)
	huma.Register(api, operation("break-lock", http.MethodDelete, "/locks/{token}", "Break a lock: administrators, and who manages the folder", rightGroup), a.breakLock)
}

func (a *API) listLocks(ctx context.Context, _ *nothing) (*bodyOf[[]locks.Lock], error) {
	r, err := a.reachOf(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	list, err := a.locksIn(ctx, r)
	if err != nil {
		return nil, a.problem(err)
	}
	return &bodyOf[[]locks.Lock]{list}, nil
}

// locksIn returns the locks that are the caller's business: everybody's for who
// may look at everything, else those in folders that it manages.
func (a *API) locksIn(ctx context.Context, r reach) ([]locks.Lock, error) {
	list, err := a.Locks.List(ctx, path.Root)
	if err != nil || r.all {
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
func (a *API) breaker(ctx context.Context, r reach) (func(path.Path) bool, error) {
	var managed []accounts.Account
	if c := callerOf(ctx); !c.Socket() && c.delegate() {
		q := accounts.Query{Where: r.where(), Limit: 1000}
		for more := true; more; more = q.Cursor != "" {
			found, next, err := a.Accounts.List(ctx, q)
			if err != nil {
				return nil, err
			}
			managed, q.Cursor = append(managed, found...), next
		}
	}
	return func(p path.Path) bool {
		if r.actor.MayBreakLock(p, policy.Account{}).Allowed {
			return true
		}
		return slices.ContainsFunc(managed, func(x accounts.Account) bool {
			return x.Home.Contains(p) && r.actor.MayBreakLock(p, x.Account).Allowed
		})
	}, nil
}

type tokenInput struct {
	Token string `path:"token"`
}

func (a *API) breakLock(ctx context.Context, in *tokenInput) (*nothing, error) {
	r, err := a.reachOf(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	list, err := a.locksIn(ctx, r)
	if err != nil {
		return nil, a.problem(err)
	}
	i := slices.IndexFunc(list, func(l locks.Lock) bool { return l.Token == in.Token })
	if i < 0 {
		return nil, a.problem(locks.ErrNoLock)
	}
	may, err := a.breaker(ctx, r)
	if err != nil {
		return nil, a.problem(err)
	}
	if !may(list[i].Path) {
		return nil, huma.NewError(http.StatusForbidden, "only administrators, and who manages the folder, break a lock")
	}
	if err := a.intend(ctx, "lock.break", list[i].Account); err != nil {
		return nil, err
	}
	l, err := a.Locks.Break(ctx, in.Token)
	if err != nil {
		return nil, a.problem(err)
	}
	return nil, a.problem(a.record(ctx, "lock.break", l.Account, map[string]any{"path": l.Path.String(), "token": l.Token}, nil))
}
