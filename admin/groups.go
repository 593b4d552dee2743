package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

func (a *API) registerGroups(api huma.API) {
	huma.Register(api, operation("list-groups", http.MethodGet, "/groups", "List groups; others than administrators and auditors see those that they manage or own", rightGroup), a.listGroups)
	huma.Register(api, created(operation("create-group", http.MethodPost, "/groups", "Create a group; personal with manage_personal_groups", rightGroup)), a.createGroup)
	huma.Register(api, operation("get-group", http.MethodGet, "/groups/{name}", "Show a group", rightGroup), a.getGroup)
	huma.Register(api, operation("change-group", http.MethodPatch, "/groups/{name}", "Change what the body names; null resets", rightGroup), a.changeGroup)
	huma.Register(api, operation("delete-group", http.MethodDelete, "/groups/{name}", "Delete a group", rightGroup), a.deleteGroup)
	huma.Register(api, operation("add-member", http.MethodPut, "/groups/{name}/members/{account}", "Add a member", rightGroup), a.addMember)
	huma.Register(api, operation("remove-member", http.MethodDelete, "/groups/{name}/members/{account}", "Remove a member", rightGroup), a.removeMember)
	huma.Register(api, operation("add-group-grant", http.MethodPost, "/groups/{name}/grants", "Grant the members rights on a folder", rightGroup), a.addGroupGrant)
	huma.Register(api, operation("remove-group-grant", http.MethodDelete, "/groups/{name}/grants/{id}", "Remove a grant", rightGroup), a.removeGroupGrant)
}

// GroupSettings is what can be set of a group. Protocols, limits and quota are
// defaults for members that inherit.
type GroupSettings struct {
	Protocols   *[]string      `json:"protocols,omitempty"`
	Limits      *policy.Limits `json:"limits,omitempty"`
	Quota       *QuotaSettings `json:"quota,omitempty" doc:"of each member's home"`
	Managers    []string       `json:"managers,omitempty" nullable:"true" doc:"usernames; they add and remove members"`
	Folder      *string        `json:"folder,omitempty" nullable:"true" doc:"a tree path: the group's own folder"`
	FolderQuota *QuotaSettings `json:"folder_quota,omitempty"`
}

// GroupView is a group.
type GroupView struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Kind  string `json:"kind" enum:"user,personal"`
	Owner string `json:"owner,omitempty" doc:"of a personal group"`
	GroupSettings
	Created time.Time   `json:"created"`
	Grants  []GrantView `json:"grants"`
	Members []string    `json:"members"`
}

func (s GroupSettings) write(g *accounts.Group, d *directory) error {
	g.Protocols, g.Limits, g.Quota = doorsOf(s.Protocols), policy.Limits{}, policy.Quota{}
	if s.Limits != nil {
		g.Limits = *s.Limits
	}
	if s.Quota != nil {
		g.Quota = policy.Quota{Bytes: s.Quota.LimitBytes, Files: s.Quota.LimitFiles}
	}
	g.Folder, g.FolderQuota = nil, policy.Quota{}
	if s.FolderQuota != nil {
		g.FolderQuota = policy.Quota{Bytes: s.FolderQuota.LimitBytes, Files: s.FolderQuota.LimitFiles}
	}
	if s.Folder != nil && *s.Folder != "" {
		p, err := parsePath("folder", *s.Folder)
		if err != nil {
			return err
		}
		g.Folder = &p
	}
	var err error
	g.Managers, err = idsOf("managers", "account", s.Managers, d.accountID)
	return err
}

func groupSettingsOf(g accounts.Group, d *directory) GroupSettings {
	s := GroupSettings{
		Quota: quotaSettingsOf(g.Quota), FolderQuota: quotaSettingsOf(g.FolderQuota), Managers: named(g.Managers, d.accountName),
	}
	if g.Protocols != nil {
		s.Protocols = new(doorTexts(g.Protocols))
	}
	if g.Limits != (policy.Limits{}) {
		s.Limits = &g.Limits
	}
	if g.Folder != nil {
		s.Folder = new(g.Folder.String())
	}
	return s
}

func (a *API) groupView(ctx context.Context, g accounts.Group) (GroupView, error) {
	d := a.directory(ctx)
	v := GroupView{
		ID: g.ID, Name: g.Name, Kind: g.Kind, Owner: d.accountName(g.Owner), GroupSettings: groupSettingsOf(g, d),
		Created: g.Created, Grants: grantViews(g.Grants), Members: []string{},
	}
	members, err := a.Accounts.Members(ctx, g.ID)
	for _, m := range members {
		v.Members = append(v.Members, m.Name)
	}
	return v, err
}

func (a *API) listGroups(ctx context.Context, _ *nothing) (*bodyOf[[]GroupView], error) {
	groups, err := a.Accounts.Groups(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	sees, err := a.groupsSeen(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	views := make([]GroupView, 0, len(groups))
	for _, g := range groups {
		if !sees(g) {
			continue
		}
		v, err := a.groupView(ctx, g)
		if err != nil {
			return nil, a.problem(err)
		}
		views = append(views, v)
	}
	return &bodyOf[[]GroupView]{views}, nil
}

type groupOutput struct {
	ETag string `header:"ETag"`
	Body GroupView
}

// answerGroup records a change of a group, and shows it.
func (a *API) answerGroup(ctx context.Context, kind events.Kind, before *accounts.Group, g accounts.Group) (*groupOutput, error) {
	v, err := a.groupView(ctx, g)
	if err != nil {
		return nil, a.problem(err)
	}
	was, is := map[string]any(nil), asMap(v)
	if before != nil {
		old := v // the members are no part of the record
		old.Name, old.GroupSettings, old.Grants = before.Name, groupSettingsOf(*before, a.directory(ctx)), grantViews(before.Grants)
		was, is = difference(asMap(old), is)
		is["name"] = g.Name
	}
	if err := a.record(ctx, kind, "", was, is); err != nil {
		return nil, a.problem(err)
	}
	return &groupOutput{ETag: etag(g.Revision), Body: v}, nil
}

type createGroupInput struct {
	Body struct {
		Name  string `json:"name" minLength:"1" maxLength:"200"`
		Kind  string `json:"kind,omitempty" enum:"user,personal" doc:"default user"`
		Owner string `json:"owner,omitempty" maxLength:"400" doc:"of a personal group; default the caller"`
		GroupSettings
	}
}

func (a *API) createGroup(ctx context.Context, in *createGroupInput) (*groupOutput, error) {
	var g accounts.Group
	g.Name, g.Kind = in.Body.Name, in.Body.Kind
	if g.Kind == "" {
		g.Kind = accounts.UserGroup
	}
	if err := a.mayMakeKind(ctx, g); err != nil {
		return nil, a.problem(err)
	}
	if err := in.Body.write(&g, a.directory(ctx)); err != nil {
		return nil, a.problem(err)
	}
	if err := a.setOwner(ctx, &g, in.Body.Owner); err != nil {
		return nil, a.problem(err)
	}
	if err := a.mayMakeGroup(ctx, g); err != nil {
		return nil, a.problem(err)
	}
	if err := a.groupFolderThere(ctx, nil, g); err != nil {
		return nil, a.problem(err)
	}
	if err := a.intend(ctx, "group.create", ""); err != nil {
		return nil, err
	}
	made, err := a.Accounts.CreateGroup(ctx, g)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.answerGroup(ctx, "group.create", nil, made)
}

// groupFolderThere makes the folder that a group is to have, where only the last
// of its names is missing; what is no folder, and a misspelt way, is refused.
func (a *API) groupFolderThere(ctx context.Context, before *accounts.Group, g accounts.Group) error {
	if g.Folder == nil || before != nil && before.Folder != nil && *before.Folder == *g.Folder {
		return nil
	}
	if a.folderThere(ctx, "folder", *g.Folder) == nil {
		return nil
	}
	err := a.Sessions.System(callerOf(ctx).actor()).Mkdir(ctx, *g.Folder, 0)
	if err != nil {
		return invalid("folder", "is not there and cannot be made: "+g.Folder.String())
	}
	return nil
}

func (a *API) getGroup(ctx context.Context, in *NameInput) (*groupOutput, error) {
	g, err := a.lookedGroup(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	v, err := a.groupView(ctx, g)
	if err != nil {
		return nil, a.problem(err)
	}
	return &groupOutput{ETag: etag(g.Revision), Body: v}, nil
}

type changeGroupInput struct {
	NameInput
	MatchInput
	ConfirmInput
	Body Patch[GroupChange]
}

// GroupChange is what can be changed of a group.
type GroupChange struct {
	Name string `json:"name,omitempty" maxLength:"200"`
	GroupSettings
}

func (a *API) changeGroup(ctx context.Context, in *changeGroupInput) (*groupOutput, error) {
	d := a.directory(ctx)
	return a.updateGroup(ctx, in.Name, groupChange{"group.change", in.IfMatch, in.Confirm, func(g *accounts.Group) error {
		s, err := merge(GroupChange{g.Name, groupSettingsOf(*g, d)}, GroupChange{Name: g.Name}, in.Body)
		if err != nil {
			return err
		}
		g.Name = s.Name
		return s.write(g, d)
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
	revision, err := revisionOf(c.match)
	if err != nil {
		return nil, err
	}
	before, err := a.lookedGroup(ctx, name)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.mayTouchGroup(ctx, before); err != nil {
		return nil, a.problem(err)
	}
	if err := a.intend(ctx, c.kind, ""); err != nil {
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
		return a.groupConfirmed(ctx, g.ID, &g.Group, c.confirm)
	}, callerOf(ctx).option())
	if err != nil {
		return nil, a.problem(err)
	}
	return a.answerGroup(ctx, c.kind, &before, g)
}

type deleteGroupInput struct {
	NameInput
	MatchInput
	ConfirmInput
}

func (a *API) deleteGroup(ctx context.Context, in *deleteGroupInput) (*nothing, error) {
	revision, err := revisionOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	g, err := a.lookedGroup(ctx, in.Name)
	if err == nil {
		err = a.mayDropGroup(ctx, g)
	}
	if err == nil {
		err = a.groupConfirmed(ctx, g.ID, nil, in.Confirm)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	was, err := a.groupView(ctx, g)
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.intend(ctx, "group.delete", ""); err != nil {
		return nil, err
	}
	if err := a.Accounts.DeleteGroup(ctx, g.Name, revision, callerOf(ctx).option()); err != nil {
		return nil, a.problem(err)
	}
	return nil, a.problem(a.record(ctx, "group.delete", "", asMap(was), nil))
}
