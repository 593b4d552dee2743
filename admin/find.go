package admin

import (
	"context"
	"time"

	"gatehouse/admin/record"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// locked is the state of an account that stands beside the store's: failures are
// no part of a record.
const locked = "locked"

// accountQuery makes a query of the store, of what the caller may look at.
func (a *API) accountQuery(ctx context.Context, in AccountQuery) (accounts.Query, error) {
	sight, err := a.Sight(ctx)
	if err != nil {
		return accounts.Query{}, err
	}
	q := accounts.Query{Text: in.Q, Role: policy.Role(in.Role), Group: in.Group, Status: in.Status, Sort: in.Sort, Where: sight.Where()}
	if _, err := a.Accounts.Group(ctx, in.Group); in.Group != "" && err != nil && !sight.All {
		// As of a group of strangers: another answer would tell which there are.
		q.Group, q.Where = "", func(*accounts.Account) bool { return false }
	}
	switch in.Status {
	case locked:
		ids, err := a.lockedIDs(ctx)
		if err != nil {
			return q, err
		}
		q.Status = ""
		q.Where = both(q.Where, func(x *accounts.Account) bool { return ids[x.ID] })
	case accounts.Enabled, accounts.Disabled:
		// A guest is as its managers are, which the store does not look at.
		q.Status = ""
		q.Where = both(q.Where, func(x *accounts.Account) bool { return a.stateOf(ctx, x) == in.Status })
	}
	return q, nil
}

func both(first, second func(*accounts.Account) bool) func(*accounts.Account) bool {
	return func(x *accounts.Account) bool { return (first == nil || first(x)) && second(x) }
}

func (a *API) stateOf(ctx context.Context, x *accounts.Account) string {
	now := time.Now()
	if x.Role != policy.RoleGuest {
		return x.State(now)
	}
	effective, err := a.Accounts.Effective(ctx, *x)
	if err != nil {
		return x.State(now)
	}
	return record.StatusOf(*x, effective, now).State
}

// lockedIDs are the accounts that are locked now.
func (a *API) lockedIDs(ctx context.Context) (map[string]bool, error) {
	ids := map[string]bool{}
	for after, more := "", true; more; more = after != "" {
		list, next, err := a.Auth.Lockouts(ctx, after, 0)
		if err != nil {
			return nil, err
		}
		for _, l := range list {
			ids[l.AccountID] = true
		}
		after = next
	}
	return ids, nil
}

// view is what the caller sees of an account, with what stands against it now.
func (a *API) view(ctx context.Context, d *record.Directory, x accounts.Account) (record.AccountView, error) {
	v, err := d.View(ctx, x)
	if err != nil {
		return v, err
	}
	return v, a.tellLockout(ctx, &v)
}

func (a *API) tellLockout(ctx context.Context, v *record.AccountView) error {
	l, err := a.Auth.Lockout(ctx, v.ID)
	if err != nil {
		return err
	}
	if v.FailedLogins = l.Failures; !l.Until.IsZero() {
		v.LockedUntil = &l.Until
	}
	return nil
}
