// Package group is the API's side of groups: settings, grants, members, and who may
// change which of them.
package group

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/admin/rights"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
	"gatehouse/storage/keyed"
)

// An API answers for groups.
type API struct {
	*rights.Judge
	// joining lets one change of a group's members through at a time, so that each
	// compares If-Match with what the one before has left.
	joining keyed.Mutex[string]
}

// New makes the API.
func New(j *rights.Judge) *API { return &API{Judge: j} }

// Register adds the operations to the API.
func (a *API) Register(api huma.API) {
	huma.Register(api, rest.Operation("list-groups", http.MethodGet, "/groups", "List groups; others than administrators and auditors see those that they manage or own", rest.GroupHeads), a.listGroups)
	huma.Register(api, rest.Created(rest.Operation("create-group", http.MethodPost, "/groups", "Create a group; personal with manage_personal_groups", rest.GroupHeads)), a.createGroup)
	huma.Register(api, rest.Operation("get-group", http.MethodGet, "/groups/{name}", "Show a group", rest.GroupHeads), a.getGroup)
	huma.Register(api, rest.Operation("change-group", http.MethodPatch, "/groups/{name}", "Change what the body names; null resets", rest.GroupHeads), a.changeGroup)
	huma.Register(api, rest.Operation("delete-group", http.MethodDelete, "/groups/{name}", "Delete a group", rest.GroupHeads), a.deleteGroup)
	huma.Register(api, rest.Operation("add-member", http.MethodPut, "/groups/{name}/members/{account}", "Add a member", rest.GroupHeads), a.addMember)
	huma.Register(api, rest.Operation("remove-member", http.MethodDelete, "/groups/{name}/members/{account}", "Remove a member", rest.GroupHeads), a.removeMember)
	huma.Register(api, rest.Operation("add-group-grant", http.MethodPost, "/groups/{name}/grants", "Grant the members rights on a folder", rest.GroupHeads), a.addGroupGrant)
	huma.Register(api, rest.Operation("remove-group-grant", http.MethodDelete, "/groups/{name}/grants/{id}", "Remove a grant", rest.GroupHeads), a.removeGroupGrant)
}

// GroupView is a group.
type GroupView struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Kind  string `json:"kind" enum:"user,personal"`
	Owner string `json:"owner,omitempty" doc:"of a personal group"`
	record.GroupSettings
	Created time.Time          `json:"created"`
	Grants  []record.GrantView `json:"grants"`
	Members []string           `json:"members"`
	// Warnings are in answers to changes.
	Warnings []string `json:"warnings,omitempty" doc:"in answers to changes: what may not be meant"`
}

func (a *API) groupView(ctx context.Context, g accounts.Group) (GroupView, error) {
	d := record.NewDirectory(ctx, a.Accounts)
	v := GroupView{
		ID: g.ID, Name: g.Name, Kind: g.Kind, Owner: d.AccountName(g.Owner), GroupSettings: record.GroupSettingsOf(g, d),
		Created: g.Created, Grants: record.ViewGrants(g.Grants),
	}
	var err error
	if v.Grants, err = a.cutToOwner(ctx, v.Grants, g); err != nil {
		return v, err
	}
	v.Members, err = a.members(ctx, g)
	return v, err
}

// members are the names of who is in a group, in order.
func (a *API) members(ctx context.Context, g accounts.Group) ([]string, error) {
	list, err := a.Accounts.Members(ctx, g.ID)
	names := make([]string, 0, len(list))
	for _, x := range list {
		names = append(names, x.Name)
	}
	return names, err
}

// cutToOwner tells of a personal group's grants what its owner does not have.
func (a *API) cutToOwner(ctx context.Context, views []record.GrantView, g accounts.Group) ([]record.GrantView, error) {
	if g.Kind != accounts.PersonalGroup {
		return views, nil
	}
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return nil, err
	}
	around := policy.Around{Time: time.Now(), Owners: map[string]policy.Effective{}}
	if _, has, err := a.Accounts.LookByID(ctx, g.Owner); err == nil {
		around.Owners[g.Owner] = has
	}
	member := policy.ResolveAround(site.Site, []policy.Group{g.Group}, policy.Account{Role: policy.RoleUser}, around)
	return record.CutGrants(views, member.Cuts()), nil
}

func (a *API) listGroups(ctx context.Context, in *rest.PageInput) (*rest.ListOutput[GroupView], error) {
	groups, err := a.Accounts.Groups(ctx)
	if err != nil {
		return nil, a.Problem(err)
	}
	sees, err := a.groupsSeen(ctx)
	if err != nil {
		return nil, a.Problem(err)
	}
	groups = slices.DeleteFunc(groups, func(g accounts.Group) bool { return !sees(g) })
	name := func(g accounts.Group) string { return g.Name }
	slices.SortFunc(groups, func(x, y accounts.Group) int { return strings.Compare(x.Name, y.Name) })
	found := rest.Piece(*in, groups, name)
	out := &rest.ListOutput[GroupView]{Next: found.Next, Body: make([]GroupView, 0, len(found.Body))}
	for _, g := range found.Body {
		v, err := a.groupView(ctx, g)
		if err != nil {
			return nil, a.Problem(err)
		}
		out.Body = append(out.Body, v)
	}
	return out, nil
}

type groupOutput struct {
	ETag string `header:"ETag"`
	Body GroupView
}

// answerGroup records a change of a group, and shows it.
func (a *API) answerGroup(ctx context.Context, kind events.Kind, before *accounts.Group, g accounts.Group) (*groupOutput, error) {
	v, err := a.groupView(ctx, g)
	if err != nil {
		return nil, a.Problem(err)
	}
	was, is := map[string]any(nil), rest.Map(v)
	if before != nil {
		old := v // the members are no part of the record
		old.Name, old.GroupSettings, old.Grants = before.Name, record.GroupSettingsOf(*before, record.NewDirectory(ctx, a.Accounts)), record.ViewGrants(before.Grants)
		was, is = rest.Difference(rest.Map(old), is)
		is["name"] = g.Name
	}
	if err := a.RecordGroup(ctx, kind, g.Name, "", was, is); err != nil {
		return nil, a.Problem(err)
	}
	for _, granted := range v.Grants {
		if text := granted.Warning(); text != "" {
			v.Warnings = append(v.Warnings, text)
		}
	}
	return &groupOutput{ETag: tag(g, v.Members), Body: v}, nil
}

type createGroupInput struct {
	Body struct {
		Name  string `json:"name" minLength:"1" maxLength:"200"`
		Kind  string `json:"kind,omitempty" enum:"user,personal" doc:"default user"`
		Owner string `json:"owner,omitempty" maxLength:"400" doc:"of a personal group; default the caller"`
		record.GroupSettings
	}
}

func (a *API) createGroup(ctx context.Context, in *createGroupInput) (*groupOutput, error) {
	var g accounts.Group
	g.Name, g.Kind = in.Body.Name, in.Body.Kind
	if g.Kind == "" {
		g.Kind = accounts.UserGroup
	}
	if err := a.mayMakeKind(ctx, g); err != nil {
		return nil, a.Problem(err)
	}
	if err := in.Body.Write(&g, record.NewDirectory(ctx, a.Accounts)); err != nil {
		return nil, a.Problem(err)
	}
	if err := a.setOwner(ctx, &g, in.Body.Owner); err != nil {
		return nil, a.Problem(err)
	}
	if err := a.mayMakeGroup(ctx, g); err != nil {
		return nil, a.Problem(err)
	}
	if err := a.groupFolderThere(ctx, nil, g); err != nil {
		return nil, a.Problem(err)
	}
	if err := a.Intend(ctx, "group.create", ""); err != nil {
		return nil, err
	}
	made, err := a.Accounts.CreateGroup(ctx, g)
	if err != nil {
		return nil, a.Problem(err)
	}
	return a.answerGroup(ctx, "group.create", nil, made)
}

// groupFolderThere makes the folder that a group is to have, with those above it,
// as homes are made.
func (a *API) groupFolderThere(ctx context.Context, before *accounts.Group, g accounts.Group) error {
	if g.Folder == nil || before != nil && before.Folder != nil && *before.Folder == *g.Folder {
		return nil
	}
	if a.FolderThere(ctx, "folder", *g.Folder) == nil {
		return nil
	}
	system := a.System(ctx)
	at := path.Root
	for name := range strings.SplitSeq(strings.TrimPrefix(g.Folder.String(), "/"), "/") {
		next, err := at.Join(name)
		if err == nil && a.FolderThere(ctx, "folder", next) != nil {
			err = system.Mkdir(ctx, next, 0)
		}
		if err != nil {
			return rest.Invalid("folder", "is not there and cannot be made: "+g.Folder.String())
		}
		at = next
	}
	return nil
}

func (a *API) getGroup(ctx context.Context, in *rest.NameInput) (*groupOutput, error) {
	g, err := a.lookedGroup(ctx, in.Name)
	if err != nil {
		return nil, a.Problem(err)
	}
	v, err := a.groupView(ctx, g)
	if err != nil {
		return nil, a.Problem(err)
	}
	return &groupOutput{ETag: tag(g, v.Members), Body: v}, nil
}

type changeGroupInput struct {
	rest.NameInput
	rest.MatchInput
	rest.ConfirmInput
	Body rest.Patch[GroupChange]
}

// GroupChange is what can be changed of a group.
type GroupChange struct {
	Name string `json:"name,omitempty" maxLength:"200"`
	record.GroupSettings
}

func (a *API) changeGroup(ctx context.Context, in *changeGroupInput) (*groupOutput, error) {
	d := record.NewDirectory(ctx, a.Accounts)
	return a.updateGroup(ctx, in.Name, groupChange{"group.change", in.IfMatch, in.Confirm, func(g *accounts.Group) error {
		s, err := rest.Merge(GroupChange{g.Name, record.GroupSettingsOf(*g, d)}, GroupChange{Name: g.Name}, in.Body)
		if err != nil {
			return err
		}
		g.Name = s.Name
		return s.Write(g, d)
	}})
}

// A groupChange is what is to become of a group; do may be called more than once.
type groupChange struct {
	kind           events.Kind
	match, confirm string
	do             func(*accounts.Group) error
}

// updateGroup changes a group as far as the caller may, and records it.
func (a *API) updateGroup(ctx context.Context, name string, c groupChange) (*groupOutput, error) {
	before, err := a.lookedGroup(ctx, name)
	if err != nil {
		return nil, a.Problem(err)
	}
	if err := a.mayTouchGroup(ctx, before); err != nil {
		return nil, a.Problem(err)
	}
	revision, err := a.expected(ctx, c.match, before)
	if err != nil {
		return nil, a.Problem(err)
	}
	if err := a.Intend(ctx, c.kind, ""); err != nil {
		return nil, err
	}
	g, err := a.Accounts.UpdateGroup(ctx, before.Name, revision, func(g *accounts.Group) error {
		was := *g
		if err := c.do(g); err != nil {
			return err
		}
		if err := a.mayGroupBecome(ctx, was, *g); err != nil {
			return err
		}
		if err := a.groupFolderThere(ctx, &was, *g); err != nil {
			return err
		}
		before = was
		return a.GroupConfirmed(ctx, g.ID, &g.Group, c.confirm)
	}, rest.CallerOf(ctx).Option())
	if err != nil {
		return nil, a.Problem(err)
	}
	return a.answerGroup(ctx, c.kind, &before, g)
}

type deleteGroupInput struct {
	rest.NameInput
	rest.MatchInput
	rest.ConfirmInput
}

func (a *API) deleteGroup(ctx context.Context, in *deleteGroupInput) (*rest.Nothing, error) {
	var revision uint64
	g, err := a.lookedGroup(ctx, in.Name)
	if err == nil {
		err = a.mayDropGroup(ctx, g)
	}
	if err == nil {
		err = a.GroupConfirmed(ctx, g.ID, nil, in.Confirm)
	}
	if err == nil {
		revision, err = a.expected(ctx, in.IfMatch, g)
	}
	if err != nil {
		return nil, a.Problem(err)
	}
	was, err := a.groupView(ctx, g)
	if err != nil {
		return nil, a.Problem(err)
	}
	if err := a.Intend(ctx, "group.delete", ""); err != nil {
		return nil, err
	}
	if err := a.Accounts.DeleteGroup(ctx, g.Name, revision, rest.CallerOf(ctx).Option()); err != nil {
		return nil, a.Problem(err)
	}
	return nil, a.Problem(a.RecordGroup(ctx, "group.delete", g.Name, "", rest.Map(was), nil))
}
