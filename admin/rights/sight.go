package rights

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// A Sight is which accounts the caller may look at.
type Sight struct {
	Actor policy.Actor
	All   bool
	store *accounts.Store
	ctx   context.Context
}

// Sight tells which accounts the caller may look at, as of now.
func (j *Judge) Sight(ctx context.Context) (Sight, error) {
	actor, err := j.Actor(ctx)
	return Sight{Actor: actor, All: actor.Local || actor.MayAudit().Allowed, store: j.Accounts, ctx: ctx}, err
}

// Where selects what the caller may look at; nil selects all.
func (r Sight) Where() func(*accounts.Account) bool {
	if r.All {
		return nil
	}
	return func(x *accounts.Account) bool { return r.Actor.MayRead(x.Account).Allowed }
}

// Sees reports whether the account with this id is one of them.
func (r Sight) Sees(id string) bool {
	if r.All {
		return true
	}
	x, err := r.store.ByID(r.ctx, id)
	return err == nil && r.Actor.MayRead(x.Account).Allowed
}

// Looked returns an account that the caller may look at. One that it may not is
// not there, for it.
func (j *Judge) Looked(ctx context.Context, name string) (accounts.Account, error) {
	x, err := j.Accounts.Account(ctx, name)
	if err != nil {
		return x, err
	}
	r, err := j.Sight(ctx)
	if err == nil && !r.All && !r.Actor.MayRead(x.Account).Allowed {
		err = accounts.ErrNotFound
	}
	return x, err
}

// Managed returns an account that the caller may change.
func (j *Judge) Managed(ctx context.Context, name string) (accounts.Account, error) {
	x, err := j.Looked(ctx, name)
	if err != nil {
		return x, err
	}
	actor, err := j.Actor(ctx)
	if err != nil {
		return x, err
	}
	return x, rest.Denied(actor.MayEdit(x.Account))
}

// ManagedByID is Managed for the id of an account.
func (j *Judge) ManagedByID(ctx context.Context, id string) (accounts.Account, error) {
	x, err := j.Accounts.ByID(ctx, id)
	if err != nil {
		return x, err
	}
	return j.Managed(ctx, x.Name)
}

// ManagedOther is Managed for another account than the caller's own: its own
// credentials take a proof of the last minutes, which /me asks for.
func (j *Judge) ManagedOther(ctx context.Context, name string) (accounts.Account, error) {
	x, err := j.Managed(ctx, name)
	if err == nil && rest.CallerOf(ctx).Is(x) {
		err = huma.NewError(http.StatusConflict, "one's own credentials are changed under /me, where the password is asked for again")
	}
	return x, err
}

// ManagedAt is ManagedOther for an account that is as If-Match says. It returns
// the revision that a change is to find in the store, too.
func (j *Judge) ManagedAt(ctx context.Context, name string, m rest.MatchInput) (accounts.Account, uint64, error) {
	x, err := j.ManagedOther(ctx, name)
	if err != nil {
		return x, 0, err
	}
	revision, err := rest.Expected(m.IfMatch, x.Revision)
	return x, revision, err
}
