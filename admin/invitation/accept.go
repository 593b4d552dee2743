package invitation

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/pages"
	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/links"
)

func (a *API) registerAcceptance(api huma.API) {
	huma.Register(api, rest.Created(rest.Operation("accept-invitation", http.MethodPost, "/invitations/accept", "Make the account of an invitation; its secret is used up", rest.Anyone)), a.acceptInvitation)
	huma.Register(api, rest.Operation("accept-reset-link", http.MethodPost, "/reset-links/accept", "Set the password of the account that a reset link is for; its secret is used up", rest.Anyone), a.acceptReset)
}

// linkURL is the address that is passed on. The secret is in the fragment, which
// browsers send to nobody: it stands in no log and no Referer.
func (a *API) linkURL(kind links.Kind, secret string, c rest.Caller) string {
	page := pages.ResetPage
	if kind == links.Invite {
		page = pages.InvitationPage
	}
	return a.SiteURL(c).JoinPath(pages.Prefix, page).String() + "#" + secret
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

func (a *API) acceptInvitation(ctx context.Context, in *acceptInput) (*rest.Body[acceptedView], error) {
	made, err := a.Accept(ctx, Acceptance{
		Secret: in.Body.Secret, Username: in.Body.Username, DisplayName: in.Body.DisplayName, Password: in.Body.Password, Client: in.UserAgent,
	})
	if err != nil {
		return nil, a.Problem(err)
	}
	return &rest.Body[acceptedView]{Body: acceptedView{made.Name}}, nil
}

type acceptResetInput struct {
	Body struct {
		Secret   string `json:"secret" minLength:"1" maxLength:"200" doc:"what stands behind the # of the link's address"`
		Password string `json:"password" minLength:"1" maxLength:"4096"`
	}
	UserAgent string `header:"User-Agent"`
}

func (a *API) acceptReset(ctx context.Context, in *acceptResetInput) (*rest.Body[acceptedView], error) {
	x, err := a.Reset(ctx, in.Body.Secret, in.Body.Password, in.UserAgent)
	if err != nil {
		return nil, a.Problem(err)
	}
	return &rest.Body[acceptedView]{Body: acceptedView{x.Name}}, nil
}

// An Acceptance is what somebody sends who accepts an invitation.
type Acceptance struct{ Secret, Username, DisplayName, Password, Client string }

// Attempt is the attempt of who comes with a link's secret.
func Attempt(c rest.Caller, secret, client string) auth.Attempt {
	return auth.Attempt{Link: secret, Door: policy.AccountPages, Address: c.Address, Transport: c.Transport, Client: client}
}

// Accept makes the account of an invitation. What its maker may give is judged
// anew. The link is taken before the account is made, so that of two who accept
// at once one does; it is put back where the account could not be made.
func (a *API) Accept(ctx context.Context, in Acceptance) (accounts.Account, error) {
	link, draft, err := a.invited(ctx, in)
	if err != nil {
		return draft, err
	}
	ctx = asInvited(ctx, draft.Name)
	if err := a.Intend(ctx, "invitation.accept", draft.Name); err != nil {
		return draft, err
	}
	if link, err = a.Accounts.Links().Take(ctx, in.Secret); err != nil {
		return draft, err
	}
	made, err := a.Provision.Create(ctx, draft, in.Password, false, false)
	if err != nil {
		if back := a.Accounts.Links().Return(context.WithoutCancel(ctx), link); back != nil {
			a.Log.Warn("an invitation that was not used could not be put back", "error", back)
		}
		return draft, takenName(err)
	}
	view, err := record.NewDirectory(ctx, a.Accounts).View(ctx, made)
	if err != nil {
		return made, err
	}
	return made, a.Record(ctx, "invitation.accept", made.Name, map[string]any{"invitation": link.ID, "by": a.nameOf(ctx, link.By)}, rest.Map(view))
}

// invited judges an acceptance without using anything up.
func (a *API) invited(ctx context.Context, in Acceptance) (links.Link, accounts.Account, error) {
	var none accounts.Account
	link, err := a.SelfService.ByLink(ctx, Attempt(rest.CallerOf(ctx), in.Secret, in.Client))
	if err != nil {
		return link, none, UnknownLink(err)
	}
	if link.Kind != links.Invite {
		return link, none, links.ErrGone
	}
	draft, err := a.Accounts.Draft(link, in.Username)
	if err != nil {
		return link, none, err
	}
	if in.DisplayName != "" {
		draft.DisplayName = in.DisplayName
	}
	if in.Password == "" {
		return link, none, &accounts.InvalidError{Field: "password", Why: "must not be empty"}
	}
	if draft, err = a.MayInvite(ctx, link.By, draft); err != nil {
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

// UnknownLink answers a link that is no good as what it is: who holds one knows
// no name and no password, and learns nothing by it.
func UnknownLink(err error) error {
	if refused, ok := errors.AsType[*auth.RefusedError](err); ok && refused.Decision.Rule == policy.RuleCredential {
		return huma.NewError(http.StatusGone, rest.LinkGone+" (reference "+refused.Reference+")")
	}
	return err
}

// asInvited names who acts while there is no account yet.
func asInvited(ctx context.Context, name string) context.Context {
	c := rest.CallerOf(ctx)
	c.Name = name + " (invited)"
	return rest.WithCaller(ctx, c)
}

// nameOf names who made something: an account or, where there is none, what is kept.
func (a *API) nameOf(ctx context.Context, by string) string {
	if x, err := a.Accounts.ByID(ctx, by); err == nil {
		return x.Name
	}
	return by
}

// Reset sets the password of a reset link's account, and returns the account.
func (a *API) Reset(ctx context.Context, secret, password, client string) (accounts.Account, error) {
	var x accounts.Account
	attempt := Attempt(rest.CallerOf(ctx), secret, client)
	link, err := a.SelfService.ByLink(ctx, attempt)
	if err != nil {
		return x, UnknownLink(err)
	}
	if link.Kind != links.Reset {
		return x, links.ErrGone
	}
	if x, err = a.Accounts.ByID(ctx, link.Account); err != nil {
		return x, links.ErrGone
	}
	c := rest.CallerOf(ctx)
	c.Name = x.Name + " (reset link)"
	ctx = rest.WithCaller(ctx, c)
	if err := a.Intend(ctx, "account.password", x.Name); err != nil {
		return x, err
	}
	now, err := a.SelfService.ResetByLink(ctx, attempt, password)
	if err != nil {
		return x, UnknownLink(err)
	}
	was, is := record.PasswordChange(x.Password, now.Password)
	is["link"], is["by"] = link.ID, a.nameOf(ctx, link.By)
	return x, a.Record(ctx, "account.password", x.Name, was, is)
}
