package admin

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func (a *API) registerMe(api huma.API) {
	huma.Register(api, operation("me", http.MethodGet, "/me", "What an account sees of itself", rightSelf), a.me)
	huma.Register(api, operation("own-profile", http.MethodGet, "/me/profile", "One's own profile", rightOwn), a.ownProfile)
	huma.Register(api, operation("change-own-profile", http.MethodPatch, "/me/profile", "Change what the body names; null resets", rightOwn), a.changeOwnProfile)
	huma.Register(api, operation("own-usage", http.MethodGet, "/me/usage", "Use of one's own home", rightOwn), a.ownUsage)
	huma.Register(api, operation("own-groups", http.MethodGet, "/me/groups", "The groups that one is in or manages", rightOwn), a.ownGroups)
	huma.Register(api, operation("own-guests", http.MethodGet, "/me/guests", "The guests that one manages", rightOwn), a.ownGuests)
}

// MeView is what an account sees of itself.
type MeView struct {
	SessionView
	ID        string               `json:"id,omitempty"`
	Profile   *ProfileSettings     `json:"profile,omitempty"`
	Created   *time.Time           `json:"created,omitempty"`
	AgeDays   int                  `json:"age_days"`
	ExpiresAt *time.Time           `json:"expires_at,omitempty"`
	Shared    bool                 `json:"shared,omitempty"`
	Groups    []string             `json:"groups"`
	Protocols []policy.DoorOrigin  `json:"protocols"`
	Grants    []policy.GrantOrigin `json:"grants" doc:"what one may do where, and where that comes from"`
	Manage    policy.Manage        `json:"manage" doc:"what one may do for others"`
	Password  *OwnPasswordView     `json:"password,omitempty"`
	Factor    *FactorView          `json:"second_factor,omitempty"`
	LastLogin *LoginView           `json:"last_login,omitempty"`
}

func (a *API) me(ctx context.Context, _ *nothing) (*bodyOf[MeView], error) {
	c := callerOf(ctx)
	v := MeView{
		SessionView: SessionView{Username: c.Name, Role: string(c.Role)},
		Groups:      []string{}, Protocols: []policy.DoorOrigin{}, Grants: []policy.GrantOrigin{},
	}
	if c.Socket() {
		return &bodyOf[MeView]{v}, nil
	}
	x, _, err := a.own(ctx)
	if err != nil {
		return nil, err
	}
	e, err := a.Accounts.Effective(ctx, x)
	if err != nil {
		return nil, a.problem(err)
	}
	activity, err := a.Accounts.Activity(ctx, x.ID)
	if err != nil {
		return nil, a.problem(err)
	}
	profile := profileOf(x)
	v.SessionView, v.ID, v.Profile, v.Created, v.Shared = sessionView(c.Session), x.ID, &profile, &x.Created, x.Shared
	v.AgeDays = int(time.Since(x.Created) / (24 * time.Hour))
	v.Protocols, v.Grants, v.Manage = e.Protocols(), e.Grants(), x.Manage
	v.Password, v.Factor = ownPasswordView(x, e), factorView(x, e)
	if x.Expires != nil {
		v.ExpiresAt = &x.Expires.Instant
	}
	for _, g := range e.Groups() {
		v.Groups = append(v.Groups, g.Name)
	}
	if !activity.LastLogin.IsZero() {
		v.LastLogin = &LoginView{activity.LastLogin, activity.LastAddress, string(activity.LastDoor)}
	}
	return &bodyOf[MeView]{v}, nil
}

// ProfileSettings is what an account may change about itself.
type ProfileSettings struct {
	DisplayName   string `json:"display_name,omitempty" maxLength:"200"`
	Email         string `json:"email,omitempty" maxLength:"254"`
	RecoveryEmail string `json:"recovery_email,omitempty" maxLength:"254" doc:"default: email"`
	Language      string `json:"language,omitempty" maxLength:"35"`
	TimeZone      string `json:"time_zone,omitempty" maxLength:"64"`
	Theme         string `json:"theme,omitempty" maxLength:"32"`
}

func profileOf(x accounts.Account) ProfileSettings {
	return ProfileSettings{x.DisplayName, x.Email, x.RecoveryEmail, x.Language, x.TimeZone, x.Theme}
}

type profileOutput struct {
	ETag string `header:"ETag"`
	Body ProfileSettings
}

func (a *API) ownProfile(ctx context.Context, _ *nothing) (*profileOutput, error) {
	x, _, err := a.own(ctx)
	if err != nil {
		return nil, err
	}
	return &profileOutput{etag(x.Revision), profileOf(x)}, nil
}

type changeProfileInput struct {
	IfMatch string `header:"If-Match"`
	Body    Patch[ProfileSettings]
}

func (a *API) changeOwnProfile(ctx context.Context, in *changeProfileInput) (*profileOutput, error) {
	revision, err := revisionOf(in.IfMatch)
	if err != nil {
		return nil, err
	}
	x, site, err := a.own(ctx)
	if err != nil {
		return nil, err
	}
	change := func(x *accounts.Account) error {
		was := profileOf(*x)
		is, err := merge(was, ProfileSettings{}, in.Body)
		if err != nil {
			return err
		}
		if err := ownProfileAllowed(callerOf(ctx), *x, site, was, is); err != nil {
			return err
		}
		x.DisplayName, x.Email, x.RecoveryEmail = is.DisplayName, is.Email, is.RecoveryEmail
		x.Language, x.TimeZone, x.Theme = is.Language, is.TimeZone, is.Theme
		return nil
	}
	planned := x
	if err := change(&planned); err != nil {
		return nil, a.problem(err)
	}
	if err := a.intend(ctx, "account.profile", x.Name); err != nil {
		return nil, err
	}
	now, err := a.Accounts.Update(ctx, x.Name, revision, change, accounts.Guarded)
	if err != nil {
		return nil, a.problem(err)
	}
	was, is := difference(asMap(profileOf(x)), asMap(profileOf(now)))
	if err := a.record(ctx, "account.profile", now.Name, was, is); err != nil {
		return nil, a.problem(err)
	}
	return &profileOutput{etag(now.Revision), profileOf(now)}, nil
}

// ownProfileAllowed refuses what the site keeps for administrators, and an
// e-mail address to whom has not proved the account a moment ago: reset links go
// where it says.
func ownProfileAllowed(c caller, x accounts.Account, site policy.Site, was, is ProfileSettings) error {
	name := was.DisplayName != is.DisplayName
	email := was.Email != is.Email || was.RecoveryEmail != is.RecoveryEmail
	zone := was.TimeZone != is.TimeZone
	rest := was.Language != is.Language || was.Theme != is.Theme
	locked := (site.LockProfiles || x.Authentication != accounts.Local) && c.Role != policy.RoleAdmin
	switch {
	case (name || email) && locked:
		return huma.NewError(http.StatusForbidden, "an administrator changes names and e-mail addresses here")
	case (name || zone || rest) && !site.SelfService.Profile, email && !site.SelfService.Email:
		return huma.NewError(http.StatusForbidden, "an administrator changes this here")
	case (email || zone) && x.Shared:
		return huma.NewError(http.StatusForbidden, "an administrator changes this of a shared account")
	case email:
		return c.fresh()
	}
	return nil
}

func (a *API) ownUsage(ctx context.Context, _ *nothing) (*bodyOf[QuotaView], error) {
	x, _, err := a.own(ctx)
	if err != nil {
		return nil, err
	}
	return a.quotaAt(ctx, x.Home)
}
