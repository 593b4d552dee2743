package group

import (
	"context"

	"gatehouse/admin/rest"
	"gatehouse/admin/rights"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// groupsSeen tells which groups the caller may look at.
func (a *API) groupsSeen(ctx context.Context) (func(accounts.Group) bool, error) {
	actor, err := a.Actor(ctx)
	if err != nil {
		return nil, err
	}
	return func(g accounts.Group) bool { return actor.Local || actor.MayReadGroup(g.Group).Allowed }, nil
}

// lookedGroup returns a group that the caller may look at. One that it may not
// is not there, for it.
func (a *API) lookedGroup(ctx context.Context, name string) (accounts.Group, error) {
	g, err := a.Accounts.Group(ctx, name)
	if err != nil {
		return g, err
	}
	sees, err := a.groupsSeen(ctx)
	if err == nil && !sees(g) {
		err = accounts.ErrNotFound
	}
	return g, err
}

// setOwner gives a personal group its owner: the caller, or whom an
// administrator names.
func (a *API) setOwner(ctx context.Context, g *accounts.Group, owner string) error {
	c := rest.CallerOf(ctx)
	switch {
	case g.Kind != accounts.PersonalGroup && owner != "":
		return rest.Invalid("owner", "is what a personal group has")
	case g.Kind != accounts.PersonalGroup:
		return nil
	case owner == "" && c.Socket():
		return rest.Invalid("owner", "must be named: the local socket has no account")
	case owner == "":
		g.Owner = c.ID()
		return nil
	}
	if !c.Administers() && owner != c.Name {
		return rights.NotTheirs("owner", "only administrators make groups for others")
	}
	x, err := a.Accounts.Account(ctx, owner)
	if err != nil {
		return rest.Invalid("owner", "there is no such account")
	}
	g.Owner = x.ID
	return nil
}

func (a *API) mayMakeGroup(ctx context.Context, g accounts.Group) error {
	actor, err := a.Actor(ctx)
	if err != nil {
		return err
	}
	return rest.Denied(actor.MayCreateGroup(g.Group))
}

// mayMakeKind refuses a kind of group of which the caller makes none, before the
// names in it are looked up: the answer must not say who has an account here.
func (a *API) mayMakeKind(ctx context.Context, g accounts.Group) error {
	c := rest.CallerOf(ctx)
	if c.Administers() {
		return nil
	}
	if g.Kind == accounts.PersonalGroup {
		g.Owner = c.ID()
	}
	return a.mayMakeGroup(ctx, g)
}

// mayTouchGroup refuses a change of a group that is not the caller's to change
// at all, whatever it is.
func (a *API) mayTouchGroup(ctx context.Context, g accounts.Group) error {
	return a.mayGroupBecome(ctx, g, g)
}

// mayGroupBecome refuses what of a change of a group is not the caller's to make.
func (a *API) mayGroupBecome(ctx context.Context, before, after accounts.Group) error {
	actor, err := a.Actor(ctx)
	if err != nil {
		return err
	}
	return rest.Denied(actor.MayChangeGroup(before.Group, after.Group))
}

// mayGiveGroup judges one grant, before it is looked whether its folder is there.
func (a *API) mayGiveGroup(ctx context.Context, g accounts.Group, grant policy.Grant) error {
	with := g
	with.Grants = append(append([]policy.Grant{}, g.Grants...), grant)
	return a.mayGroupBecome(ctx, g, with)
}

func (a *API) mayDropGroup(ctx context.Context, g accounts.Group) error {
	actor, err := a.Actor(ctx)
	if err != nil {
		return err
	}
	return rest.Denied(actor.MayDeleteGroup(g.Group))
}

// mayAddTo and mayTakeFrom judge a membership. Only administrators put those who
// oversee the site into a group, whose defaults could take their doors away.
func (a *API) mayAddTo(ctx context.Context, g accounts.Group, x accounts.Account) error {
	actor, err := a.Actor(ctx)
	if err != nil {
		return err
	}
	if v := actor.MayAddMember(g.Group, x.Account); !v.Allowed {
		return rest.Denied(v)
	}
	if !rest.CallerOf(ctx).Administers() && (x.Role == policy.RoleAdmin || x.Role == policy.RoleAuditor) {
		return rights.NotTheirs("", "only administrators put "+x.Name+" into a group")
	}
	return nil
}

func (a *API) mayTakeFrom(ctx context.Context, g accounts.Group, x accounts.Account) error {
	actor, err := a.Actor(ctx)
	if err != nil {
		return err
	}
	member, err := a.Accounts.Effective(ctx, x)
	if err != nil {
		return err
	}
	return rest.Denied(actor.MayRemoveMember(g.Group, member))
}
