package admin

import (
	"context"
	"slices"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

type memberInput struct {
	NameInput
	MatchInput
	ConfirmInput
	Account string `path:"account" maxLength:"400"`
}

// A membership is what becomes of an account's groups, and who may do it.
type membership struct {
	kind  events.Kind
	may   func(context.Context, accounts.Group, accounts.Account) error
	after func(groups []string, g string) []string
}

func (a *API) addMember(ctx context.Context, in *memberInput) (*groupOutput, error) {
	return a.changeMember(ctx, in, membership{"group.member.add", a.mayAddTo, func(groups []string, g string) []string {
		if slices.Contains(groups, g) {
			return groups
		}
		return append(slices.Clone(groups), g)
	}})
}

func (a *API) removeMember(ctx context.Context, in *memberInput) (*groupOutput, error) {
	return a.changeMember(ctx, in, membership{"group.member.remove", a.mayTakeFrom, func(groups []string, g string) []string {
		return slices.DeleteFunc(slices.Clone(groups), func(id string) bool { return id == g })
	}})
}

// changeMember changes who is in a group: by administrators, the group's
// managers and, of a personal group, its owner. It is the group that is shown:
// who manages it need not see the account.
func (a *API) changeMember(ctx context.Context, in *memberInput, m membership) (*groupOutput, error) {
	g, err := a.lookedGroup(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	x, err := a.Accounts.Account(ctx, in.Account)
	if err == nil {
		err = m.may(ctx, g, x)
	}
	if err == nil {
		err = matched(in.IfMatch, g.Revision)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.intend(ctx, m.kind, x.Name); err != nil {
		return nil, err
	}
	_, err = a.Sessions.ChangeAccount(ctx, x.Name, 0, func(x *accounts.Account) error {
		if err := m.may(ctx, g, *x); err != nil {
			return err
		}
		x.Groups = m.after(x.Groups, g.ID)
		return a.confirmed(ctx, *x, in.Confirm)
	}, callerOf(ctx).option())
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.record(ctx, m.kind, x.Name, nil, map[string]any{"group": g.Name}); err != nil {
		return nil, err
	}
	v, err := a.groupView(ctx, g)
	if err != nil {
		return nil, a.problem(err)
	}
	return &groupOutput{ETag: etag(g.Revision), Body: v}, nil
}

// groupConfirmed asks for confirm=self where the caller could not come in with
// this group replaced, or taken away where there is nothing in its place.
func (a *API) groupConfirmed(ctx context.Context, id string, instead *policy.Group, confirm string) error {
	return a.staysIn(ctx, confirm, func(site policy.Site, groups []policy.Group, own policy.Account) policy.Effective {
		var kept []policy.Group
		for _, g := range groups {
			if g.ID == id && instead == nil {
				continue
			}
			if g.ID == id {
				g = *instead
			}
			kept = append(kept, g)
		}
		return policy.Resolve(site, kept, own)
	})
}

func (a *API) addGroupGrant(ctx context.Context, in *addGrantInput) (*groupOutput, error) {
	grant, err := in.Body.grant()
	if err != nil {
		return nil, a.problem(err)
	}
	return a.updateGroup(ctx, in.Name, groupChange{"group.grant.add", in.IfMatch, "", func(g *accounts.Group) error {
		if err := a.mayGiveGroup(ctx, *g, grant); err != nil {
			return err
		}
		if err := a.folderThere(ctx, "path", grant.Path); err != nil {
			return err
		}
		g.Grants = append(slices.Clone(g.Grants), grant)
		return nil
	}})
}

func (a *API) removeGroupGrant(ctx context.Context, in *itemInput) (*groupOutput, error) {
	return a.updateGroup(ctx, in.Name, groupChange{"group.grant.remove", in.IfMatch, "", func(g *accounts.Group) error {
		var err error
		g.Grants, err = withoutGrant(g.Grants, in.ID)
		return err
	}})
}
