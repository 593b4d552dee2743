// Package invitation makes the links that are passed on to people, and takes them
// back: invitations, which become accounts, and links at which a password is set.
package invitation

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
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/links"
)

// An API makes links and takes them.
type API struct{ *rights.Judge }

// New makes the API.
func New(j *rights.Judge) *API { return &API{j} }

// Register adds the operations to the API.
func (a *API) Register(api huma.API) {
	huma.Register(api, rest.Operation("list-invitations", http.MethodGet, "/invitations", "List invitations that are still good; a delegate sees its own", rest.Look), a.listInvitations)
	huma.Register(api, rest.Created(rest.Operation("invite", http.MethodPost, "/invitations", "Invite somebody; the address to pass on is shown this once", rest.Manage)), a.invite)
	huma.Register(api, rest.Operation("invite-many", http.MethodPost, "/invitations/bulk", "Invite the rows of a CSV, each with its own result", rest.Manage), a.inviteMany)
	huma.Register(api, rest.Operation("revoke-invitation", http.MethodDelete, "/invitations/{id}", "Revoke an invitation", rest.Manage), a.revokeInvitation)
	huma.Register(api, rest.Created(rest.Operation("reset-link", http.MethodPost, "/accounts/{name}/reset-link", "Make an address at which the account sets a new password, good once and for 24 hours", rest.Manage)), a.resetLink)
	a.registerAcceptance(api)
}

// InvitationSettings is what an invited account will be.
type InvitationSettings struct {
	Email       string                   `json:"email" minLength:"3" maxLength:"254"`
	DisplayName string                   `json:"display_name,omitempty" maxLength:"200"`
	Role        string                   `json:"role,omitempty" enum:"admin,auditor,user,guest" doc:"default user"`
	Groups      []string                 `json:"groups,omitempty" doc:"names of groups"`
	ManagedBy   *record.ManagersSettings `json:"managed_by,omitempty"`
	Expires     *string                  `json:"expires,omitempty" doc:"of the account: YYYY-MM-DD or an RFC 3339 instant"`
}

// InvitationView is an invitation; its secret is in none.
type InvitationView struct {
	ID string `json:"id"`
	InvitationSettings
	By       string    `json:"by"`
	Created  time.Time `json:"created"`
	GoodTill time.Time `json:"good_until"`
}

// MadeInvitation is the one answer that holds the address to pass on.
type MadeInvitation struct {
	InvitationView
	URL      string   `json:"url" doc:"shown this once"`
	Warnings []string `json:"warnings,omitempty" doc:"why others may not be able to open it"`
}

// MadeLink is the one answer that holds the address to pass on.
type MadeLink struct {
	URL      string    `json:"url" doc:"shown this once"`
	GoodTill time.Time `json:"good_until"`
	Warnings []string  `json:"warnings,omitempty" doc:"why others may not be able to open it"`
}

func invitationView(l links.Link, d *record.Directory) InvitationView {
	i := l.Invitation
	v := InvitationView{
		ID: l.ID, Created: l.Created, GoodTill: l.Expires, By: d.AccountName(l.By),
		InvitationSettings: InvitationSettings{
			Email: i.Email, DisplayName: i.DisplayName, Role: string(i.Role),
			Groups: record.Named(i.Groups, d.GroupName), ManagedBy: record.ManagersOf(i.ManagedBy, d), Expires: record.ExpiryText(i.Expires),
		},
	}
	if v.By == "" {
		v.By = l.By
	}
	return v
}

// invitation makes a record of the settings.
func (s InvitationSettings) invitation(zone string, d *record.Directory) (links.Invitation, error) {
	settings := record.AccountSettings{Role: s.Role, Groups: s.Groups, ManagedBy: s.ManagedBy, Expires: s.Expires}
	var x accounts.Account
	if err := settings.Write(&x, zone, d); err != nil {
		return links.Invitation{}, err
	}
	if x.Expires != nil && !x.Expires.Instant.After(time.Now()) {
		return links.Invitation{}, rest.Invalid("expires", "is in the past: nobody could come in")
	}
	return links.Invitation{
		Email: s.Email, DisplayName: s.DisplayName, Role: x.Role, Groups: x.Groups, ManagedBy: x.ManagedBy, Expires: x.Expires,
	}, nil
}

// draft is the account that an invitation asks for.
func draft(i links.Invitation) accounts.Account {
	x := accounts.Account{DisplayName: i.DisplayName, Email: i.Email}
	x.Role, x.Groups, x.ManagedBy, x.Expires = i.Role, i.Groups, i.ManagedBy, i.Expires
	return x
}

func (a *API) listInvitations(ctx context.Context, in *rest.PageInput) (*rest.ListOutput[InvitationView], error) {
	list, err := a.Accounts.Links().List(ctx, links.Invite)
	if err != nil {
		return nil, a.Problem(err)
	}
	views := []InvitationView{}
	d := record.NewDirectory(ctx, a.Accounts)
	for _, l := range list {
		if a.seesInvitation(ctx, l) {
			views = append(views, invitationView(l, d))
		}
	}
	slices.SortFunc(views, func(x, y InvitationView) int { return strings.Compare(x.ID, y.ID) })
	return rest.Piece(*in, views, func(v InvitationView) string { return v.ID }), nil
}

// seesInvitation reports whether an invitation is the caller's business: an
// administrator's, an auditor's, or whose it is.
func (a *API) seesInvitation(ctx context.Context, l links.Link) bool {
	c := rest.CallerOf(ctx)
	return c.Socket() || c.Role == policy.RoleAdmin || c.Role == policy.RoleAuditor || c.Session.AccountID() == l.By
}

func (a *API) invite(ctx context.Context, in *rest.Body[InvitationSettings]) (*rest.Body[MadeInvitation], error) {
	made, err := a.makeInvitation(ctx, in.Body)
	if err != nil {
		return nil, a.Problem(err)
	}
	return &rest.Body[MadeInvitation]{Body: made}, nil
}

// makeInvitation invites one person to what the caller may give.
func (a *API) makeInvitation(ctx context.Context, s InvitationSettings) (MadeInvitation, error) {
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return MadeInvitation{}, err
	}
	d := record.NewDirectory(ctx, a.Accounts)
	i, err := s.invitation(site.TimeZone, d)
	if err != nil {
		return MadeInvitation{}, err
	}
	x, err := a.MayCreate(ctx, draft(i))
	if err != nil {
		return MadeInvitation{}, err
	}
	i.ManagedBy = x.ManagedBy
	if err := a.Intend(ctx, "invitation.create", ""); err != nil {
		return MadeInvitation{}, err
	}
	c := rest.CallerOf(ctx)
	l, secret, err := a.Accounts.Links().Make(ctx, links.Link{Kind: links.Invite, By: c.ID(), Invitation: &i}, c.Option().Bound())
	if err != nil {
		return MadeInvitation{}, err
	}
	view := invitationView(l, d)
	if err := a.Record(ctx, "invitation.create", "", nil, rest.Map(view)); err != nil {
		return MadeInvitation{}, err
	}
	return MadeInvitation{view, a.linkURL(links.Invite, secret, c), a.SiteWarnings(c)}, nil
}

type invitationInput struct {
	ID string `path:"id" maxLength:"64"`
}

func (a *API) revokeInvitation(ctx context.Context, in *invitationInput) (*rest.Nothing, error) {
	list, err := a.Accounts.Links().List(ctx, links.Invite)
	if err != nil {
		return nil, a.Problem(err)
	}
	for _, l := range list {
		if l.ID == in.ID && a.seesInvitation(ctx, l) {
			return nil, a.Problem(a.revokeLink(ctx, l))
		}
	}
	return nil, huma.NewError(http.StatusNotFound, "there is no such invitation")
}

func (a *API) revokeLink(ctx context.Context, l links.Link) error {
	if err := a.Intend(ctx, "invitation.revoke", ""); err != nil {
		return err
	}
	if _, err := a.Accounts.Links().Revoke(ctx, l.Kind, l.ID); err != nil {
		return err
	}
	return a.Record(ctx, "invitation.revoke", "", rest.Map(invitationView(l, record.NewDirectory(ctx, a.Accounts))), nil)
}

func (a *API) resetLink(ctx context.Context, in *rest.NameInput) (*rest.Body[MadeLink], error) {
	x, err := a.ManagedOther(ctx, in.Name)
	if err != nil {
		return nil, a.Problem(err)
	}
	if x.Shared || x.Role == policy.RoleGuest {
		return nil, a.Problem(rest.Invalid("name", "is a shared account or a guest, which set no password of their own: set it for them"))
	}
	if err := a.Intend(ctx, "account.reset-link", x.Name); err != nil {
		return nil, err
	}
	c := rest.CallerOf(ctx)
	l, secret, err := a.Accounts.Links().Make(ctx, links.Link{Kind: links.Reset, By: c.ID(), Account: x.ID}, c.Option().Bound())
	if err != nil {
		return nil, a.Problem(err)
	}
	if err := a.Record(ctx, "account.reset-link", x.Name, nil, map[string]any{"id": l.ID, "good_until": l.Expires}); err != nil {
		return nil, err
	}
	return &rest.Body[MadeLink]{Body: MadeLink{a.linkURL(links.Reset, secret, c), l.Expires, a.SiteWarnings(c)}}, nil
}
