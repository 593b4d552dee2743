package admin

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// view is what the caller sees of an account; no secret is in it.
func (a *API) view(ctx context.Context, x accounts.Account, d *directory) (AccountView, error) {
	activity, err := a.Accounts.Activity(ctx, x.ID)
	if err != nil {
		return AccountView{}, err
	}
	effective, err := a.Accounts.Effective(ctx, x)
	if err != nil {
		return AccountView{}, err
	}
	v := AccountView{
		ID: x.ID, Username: x.Name, AccountSettings: settingsOf(x, d), Authentication: x.Authentication, Created: x.Created,
		Status: statusOf(x, time.Now()), Keys: keyViews(x, activity), Grants: grantViews(x.Grants),
		Permissions: inShort(effective), Credentials: countCredentials(x),
	}
	if !callerOf(ctx).administers() {
		v.Notes = ""
	}
	if x.Expires != nil {
		v.ExpiresAt = &x.Expires.Instant
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

func statusOf(x accounts.Account, now time.Time) StatusView {
	s := StatusView{State: x.State(now), By: x.Status.By, Why: x.Status.Why}
	if !x.Status.At.IsZero() {
		s.At = &x.Status.At
	}
	return s
}

func keyViews(x accounts.Account, activity accounts.Activity) []KeyView {
	views := []KeyView{}
	for _, k := range x.Keys {
		views = append(views, keyView(k, activity))
	}
	return views
}

func keyView(k accounts.Key, activity accounts.Activity) KeyView {
	return KeyView{
		ID: k.ID, Name: k.Name, PublicKey: k.PublicKey, Fingerprint: k.Fingerprint,
		Added: k.Added, Expires: k.Expires, AllowedIPs: k.AllowedIPs, LastUsed: useView(k.ID, activity),
	}
}

// useView is when a credential was last used, nil where it never was.
func useView(id string, activity accounts.Activity) *UseView {
	use, ok := activity.LastUsed[id]
	if !ok {
		return nil
	}
	return &UseView{use.At, use.Address, string(use.Door)}
}

func grantViews(grants []policy.Grant) []GrantView {
	views := make([]GrantView, 0, len(grants))
	for _, g := range grants {
		views = append(views, grantView(g))
	}
	return views
}

func grantView(g policy.Grant) GrantView {
	return GrantView{g.ID, g.Path.String(), g.Permissions.Names(), g.Recursive, g.At}
}

// asMap is a value as its JSON reads, for events.
func asMap(v any) map[string]any {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var m map[string]any
	if json.Unmarshal(text, &m) != nil {
		return nil
	}
	return m
}

// difference leaves of two records what differs.
func difference(before, after map[string]any) (was, is map[string]any) {
	if before == nil {
		return nil, after
	}
	was, is = maps.Clone(before), maps.Clone(after)
	for key, value := range before {
		if now, ok := after[key]; ok && reflect.DeepEqual(value, now) {
			delete(was, key)
			delete(is, key)
		}
	}
	return was, is
}
