package accounts

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts/index"
	"gatehouse/storage/state/memory"
)

// A world is a store that has been changed for a while, and what it was heard to
// say of that.
type world struct {
	*rapid.T
	store    *Store
	heard    *watcher
	accounts []string
	groups   []string
	now      time.Time
}

// stand is all that tells whether something else holds for an account.
func stand(e policy.Effective, now time.Time) string {
	d := e.Admit(policy.Attempt{
		Door: policy.SFTP, Address: netip.MustParseAddr("192.0.2.1"), Transport: policy.SSH, Time: now,
		Credential: policy.Credential{ID: "k", Kind: policy.KindKey, Proved: true},
	})
	var grants []string
	for _, g := range e.Grants() {
		grants = append(grants, fmt.Sprint(g.Path, g.Permissions, g.Recursive, g.Rule))
	}
	slices.Sort(grants)
	return fmt.Sprint(d.Allowed, d.Rule, grants)
}

func (w *world) stands(s *Store) map[string]string {
	all := make(map[string]string)
	for _, name := range w.accounts {
		a, e, err := s.Look(w.Context(), name)
		if err != nil {
			all[name] = "gone"
			continue
		}
		all[name] = a.ID + stand(e, w.now)
	}
	return all
}

func (w *world) accountID(name string) string {
	a, err := w.store.Account(w.Context(), name)
	if err != nil {
		return "nobody"
	}
	return a.ID
}

func (w *world) groupID(name string) string {
	g, err := w.store.Group(w.Context(), name)
	if err != nil {
		return "none"
	}
	return g.ID
}

func (w *world) some(of []string, id func(string) string, label string) []string {
	var ids []string
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom(of), 0, 2, rapid.ID).Draw(w.T, label) {
		ids = append(ids, id(name))
	}
	return ids
}

func (w *world) grants() []policy.Grant {
	var list []policy.Grant
	for range rapid.IntRange(0, 2).Draw(w.T, "grants") {
		list = append(list, policy.Grant{
			Path:        path.MustParse(rapid.SampledFrom([]string{"/", "/a", "/a/b", "/c"}).Draw(w.T, "path")),
			Permissions: policy.Permissions(rapid.SampledFrom([]policy.Permissions{policy.Full, policy.ReadOnly}).Draw(w.T, "gives")),
			Recursive:   rapid.Bool().Draw(w.T, "recursive"),
		})
	}
	return list
}

// step changes one thing. What is refused changes nothing.
func (w *world) step() {
	name := rapid.SampledFrom(w.accounts).Draw(w.T, "account")
	team := rapid.SampledFrom(w.groups).Draw(w.T, "group")
	edit := func(f func(*Account)) {
		_, _ = w.store.Update(w.Context(), name, 0, func(a *Account) error { f(a); return nil }, Forced)
	}
	editGroup := func(f func(*Group)) {
		_, _ = w.store.UpdateGroup(w.Context(), team, 0, func(g *Group) error { f(g); return nil }, Forced)
	}
	managers := append(w.some(w.accounts, w.accountID, "managers"), w.some(w.groups, w.groupID, "managing groups")...)
	switch rapid.IntRange(0, 12).Draw(w.T, "change") {
	case 0:
		_, _ = w.store.Delete(w.Context(), name, 0, Forced)
	case 1, 2:
		_, _ = w.store.Create(w.Context(), Account{Account: policy.Account{Name: name, Grants: w.grants()}})
	case 3, 4:
		edit(func(a *Account) { a.Role, a.ManagedBy, a.Manage = policy.RoleGuest, managers, policy.Manage{} })
	case 5:
		edit(func(a *Account) { a.Role, a.Manage.Guests = policy.RoleUser, rapid.Bool().Draw(w.T, "delegate") })
	case 6:
		edit(func(a *Account) { a.Status.Disabled = !a.Status.Disabled })
	case 7:
		edit(func(a *Account) { a.Groups = w.some(w.groups, w.groupID, "groups") })
	case 8:
		edit(func(a *Account) { a.Grants = w.grants() })
	case 9:
		_, _ = w.store.CreateGroup(w.Context(), Group{Kind: PersonalGroup, Group: policy.Group{Name: team, Owner: w.accountID(name), Grants: w.grants()}})
	case 10:
		_, _ = w.store.CreateGroup(w.Context(), Group{Group: policy.Group{Name: team, Grants: w.grants()}})
	case 11:
		editGroup(func(g *Group) { g.Grants, g.Managers = w.grants(), w.some(w.accounts, w.accountID, "leaders") })
	case 12:
		if rapid.IntRange(0, 3).Draw(w.T, "really") == 0 {
			_ = w.store.DeleteGroup(w.Context(), team, 0, Forced)
		}
	}
}

// Whatever changes, what is kept for an account is what would be worked out
// anew, and everybody for whom something else holds is told of.
func TestNothingStaleIsKeptAndNobodyForgotten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		st := memory.New()
		lived, err := openWith(rt.Context(), st, index.New(rapid.IntRange(1, 5).Draw(rt, "kept")))
		if err != nil {
			rt.Fatal(err)
		}
		defer lived.Close(rt.Context())
		w := &world{
			T: rt, store: lived, heard: &watcher{wake: make(chan struct{}, 1)}, now: time.Now(),
			accounts: []string{"a", "b", "c", "d"}, groups: []string{"g", "h", "i"},
		}
		for _, name := range w.accounts {
			if _, err := lived.Create(rt.Context(), Account{Account: policy.Account{Name: name, Grants: w.grants()}}); err != nil {
				rt.Fatal(err)
			}
		}
		lived.watchers.add(w.heard)
		before := w.stands(lived)
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			w.step()
			after := w.stands(lived)
			fresh, err := Open(rt.Context(), st)
			if err != nil {
				rt.Fatal(err)
			}
			want := w.stands(fresh)
			_ = fresh.Close(rt.Context())
			told := lived.watchers.take(w.heard)
			for _, name := range w.accounts {
				if after[name] != want[name] {
					rt.Fatalf("%s: kept %s, want %s", name, after[name], want[name])
				}
				heard := slices.ContainsFunc(told, func(c Change) bool { return c.Kind != KindAccount || c.Name == name })
				if after[name] != before[name] && !heard {
					rt.Fatalf("%s: was %s, is %s, and nobody was told: %v", name, before[name], after[name], told)
				}
			}
			before = after
		}
	})
}
