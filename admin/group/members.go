package group

import (
	"context"
	"errors"
	"slices"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// memberRemoved is the kind of event of who leaves a group, or is taken out of it.
const memberRemoved events.Kind = "group.member.remove"

type memberInput struct {
	rest.NameInput
	rest.MatchInput
	rest.ConfirmInput
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
	return a.changeMember(ctx, in, membership{memberRemoved, a.mayTakeFrom, func(groups []string, g string) []string {
		return slices.DeleteFunc(slices.Clone(groups), func(id string) bool { return id == g })
	}})
}

// changeMember changes who is in a group: by administrators, the group's
// managers and, of a personal group, its owner. It is the group that is shown:
// who manages it need not see the account.
func (a *API) changeMember(ctx context.Context, in *memberInput, m membership) (*groupOutput, error) {
	x, err := a.Accounts.Account(ctx, in.Account)
	missing := errors.Is(err, accounts.ErrNotFound)
	if err != nil && !missing {
		return nil, a.Problem(err)
	}
	g, leaves, err := a.memberGroup(ctx, in.Name, x, m.kind)
	if err == nil {
		err = m.may(ctx, g, x)
	}
	if missing || err != nil && a.unknown(ctx, g, x) {
		// To who may not look at an account one that is there is like one that is not.
		err = accounts.ErrNotFound
	}
	if err != nil {
		return nil, a.Problem(err)
	}
	unlock, err := a.joining.Lock(ctx, g.ID)
	if err != nil {
		return nil, a.Problem(err)
	}
	defer unlock()
	var now accounts.Account
	err = a.InTurn(ctx, "members/"+g.ID, func(ctx context.Context) (err error) {
		now, err = a.setMember(ctx, in, g, x, m)
		return err
	})
	if err != nil {
		return nil, a.Problem(err)
	}
	d := record.NewDirectory(ctx, a.Accounts)
	was, is := map[string]any{"groups": record.Named(x.Groups, d.GroupName)}, map[string]any{"groups": record.Named(now.Groups, d.GroupName)}
	if err := a.RecordGroup(ctx, m.kind, g.Name, x.Name, was, is); err != nil {
		return nil, err
	}
	v, err := a.groupView(ctx, g)
	if err != nil {
		return nil, a.Problem(err)
	}
	if leaves { // it is none of its business any more
		v.Members, v.Grants = []string{}, []record.GrantView{}
	}
	return &groupOutput{ETag: tag(g, v.Members), Body: v}, nil
}

// setMember changes an account's groups, where the group is as If-Match says.
func (a *API) setMember(ctx context.Context, in *memberInput, g accounts.Group, x accounts.Account, m membership) (accounts.Account, error) {
	if _, err := a.expected(ctx, in.IfMatch, g); err != nil {
		return accounts.Account{}, err
	}
	if err := a.Intend(ctx, m.kind, x.Name); err != nil {
		return accounts.Account{}, err
	}
	return a.Provision.Change(ctx, x.Name, 0, func(x *accounts.Account) error {
		if err := m.may(ctx, g, *x); err != nil {
			return err
		}
		x.Groups = m.after(x.Groups, g.ID)
		return a.Confirmed(ctx, *x, in.Confirm)
	}, rest.CallerOf(ctx).Option())
}

// memberGroup returns the group whose members change. Who leaves a personal group
// need not see it otherwise.
func (a *API) memberGroup(ctx context.Context, name string, x accounts.Account, kind events.Kind) (g accounts.Group, leaves bool, err error) {
	g, err = a.lookedGroup(ctx, name)
	if !errors.Is(err, accounts.ErrNotFound) || kind != memberRemoved || !rest.CallerOf(ctx).Is(x) {
		return g, false, err
	}
	own, err := a.Accounts.Group(ctx, name)
	if err == nil && (own.Kind != accounts.PersonalGroup || !slices.Contains(x.Groups, own.ID)) {
		err = accounts.ErrNotFound
	}
	return own, err == nil, err
}

// unknown reports whether the caller, the owner of a personal group, is not to
// hear of an account that it may not add.
func (a *API) unknown(ctx context.Context, g accounts.Group, x accounts.Account) bool {
	sight, err := a.Sight(ctx)
	return g.Kind == accounts.PersonalGroup && (err != nil || !sight.Sees(x.ID)) && !slices.Contains(x.Groups, g.ID)
}

func (a *API) addGroupGrant(ctx context.Context, in *record.GrantInput) (*groupOutput, error) {
	grant, err := in.Body.Parse()
	if err != nil {
		return nil, a.Problem(err)
	}
	return a.updateGroup(ctx, in.Name, groupChange{"group.grant.add", in.IfMatch, "", func(g *accounts.Group) error {
		if err := a.mayGiveGroup(ctx, *g, grant); err != nil {
			return err
		}
		if err := a.FolderThere(ctx, "path", grant.Path); err != nil {
			return err
		}
		g.Grants = append(slices.Clone(g.Grants), grant)
		return nil
	}})
}

func (a *API) removeGroupGrant(ctx context.Context, in *rest.ItemInput) (*groupOutput, error) {
	return a.updateGroup(ctx, in.Name, groupChange{"group.grant.remove", in.IfMatch, "", func(g *accounts.Group) error {
		var err error
		g.Grants, err = record.WithoutGrant(g.Grants, in.ID)
		return err
	}})
}
