package admin

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func (a *API) registerGroups(api huma.API) {
	huma.Register(api, operation("list-groups", http.MethodGet, "/groups", "List groups", rightRead), a.listGroups)
	create := operation("create-group", http.MethodPost, "/groups", "Create a group", rightAdmin)
	create.DefaultStatus = http.StatusCreated
	huma.Register(api, create, a.createGroup)
	huma.Register(api, operation("get-group", http.MethodGet, "/groups/{name}", "Show a group", rightRead), a.getGroup)
	huma.Register(api, operation("change-group", http.MethodPatch, "/groups/{name}", "Change what the body names; null resets", rightAdmin), a.changeGroup)
	huma.Register(api, operation("delete-group", http.MethodDelete, "/groups/{name}", "Delete a group", rightAdmin), a.deleteGroup)
	huma.Register(api, operation("add-member", http.MethodPut, "/groups/{name}/members/{account}", "Add a member", rightAdmin), a.addMember)
	huma.Register(api, operation("remove-member", http.MethodDelete, "/groups/{name}/members/{account}", "Remove a member", rightAdmin), a.removeMember)
	huma.Register(api, operation("add-group-grant", http.MethodPost, "/groups/{name}/grants", "Grant the members rights on a folder", rightAdmin), a.addGroupGrant)
	huma.Register(api, operation("remove-group-grant", http.MethodDelete, "/groups/{name}/grants/{id}", "Remove a grant", rightAdmin), a.removeGroupGrant)
}

// GroupSettings is what can be set of a group: defaults for members that inherit.
type GroupSettings struct {
	Protocols *[]string      `json:"protocols,omitempty"`
	Limits    *policy.Limits `json:"limits,omitempty"`
	Quota     *QuotaSettings `json:"quota,omitempty" doc:"of each member's home"`
}

// GroupView is a group.
type GroupView struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	GroupSettings
	Created time.Time   `json:"created"`
	Grants  []GrantView `json:"grants"`
	Members []string    `json:"members"`
}

func (s GroupSettings) write(g *accounts.Group) {
	g.Protocols, g.Limits, g.Quota = nil, policy.Limits{}, policy.Quota{}
	if s.Protocols != nil {
		g.Protocols = []policy.Door{}
		for _, d := range *s.Protocols {
			g.Protocols = append(g.Protocols, policy.Door(d))
		}
	}
	if s.Limits != nil {
		g.Limits = *s.Limits
	}
	if s.Quota != nil {
		g.Quota = policy.Quota{Bytes: s.Quota.LimitBytes, Files: s.Quota.LimitFiles}
	}
}

func groupSettingsOf(g accounts.Group) GroupSettings {
	var s GroupSettings
	if g.Protocols != nil {
		s.Protocols = new(doorTexts(g.Protocols))
	}
	if g.Limits != (policy.Limits{}) {
		s.Limits = &g.Limits
	}
	if g.Quota.Bytes != nil || g.Quota.Files != nil {
		s.Quota = &QuotaSettings{g.Quota.Bytes, g.Quota.Files}
	}
	return s
}

func (a *API) groupView(ctx context.Context, g accounts.Group) (GroupView, error) {
	v := GroupView{
		ID: g.ID, Name: g.Name, GroupSettings: groupSettingsOf(g), Created: g.Created,
		Grants: grantViews(g.Grants), Members: []string{},
	}
	q := accounts.Query{Group: g.Name, Limit: 1000}
	for {
		members, next, err := a.Accounts.List(ctx, q)
		if err != nil {
			return v, err
		}
		for _, m := range members {
			v.Members = append(v.Members, m.Name)
		}
		if q.Cursor = next; next == "" {
			return v, nil
		}
	}
}

func (a *API) listGroups(ctx context.Context, _ *nothing) (*bodyOf[[]GroupView], error) {
	groups, err := a.Accounts.Groups(ctx)
	if err != nil {
		return nil, a.problem(err)
	}
	views := make([]GroupView, 0, len(groups))
	for _, g := range groups {
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
func (a *API) answerGroup(ctx context.Context, kind string, before *accounts.Group, g accounts.Group) (*groupOutput, error) {
	v, err := a.groupView(ctx, g)
	if err != nil {
		return nil, a.problem(err)
	}
	was, is := map[string]any(nil), asMap(v)
	if before != nil {
		old := v // the members are no part of the record
		old.GroupSettings, old.Grants = groupSettingsOf(*before), grantViews(before.Grants)
		was, is = difference(asMap(old), is)
		is["name"] = g.Name
	}
	if err := a.record(ctx, eventKind(kind), "", was, is); err != nil {
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

type createGroupInput struct {
	Body struct {
		Name string `json:"name" minLength:"1" maxLength:"200"`
		GroupSettings
	}
}

func (a *API) createGroup(ctx context.Context, in *createGroupInput) (*groupOutput, error) {
	var g accounts.Group
	g.Name, g.Kind = in.Body.Name, "user"
	in.Body.write(&g)
	made, err := a.Accounts.CreateGroup(ctx, g)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.answerGroup(ctx, "group.create", nil, made)
}

func (a *API) getGroup(ctx context.Context, in *NameInput) (*groupOutput, error) {
	g, err := a.Accounts.Group(ctx, in.Name)
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
	IfMatch string `header:"If-Match"`
	Confirm string `query:"confirm" enum:"self" doc:"self: the change may end the caller's own session"`
	Body    Patch[GroupSettings]
}

func (a *API) changeGroup(ctx context.Context, in *changeGroupInput) (*groupOutput, error) {
	revision, err := revisionOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	var before accounts.Group
	g, err := a.Accounts.UpdateGroup(ctx, in.Name, revision, func(g *accounts.Group) error {
		before = *g
		s, err := merge(groupSettingsOf(*g), GroupSettings{}, in.Body)
		if err != nil {
			return err
		}
		s.write(g)
		return a.groupConfirmed(ctx, g.ID, &g.Group, in.Confirm)
	}, callerOf(ctx).option())
	if err != nil {
		return nil, a.problem(err)
	}
	return a.answerGroup(ctx, "group.change", &before, g)
}

type deleteGroupInput struct {
	NameInput
	IfMatch string `header:"If-Match"`
	Confirm string `query:"confirm" enum:"self" doc:"self: the change may end the caller's own session"`
}

func (a *API) deleteGroup(ctx context.Context, in *deleteGroupInput) (*nothing, error) {
	revision, err := revisionOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	g, err := a.Accounts.Group(ctx, in.Name)
	if err == nil {
		err = a.groupConfirmed(ctx, g.ID, nil, in.Confirm)
	}
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.Accounts.DeleteGroup(ctx, in.Name, revision, callerOf(ctx).option()); err != nil {
		return nil, a.problem(err)
	}
	return nil, a.problem(a.record(ctx, "group.delete", "", map[string]any{"id": g.ID, "name": g.Name}, nil))
}

type memberInput struct {
	NameInput
	Account string `path:"account" maxLength:"400"`
	Confirm string `query:"confirm" enum:"self" doc:"self: the change may end the caller's own session"`
}

func (a *API) addMember(ctx context.Context, in *memberInput) (*accountOutput, error) {
	g, err := a.Accounts.Group(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.update(ctx, in.Account, "group.member.add", func(x *accounts.Account) error {
		if !slices.Contains(x.Groups, g.ID) {
			x.Groups = append(x.Groups, g.ID)
		}
		return a.confirmed(ctx, *x, in.Confirm)
	})
}

func (a *API) removeMember(ctx context.Context, in *memberInput) (*accountOutput, error) {
	g, err := a.Accounts.Group(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	return a.update(ctx, in.Account, "group.member.remove", func(x *accounts.Account) error {
		x.Groups = slices.DeleteFunc(x.Groups, func(id string) bool { return id == g.ID })
		return a.confirmed(ctx, *x, in.Confirm)
	})
}

func (a *API) addGroupGrant(ctx context.Context, in *addGrantInput) (*groupOutput, error) {
	grant, err := in.Body.grant()
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.folderThere(ctx, "path", grant.Path); err != nil {
		return nil, a.problem(err)
	}
	before, err := a.Accounts.Group(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	_, g, err := a.Accounts.AddGroupGrant(ctx, in.Name, grant, callerOf(ctx).option())
	if err != nil {
		return nil, a.problem(err)
	}
	return a.answerGroup(ctx, "group.grant.add", &before, g)
}

func (a *API) removeGroupGrant(ctx context.Context, in *itemInput) (*groupOutput, error) {
	before, err := a.Accounts.Group(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	g, err := a.Accounts.RemoveGroupGrant(ctx, in.Name, in.ID, callerOf(ctx).option())
	if err != nil {
		return nil, a.problem(err)
	}
	return a.answerGroup(ctx, "group.grant.remove", &before, g)
}
