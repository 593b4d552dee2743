package admin

import (
	"context"
	"maps"
	"reflect"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// view is what administrators see of an account; no secret is in it.
func (a *API) view(ctx context.Context, x accounts.Account) (AccountView, error) {
	return a.viewNamed(ctx, x, a.groupName(ctx))
}

// viewNamed is view for one of many accounts, whose groups nameOf names.
func (a *API) viewNamed(ctx context.Context, x accounts.Account, nameOf func(id string) string) (AccountView, error) {
	activity, err := a.Accounts.Activity(ctx, x.ID)
	if err != nil {
		return AccountView{}, err
	}
	v := AccountView{
		ID: x.ID, Username: x.Name, AccountSettings: settingsOf(x, nameOf), Created: x.Created,
		Status: statusOf(x, time.Now()), Keys: []KeyView{}, Grants: grantViews(x.Grants),
	}
	if x.Expires != nil {
		v.ExpiresAt = &x.Expires.Instant
	}
	if p := x.Password; p != nil {
		v.Password = &PasswordView{Changed: p.Changed, MustChange: p.MustChange}
	}
	for _, k := range x.Keys {
		v.Keys = append(v.Keys, keyView(k, activity))
	}
	if !activity.LastLogin.IsZero() {
		v.LastLogin = &LoginView{activity.LastLogin, activity.LastAddress, string(activity.LastDoor)}
	}
	return v, nil
}

func statusOf(x accounts.Account, now time.Time) StatusView {
	s := StatusView{State: "enabled", By: x.Status.By, Why: x.Status.Why}
	if !x.Status.At.IsZero() {
		s.At = &x.Status.At
	}
	switch {
	case x.Status.Disabled:
		s.State = "disabled"
	case x.Expires != nil && !now.Before(x.Expires.Instant):
		s.State = "expired"
	}
	return s
}

func keyView(k accounts.Key, activity accounts.Activity) KeyView {
	v := KeyView{
		ID: k.ID, Name: k.Name, PublicKey: k.PublicKey, Fingerprint: k.Fingerprint,
		Added: k.Added, Expires: k.Expires, AllowedIPs: k.AllowedIPs,
	}
	if used, ok := activity.LastUsed[k.ID]; ok {
		v.LastUsed = &used.At
	}
	return v
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

// groupName names a group by its id; one that is gone has no name.
func (a *API) groupName(ctx context.Context) func(id string) string {
	groups, _ := a.Accounts.Groups(ctx)
	return func(id string) string {
		for _, g := range groups {
			if g.ID == id {
				return g.Name
			}
		}
		return ""
	}
}

func (a *API) groupID(ctx context.Context) func(name string) (string, error) {
	return func(name string) (string, error) {
		g, err := a.Accounts.Group(ctx, name)
		return g.ID, err
	}
}

func eventKind(kind string) events.Kind { return events.Kind(kind) }

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
