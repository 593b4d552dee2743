package record

import (
	"context"
	"time"

	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// View is what the caller sees of an account; no secret is in it.
func (d *Directory) View(ctx context.Context, x accounts.Account) (AccountView, error) {
	activity, err := d.accounts.Activity(ctx, x.ID)
	if err != nil {
		return AccountView{}, err
	}
	effective, err := d.accounts.Effective(ctx, x)
	if err != nil {
		return AccountView{}, err
	}
	v := AccountView{
		ID: x.ID, Username: x.Name, AccountSettings: SettingsOf(x, d), Authentication: x.Authentication, Created: x.Created,
		Status: StatusOf(x, effective, time.Now()), Keys: ViewKeys(x, activity), Grants: CutGrants(ViewGrants(x.Grants), effective.Cuts()),
		Permissions: inShort(effective), Credentials: countCredentials(x),
	}
	if !rest.CallerOf(ctx).Administers() {
		v.Notes = ""
	}
	if x.Expires != nil {
		v.ExpiresAt = &x.Expires.Instant
		if x.Expires.Date != "" {
			v.ExpiresOn, v.ExpiresZone = x.Expires.Date, x.Expires.Zone
		}
	}
	if p := x.Password; p != nil {
		v.Password = &PasswordView{Changed: p.Changed, MustChange: p.MustChange}
	}
	if f := x.TOTP; f != nil {
		v.TOTP = &TOTPView{Added: f.Added, Confirmed: f.Confirmed, RecoveryCodes: len(f.Recovery)}
	}
	if !activity.LastLogin.IsZero() {
		v.LastLogin = &LoginView{activity.LastLogin, activity.LastAddress, string(activity.LastDoor)}
	}
	return v, nil
}

// inShort is what an account may do where: "full /home/ann", "read-only /pub (group crew)".
func inShort(e policy.Effective) []string {
	list := []string{}
	for _, g := range e.Grants() {
		text := g.Permissions.String() + " " + g.Path.String()
		if g.Rule == policy.RuleGrant && g.Origin != policy.OriginAccount {
			text += " (" + g.Origin + ")"
		}
		list = append(list, text)
	}
	return list
}

func countCredentials(x accounts.Account) *CredentialCounts {
	var n CredentialCounts
	for _, c := range x.Credentials {
		switch c.Kind {
		case policy.KindAppPassword:
			n.AppPasswords++
		case policy.KindToken:
			n.Tokens++
		case policy.KindClient:
			n.Clients++
		}
	}
	if n == (CredentialCounts{}) {
		return nil
	}
	return &n
}

// StatusOf tells whether an account, for which e holds, may come in at a moment.
func StatusOf(x accounts.Account, e policy.Effective, now time.Time) StatusView {
	s := StatusView{State: x.State(now), By: x.Status.By, Why: x.Status.Why}
	if !x.Status.At.IsZero() {
		s.At = &x.Status.At
	}
	if s.State != accounts.Enabled || x.Role != policy.RoleGuest {
		return s
	}
	for _, step := range e.Chain(policy.Attempt{Time: now}) {
		if step.Rule == policy.RuleManager && !step.Allowed {
			s.State, s.Why = accounts.Disabled, step.Because
		}
	}
	return s
}
