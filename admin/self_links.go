package admin

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/pages"
	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func (a *API) registerAcceptance(api huma.API) {
	huma.Register(api, created(operation("accept-invitation", http.MethodPost, "/invitations/accept", "Make the account of an invitation; its secret is used up", rightAnyone)), a.acceptInvitation)
}

// linkURL is the address that is passed on. The secret is in the fragment, which
// browsers send to nobody: it stands in no log and no Referer.
func (a *API) linkURL(kind accounts.LinkKind, secret string, c caller) string {
	page := pages.ResetPage
	if kind == accounts.LinkInvitation {
		page = pages.InvitationPage
	}
	return a.siteURL(c).JoinPath(pages.Prefix, page).String() + "#" + secret
}

type acceptInput struct {
	Body struct {
		Secret      string `json:"secret" minLength:"1" maxLength:"200" doc:"what stands behind the # of the invitation's address"`
		Username    string `json:"username" minLength:"1" maxLength:"200"`
		DisplayName string `json:"display_name,omitempty" maxLength:"200"`
		Password    string `json:"password" minLength:"1" maxLength:"4096"`
	}
	UserAgent string `header:"User-Agent"`
}

type acceptedView struct {
	Username string `json:"username"`
}

func (a *API) acceptInvitation(ctx context.Context, in *acceptInput) (*bodyOf[acceptedView], error) {
	made, err := a.accept(ctx, acceptance{
		secret: in.Body.Secret, username: in.Body.Username, displayName: in.Body.DisplayName, password: in.Body.Password, client: in.UserAgent,
	})
	if err != nil {
		return nil, a.problem(err)
	}
	return &bodyOf[acceptedView]{acceptedView{made.Name}}, nil
}

// An acceptance is what somebody sends who accepts an invitation.
type acceptance struct{ secret, username, displayName, password, client string }

// byLink is the attempt of who comes with a link's secret.
func (c caller) byLink(secret, client string) auth.Attempt {
	return auth.Attempt{Link: secret, Door: policy.AccountPages, Address: c.Address, Transport: c.Transport, Client: client}
}

// accept makes the account of an invitation. What its maker may give is judged
// anew. The link is taken before the account is made, so that of two who accept
// at once one does; it is put back where the account could not be made.
func (a *API) accept(ctx context.Context, in acceptance) (accounts.Account, error) {
	link, draft, err := a.invited(ctx, in)
	if err != nil {
		return draft, err
	}
	ctx = asInvited(ctx, draft.Name)
	if err := a.intend(ctx, "invitation.accept", draft.Name); err != nil {
		return draft, err
	}
	if link, err = a.Accounts.TakeLink(ctx, in.secret); err != nil {
		return draft, err
	}
	made, err := a.Sessions.CreateAccount(ctx, draft, in.password, false, false)
	if err != nil {
		if back := a.Accounts.ReturnLink(context.WithoutCancel(ctx), link); back != nil {
			a.Log.Warn("an invitation that was not used could not be put back", "error", back)
		}
		return draft, takenName(err)
	}
	view, err := a.view(ctx, made, a.directory(ctx))
	if err != nil {
		return made, err
	}
	return made, a.record(ctx, "invitation.accept", made.Name, map[string]any{"invitation": link.ID, "by": a.nameOf(ctx, link.By)}, asMap(view))
}

// invited judges an acceptance without using anything up.
func (a *API) invited(ctx context.Context, in acceptance) (accounts.Link, accounts.Account, error) {
	var none accounts.Account
	link, err := a.Sessions.ByLink(ctx, callerOf(ctx).byLink(in.secret, in.client))
	if err != nil {
		return link, none, unknownLink(err)
	}
	if link.Kind != accounts.LinkInvitation {
		return link, none, accounts.ErrLink
	}
	draft, err := a.Accounts.Draft(link, in.username)
	if err != nil {
		return link, none, err
	}
	if in.displayName != "" {
		draft.DisplayName = in.displayName
	}
	if in.password == "" {
		return link, none, &accounts.InvalidError{Field: "password", Why: "must not be empty"}
	}
	if draft, err = a.mayInvite(ctx, link.By, draft); err != nil {
		return link, none, err
	}
	if _, err := a.Accounts.Prepare(ctx, draft); err != nil {
		return link, none, takenName(err)
	}
	return link, draft, nil
}

// takenName tells somebody who chooses a username that another will do. A home
// that stands there already is another's as well.
func takenName(err error) error {
	if errors.Is(err, accounts.ErrExists) || errors.Is(err, accounts.ErrHome) {
		return &accounts.InvalidError{Field: "username", Why: "is taken: choose another"}
	}
	return err
}

// unknownLink answers a link that is no good as what it is: who holds one knows
// no name and no password, and learns nothing by it.
func unknownLink(err error) error {
	if refused, ok := errors.AsType[*auth.RefusedError](err); ok && refused.Decision.Rule == policy.RuleCredential {
		return huma.NewError(http.StatusGone, "this link is used up, revoked or too old: ask for a new one (reference "+refused.Reference+")")
	}
	return err
}

// asInvited names who acts while there is no account yet.
func asInvited(ctx context.Context, name string) context.Context {
	c := callerOf(ctx)
	c.Name = name + " (invited)"
	return context.WithValue(ctx, callerKey{}, c)
}

// nameOf names who made something: an account or, where there is none, what is kept.
func (a *API) nameOf(ctx context.Context, by string) string {
	if x, err := a.Accounts.ByID(ctx, by); err == nil {
		return x.Name
	}
	return by
}

// reset sets the password of a reset link's account.
func (a *API) reset(ctx context.Context, secret, password, client string) error {
	attempt := callerOf(ctx).byLink(secret, client)
	link, err := a.Sessions.ByLink(ctx, attempt)
	if err != nil {
		return unknownLink(err)
	}
	if link.Kind != accounts.LinkReset {
		return accounts.ErrLink
	}
	x, err := a.Accounts.ByID(ctx, link.Account)
	if err != nil {
		return accounts.ErrLink
	}
	c := callerOf(ctx)
	c.Name = x.Name + " (reset link)"
	ctx = context.WithValue(ctx, callerKey{}, c)
	if err := a.intend(ctx, "account.password", x.Name); err != nil {
		return err
	}
	if _, err := a.Sessions.ResetByLink(ctx, attempt, password); err != nil {
		return unknownLink(err)
	}
	return a.record(ctx, "account.password", x.Name, nil, map[string]any{"link": link.ID, "by": a.nameOf(ctx, link.By)})
}
