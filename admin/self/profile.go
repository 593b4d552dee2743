package self

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func (a *API) registerMe(api huma.API) {
	huma.Register(api, rest.Operation("me", http.MethodGet, "/me", "What an account sees of itself", rest.Self), a.me)
	huma.Register(api, rest.Operation("own-profile", http.MethodGet, "/me/profile", "One's own profile", rest.Own), a.ownProfile)
	huma.Register(api, rest.Operation("change-own-profile", http.MethodPatch, "/me/profile", "Change what the body names; null resets", rest.Own), a.changeOwnProfile)
	huma.Register(api, rest.Operation("own-usage", http.MethodGet, "/me/usage", "Use of one's own home, and of what one may move", rest.Own), a.ownUsage)
	huma.Register(api, rest.Operation("own-groups", http.MethodGet, "/me/groups", "The groups that one is in or manages", rest.Own), a.ownGroups)
	huma.Register(api, rest.Operation("own-guests", http.MethodGet, "/me/guests", "The guests that one manages", rest.Own), a.ownGuests)
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
	LastLogin *record.LoginView    `json:"last_login,omitempty"`
}

func (a *API) me(ctx context.Context, _ *rest.Nothing) (*rest.Body[MeView], error) {
	c := rest.CallerOf(ctx)
	v := MeView{
		SessionView: SessionView{Username: c.Name, Role: string(c.Role)},
		Groups:      []string{}, Protocols: []policy.DoorOrigin{}, Grants: []policy.GrantOrigin{},
	}
	if c.Socket() {
		return &rest.Body[MeView]{Body: v}, nil
	}
	x, e, err := a.ownEffective(ctx)
	if err != nil {
		return nil, err
	}
	activity, err := a.Accounts.Activity(ctx, x.ID)
	if err != nil {
		return nil, a.Problem(err)
	}
	profile := profileOf(x)
	v.SessionView, v.ID, v.Profile, v.Created, v.Shared = sessionView(c.Session), x.ID, &profile, &x.Created, x.Shared
	v.Fresh = c.Fresh() == nil
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
		v.LastLogin = &record.LoginView{Time: activity.LastLogin, Address: activity.LastAddress, Door: string(activity.LastDoor)}
	}
	return &rest.Body[MeView]{Body: v}, nil
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

func (a *API) ownProfile(ctx context.Context, _ *rest.Nothing) (*profileOutput, error) {
	x, _, err := a.own(ctx)
	if err != nil {
		return nil, err
	}
	return &profileOutput{rest.ETag(x.Revision), profileOf(x)}, nil
}

type changeProfileInput struct {
	IfMatch string `header:"If-Match"`
	Body    rest.Patch[ProfileSettings]
}

func (a *API) changeOwnProfile(ctx context.Context, in *changeProfileInput) (*profileOutput, error) {
	revision, err := rest.Revision(in.IfMatch)
	if err != nil {
		return nil, err
	}
	x, site, err := a.own(ctx)
	if err != nil {
		return nil, err
	}
	change := func(x *accounts.Account) error {
		was := profileOf(*x)
		is, err := rest.Merge(was, ProfileSettings{}, in.Body)
		if err != nil {
			return err
		}
		if err := ownProfileAllowed(rest.CallerOf(ctx), *x, site, was, is); err != nil {
			return err
		}
		x.DisplayName, x.Email, x.RecoveryEmail = is.DisplayName, is.Email, is.RecoveryEmail
		x.Language, x.TimeZone, x.Theme = is.Language, is.TimeZone, is.Theme
		return nil
	}
	planned := x
	if err := change(&planned); err != nil {
		return nil, a.Problem(err)
	}
	if err := a.Intend(ctx, "account.profile", x.Name); err != nil {
		return nil, err
	}
	now, err := a.Accounts.Update(ctx, x.Name, revision, change, accounts.Guarded)
	if err != nil {
		return nil, a.Problem(err)
	}
	was, is := rest.Difference(rest.Map(profileOf(x)), rest.Map(profileOf(now)))
	if err := a.Record(ctx, "account.profile", now.Name, was, is); err != nil {
		return nil, a.Problem(err)
	}
	return &profileOutput{rest.ETag(now.Revision), profileOf(now)}, nil
}

// ownProfileAllowed refuses what the site keeps for administrators, and an
// e-mail address to whom has not proved the account a moment ago: reset links go
// where it says.
func ownProfileAllowed(c rest.Caller, x accounts.Account, site policy.Site, was, is ProfileSettings) error {
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
		return c.Fresh()
	}
	return nil
}

func (a *API) ownUsage(ctx context.Context, _ *rest.Nothing) (*rest.Body[record.UsageView], error) {
	x, _, err := a.own(ctx)
	if err != nil {
		return nil, err
	}
	return a.usage.Of(ctx, x)
}
