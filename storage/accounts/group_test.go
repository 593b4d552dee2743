package accounts

import (
	"errors"
	"slices"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func TestEffectiveFollows(t *testing.T) {
	s := open(t, memory.New())
	g, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "staff"}})
	if err != nil {
		t.Fatal(err)
	}
	a := create(t, s, "alice", func(a *Account) { a.Groups = []string{g.ID} })
	target := policy.Target{Path: path.MustParse("/shared/x"), Folder: true}
	allowed := func() bool {
		_, e, err := s.Look(t.Context(), "alice")
		if err != nil {
			t.Fatal(err)
		}
		return e.Decide(policy.OpRead, target).Allowed
	}
	join := func(groups ...string) error {
		_, err := s.Update(t.Context(), "alice", 0, func(a *Account) error { a.Groups = groups; return nil }, Guarded)
		return err
	}
	if allowed() {
		t.Fatal("allowed without a grant")
	}
	grant := policy.Grant{Path: path.MustParse("/shared"), Permissions: policy.ReadOnly, Recursive: true}
	_, err = s.UpdateGroup(t.Context(), "staff", 0, func(g *Group) error { g.Grants = []policy.Grant{grant}; return nil }, Guarded)
	if err != nil || !allowed() {
		t.Errorf("a grant of the group: %v, allowed %v", err, allowed())
	}
	if err := join(); err != nil || allowed() {
		t.Errorf("without membership: %v, allowed %v", err, allowed())
	}
	if err := join(g.ID); err != nil || !allowed() {
		t.Errorf("with membership: %v, allowed %v", err, allowed())
	}
	if err := s.DeleteGroup(t.Context(), "staff", 0, Guarded); err != nil || allowed() {
		t.Errorf("without the group: %v, allowed %v", err, allowed())
	}
	// A draft is resolved as it is, though its revision is the stored one's.
	draft, err := s.ByID(t.Context(), a.ID)
	if err != nil {
		t.Fatal(err)
	}
	draft.Grants = append(draft.Grants, grant)
	if e, err := s.Effective(t.Context(), draft); err != nil || !e.Decide(policy.OpRead, target).Allowed || allowed() {
		t.Errorf("a draft with a grant: %v, stored allowed %v", err, allowed())
	}
}

func TestGroups(t *testing.T) {
	s := open(t, memory.New())
	g, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "Staff"}})
	if err != nil || g.ID == "" || g.Kind != UserGroup {
		t.Fatalf("got %+v %v", g, err)
	}
	if _, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "STAFF"}}); !errors.Is(err, ErrExists) {
		t.Errorf("got %v, want %v", err, ErrExists)
	}
	other, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "other"}})
	if err != nil {
		t.Fatal(err)
	}
	name := func(to string) func(*Group) error { return func(g *Group) error { g.Name = to; return nil } }
	if _, err := s.UpdateGroup(t.Context(), "other", 0, name("staff"), Guarded); !errors.Is(err, ErrExists) {
		t.Errorf("got %v for a taken name, want %v", err, ErrExists)
	}
	var invalid *InvalidError
	if _, err := s.UpdateGroup(t.Context(), "other", 0, name("a/b"), Guarded); !errors.As(err, &invalid) || invalid.Field != "name" {
		t.Errorf("got %v, want a refusal of the name", err)
	}
	if _, err := s.UpdateGroup(t.Context(), "other", other.Revision+99, name("x"), Guarded); !errors.Is(err, state.ErrConflict) {
		t.Errorf("got %v, want a conflict", err)
	}
	if _, err := s.UpdateGroup(t.Context(), "other", 0, name("renamed"), Guarded); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Group(t.Context(), "other"); !errors.Is(err, ErrNotFound) {
		t.Errorf("the old name is still there: %v", err)
	}
	if _, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "other"}}); err != nil {
		t.Errorf("the old name is not free: %v", err)
	}
	create(t, s, "alice", func(a *Account) { a.Groups = []string{g.ID, other.ID, g.ID} })
	if err := s.DeleteGroup(t.Context(), "staff", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	a, err := s.Account(t.Context(), "alice")
	if err != nil || !slices.Equal(a.Groups, []string{other.ID}) {
		t.Errorf("got groups %v %v, want only the other", a.Groups, err)
	}
	list, err := s.Groups(t.Context())
	if err != nil || len(list) != 2 || list[0].Name != "other" || list[1].Name != "renamed" {
		t.Errorf("got %v %v", list, err)
	}
	if _, err := open(t, s.state).Group(t.Context(), "renamed"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// Memberships of a group whose deletion was cut short count for nothing, and go
// with the account's next change.
func TestDeadMembershipsAreDropped(t *testing.T) {
	s := open(t, memory.New())
	g, err := s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "staff"}})
	if err != nil {
		t.Fatal(err)
	}
	create(t, s, "alice", func(a *Account) { a.Groups = []string{g.ID} })
	if _, err := s.apply(t.Context(), state.Batch{Deletes: []string{record.GroupPrefix + g.ID, groupNameIndex + "staff"}}); err != nil {
		t.Fatal(err)
	}
	a, err := s.Update(t.Context(), "alice", 0, func(a *Account) error { a.Notes = "x"; return nil }, Guarded)
	if err != nil || len(a.Groups) != 0 {
		t.Errorf("got groups %v %v, want none", a.Groups, err)
	}
}

// A group that another node deletes at this moment must not be joined.
func TestVanishedGroupIsNotJoined(t *testing.T) {
	st := &gappy{Store: memory.New()}
	here, there := open(t, st), open(t, st.Store)
	g, err := here.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "staff"}})
	if err != nil {
		t.Fatal(err)
	}
	create(t, here, "bob", nil)
	waitFor(t, func() bool { _, err := there.Group(t.Context(), "staff"); return err == nil })
	st.silent(true)
	if err := there.DeleteGroup(t.Context(), "staff", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	var invalid *InvalidError
	a := Account{Account: policy.Account{Name: "alice", Groups: []string{g.ID}}}
	if _, err := here.Create(t.Context(), a); !errors.As(err, &invalid) || invalid.Field != "groups" {
		t.Errorf("create: got %v, want a refusal of the groups", err)
	}
}

func TestWhatIsNoGroup(t *testing.T) {
	s := open(t, memory.New())
	boss := create(t, s, "boss", nil)
	guest := create(t, s, "guest", func(a *Account) { guestOf(a, boss) })
	figure, less := int64(7), int64(-1)
	folder, other := path.MustParse("/team"), path.MustParse("/other")
	group(t, s, Group{Group: policy.Group{Name: "taken", Folder: &folder}})
	personal := func(change func(*Group)) Group {
		g := Group{Kind: PersonalGroup, Group: policy.Group{Name: "team", Owner: boss.ID}}
		change(&g)
		return g
	}
	for name, c := range map[string]struct {
		field string
		group Group
	}{
		"kind":                   {"kind", Group{Kind: "club", Group: policy.Group{Name: "team"}}},
		"user group with owner":  {"owner", Group{Group: policy.Group{Name: "team", Owner: boss.ID}}},
		"nobody's":               {"owner", personal(func(g *Group) { g.Owner = "" })},
		"of one who is not":      {"owner", personal(func(g *Group) { g.Owner = "gone" })},
		"a guest's":              {"owner", personal(func(g *Group) { g.Owner = guest.ID })},
		"personal protocols":     {"protocols", personal(func(g *Group) { g.Protocols = []policy.Door{policy.SFTP} })},
		"personal limits":        {"limits", personal(func(g *Group) { g.Limits.Sessions = 7 })},
		"personal quota":         {"quota", personal(func(g *Group) { g.Quota.Bytes = &figure })},
		"personal folder":        {"folder", personal(func(g *Group) { g.Folder, g.FolderQuota.Bytes = &other, &figure })},
		"quota of no folder":     {"folder_quota", Group{Group: policy.Group{Name: "team", FolderQuota: policy.Quota{Files: &figure}}}},
		"negative folder quota":  {"folder_quota.bytes", Group{Group: policy.Group{Name: "team", Folder: &other, FolderQuota: policy.Quota{Bytes: &less}}}},
		"the top":                {"folder", Group{Group: policy.Group{Name: "team", Folder: &path.Path{}}}},
		"another group's folder": {"folder", Group{Group: policy.Group{Name: "team", Folder: &folder}}},
		"manager who is not":     {"managers", Group{Managers: []string{"gone"}, Group: policy.Group{Name: "team"}}},
		"manager who is a guest": {"managers", Group{Managers: []string{guest.ID}, Group: policy.Group{Name: "team"}}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.CreateGroup(t.Context(), c.group)
			var invalid *InvalidError
			if !errors.As(err, &invalid) || invalid.Field != c.field {
				t.Errorf("got %v, want a refusal of %q", err, c.field)
			}
		})
	}
	if _, err := s.CreateGroup(t.Context(), Group{Managers: []string{boss.ID}, Group: policy.Group{Name: "team", Folder: &other, FolderQuota: policy.Quota{Bytes: &figure}}}); err != nil {
		t.Errorf("a group with all of it: %v", err)
	}
}

// Managers that are gone leave a group that can still be changed.
func TestDeadManagersAreDropped(t *testing.T) {
	s := open(t, memory.New())
	boss, other := create(t, s, "boss", nil), create(t, s, "other", nil)
	group(t, s, Group{Managers: []string{boss.ID, other.ID}, Group: policy.Group{Name: "staff"}})
	if _, err := s.Delete(t.Context(), "boss", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	g, err := s.UpdateGroup(t.Context(), "staff", 0, func(g *Group) error { g.Name = "crew"; return nil }, Guarded)
	if err != nil || !slices.Equal(g.Managers, []string{other.ID}) {
		t.Errorf("got managers %v %v, want the other", g.Managers, err)
	}
}

// An owner that is deleted at this moment, on another node, leaves no group.
func TestGroupOfAVanishedOwner(t *testing.T) {
	st := &gappy{Store: memory.New()}
	here, there := open(t, st), open(t, st.Store)
	boss := create(t, here, "boss", nil)
	waitFor(t, func() bool { _, err := there.ByID(t.Context(), boss.ID); return err == nil })
	st.silent(true)
	if _, err := there.Delete(t.Context(), "boss", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	var invalid *InvalidError
	g := Group{Kind: PersonalGroup, Group: policy.Group{Name: "team", Owner: boss.ID}}
	if _, err := here.CreateGroup(t.Context(), g); !errors.As(err, &invalid) || invalid.Field != "owner" {
		t.Errorf("got %v, want a refusal of the owner", err)
	}
}

func TestOwnedAndManaged(t *testing.T) {
	s := open(t, memory.New())
	boss := create(t, s, "boss", nil)
	for _, name := range []string{"b", "a"} {
		group(t, s, Group{Kind: PersonalGroup, Group: policy.Group{Name: name, Owner: boss.ID}})
	}
	guest := create(t, s, "guest", func(a *Account) { guestOf(a, boss) })
	if got := s.index.Owned(boss.ID); len(got) != 2 {
		t.Errorf("got %+v, want a and b", got)
	}
	if got := s.Managed(boss.ID); !slices.Equal(got, []string{guest.ID}) {
		t.Errorf("got %v, want the guest", got)
	}
	if err := s.DeleteGroup(t.Context(), "a", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), "guest", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	if owned, managed := s.index.Owned(boss.ID), s.Managed(boss.ID); len(owned) != 1 || len(managed) != 0 {
		t.Errorf("got %v and %v, want b and nobody", owned, managed)
	}
}
