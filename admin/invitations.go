package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func (a *API) registerInvitations(api huma.API) {
	huma.Register(api, operation("list-invitations", http.MethodGet, "/invitations", "List invitations that are still good; a delegate sees its own", rightLook), a.listInvitations)
	huma.Register(api, created(operation("invite", http.MethodPost, "/invitations", "Invite somebody; the address to pass on is shown this once", rightManage)), a.invite)
	huma.Register(api, operation("invite-many", http.MethodPost, "/invitations/bulk", "Invite the rows of a CSV, each with its own result", rightManage), a.inviteMany)
	huma.Register(api, operation("revoke-invitation", http.MethodDelete, "/invitations/{id}", "Revoke an invitation", rightManage), a.revokeInvitation)
	huma.Register(api, created(operation("reset-link", http.MethodPost, "/accounts/{name}/reset-link", "Make an address at which the account sets a new password, good once and for 24 hours", rightManage)), a.resetLink)
}

// InvitationSettings is what an invited account will be.
type InvitationSettings struct {
	Email       string            `json:"email" minLength:"3" maxLength:"254"`
	DisplayName string            `json:"display_name,omitempty" maxLength:"200"`
	Role        string            `json:"role,omitempty" enum:"admin,auditor,user,guest" doc:"default user"`
	Groups      []string          `json:"groups,omitempty" doc:"names of groups"`
	ManagedBy   *ManagersSettings `json:"managed_by,omitempty"`
	Expires     *string           `json:"expires,omitempty" doc:"of the account: YYYY-MM-DD or an RFC 3339 instant"`
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
	URL string `json:"url" doc:"shown this once"`
}

// MadeLink is the one answer that holds the address to pass on.
type MadeLink struct {
	URL      string    `json:"url" doc:"shown this once"`
	GoodTill time.Time `json:"good_until"`
}

func invitationView(l accounts.Link, d *directory) InvitationView {
	i := l.Invitation
	v := InvitationView{
		ID: l.ID, Created: l.Created, GoodTill: l.Expires, By: d.accountName(l.By),
		InvitationSettings: InvitationSettings{
			Email: i.Email, DisplayName: i.DisplayName, Role: string(i.Role),
			Groups: named(i.Groups, d.groupName), ManagedBy: managersOf(i.ManagedBy, d), Expires: expiryText(i.Expires),
		},
	}
	if v.By == "" {
		v.By = l.By
	}
	return v
}

// invitation makes a record of the settings.
func (s InvitationSettings) invitation(zone string, d *directory) (accounts.Invitation, error) {
	settings := AccountSettings{Role: s.Role, Groups: s.Groups, ManagedBy: s.ManagedBy, Expires: s.Expires}
	var x accounts.Account
	if err := settings.write(&x, zone, d); err != nil {
		return accounts.Invitation{}, err
	}
	return accounts.Invitation{
		Email: s.Email, DisplayName: s.DisplayName, Role: x.Role, Groups: x.Groups, ManagedBy: x.ManagedBy, Expires: x.Expires,
	}, nil
}

// draft is the account that an invitation asks for.
func draft(i accounts.Invitation) accounts.Account {
	x := accounts.Account{DisplayName: i.DisplayName, Email: i.Email}
	x.Role, x.Groups, x.ManagedBy, x.Expires = i.Role, i.Groups, i.ManagedBy, i.Expires
	return x
}

func (a *API) listInvitations(ctx context.Context, _ *nothing) (*bodyOf[[]InvitationView], error) {
	list, err := a.Accounts.Links(ctx, accounts.LinkInvitation)
	if err != nil {
		return nil, a.problem(err)
	}
	views := []InvitationView{}
	d := a.directory(ctx)
	for _, l := range list {
		if a.seesInvitation(ctx, l) {
			views = append(views, invitationView(l, d))
		}
	}
	return &bodyOf[[]InvitationView]{views}, nil
}

// seesInvitation reports whether an invitation is the caller's business: an
// administrator's, an auditor's, or whose it is.
func (a *API) seesInvitation(ctx context.Context, l accounts.Link) bool {
	c := callerOf(ctx)
	return c.Socket() || c.Role == policy.RoleAdmin || c.Role == policy.RoleAuditor || c.Session.AccountID() == l.By
}

func (a *API) invite(ctx context.Context, in *bodyOf[InvitationSettings]) (*bodyOf[MadeInvitation], error) {
	made, err := a.makeInvitation(ctx, in.Body)
	if err != nil {
		return nil, a.problem(err)
	}
	return &bodyOf[MadeInvitation]{made}, nil
}

// makeInvitation invites one person to what the caller may give.
func (a *API) makeInvitation(ctx context.Context, s InvitationSettings) (MadeInvitation, error) {
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return MadeInvitation{}, err
	}
	d := a.directory(ctx)
	i, err := s.invitation(site.TimeZone, d)
	if err != nil {
		return MadeInvitation{}, err
	}
	x, err := a.mayCreate(ctx, draft(i), newAccount{})
	if err != nil {
		return MadeInvitation{}, err
	}
	i.ManagedBy = x.ManagedBy
	if err := a.intend(ctx, "invitation.create", ""); err != nil {
		return MadeInvitation{}, err
	}
	c := callerOf(ctx)
	l, secret, err := a.Accounts.MakeLink(ctx, accounts.Link{Kind: accounts.LinkInvitation, By: c.id(), Invitation: &i}, c.option())
	if err != nil {
		return MadeInvitation{}, err
	}
	view := invitationView(l, d)
	if err := a.record(ctx, "invitation.create", "", nil, asMap(view)); err != nil {
		return MadeInvitation{}, err
	}
	return MadeInvitation{view, a.linkURL(accounts.LinkInvitation, secret, c)}, nil
}

type invitationInput struct {
	ID string `path:"id" maxLength:"64"`
}

func (a *API) revokeInvitation(ctx context.Context, in *invitationInput) (*nothing, error) {
	list, err := a.Accounts.Links(ctx, accounts.LinkInvitation)
	if err != nil {
		return nil, a.problem(err)
	}
	for _, l := range list {
		if l.ID == in.ID && a.seesInvitation(ctx, l) {
			return nil, a.problem(a.revokeLink(ctx, l))
		}
	}
	return nil, huma.NewError(http.StatusNotFound, "there is no such invitation")
}

func (a *API) revokeLink(ctx context.Context, l accounts.Link) error {
	if err := a.intend(ctx, "invitation.revoke", ""); err != nil {
		return err
	}
	if _, err := a.Accounts.RevokeLink(ctx, l.Kind, l.ID); err != nil {
		return err
	}
	return a.record(ctx, "invitation.revoke", "", asMap(invitationView(l, a.directory(ctx))), nil)
}

func (a *API) resetLink(ctx context.Context, in *NameInput) (*bodyOf[MadeLink], error) {
	x, err := a.managedOther(ctx, in.Name)
	if err != nil {
		return nil, a.problem(err)
	}
	if x.Shared || x.Role == policy.RoleGuest {
		return nil, a.problem(invalid("name", "is a shared account or a guest, which set no password of their own: set it for them"))
	}
	if err := a.intend(ctx, "account.reset-link", x.Name); err != nil {
		return nil, err
	}
	c := callerOf(ctx)
	l, secret, err := a.Accounts.MakeLink(ctx, accounts.Link{Kind: accounts.LinkReset, By: c.id(), Account: x.ID}, c.option())
	if err != nil {
		return nil, a.problem(err)
	}
	if err := a.record(ctx, "account.reset-link", x.Name, nil, map[string]any{"id": l.ID, "good_until": l.Expires}); err != nil {
		return nil, err
	}
	return &bodyOf[MadeLink]{MadeLink{a.linkURL(accounts.LinkReset, secret, c), l.Expires}}, nil
}
