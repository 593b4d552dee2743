package accounts

import (
	"errors"
	"slices"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/path"
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
	if allowed() {
		t.Fatal("allowed without a grant")
	}
	grant := policy.Grant{Path: path.MustParse("/shared"), Permissions: policy.ReadOnly, Recursive: true}
	_, _, err = s.AddGroupGrant(t.Context(), "staff", grant, Guarded)
	if err != nil || !allowed() {
		t.Errorf("a grant of the group: %v, allowed %v", err, allowed())
	}
	if _, err := s.RemoveMember(t.Context(), "staff", "alice", Guarded); err != nil || allowed() {
		t.Errorf("without membership: %v, allowed %v", err, allowed())
	}
	if _, err := s.AddMember(t.Context(), "staff", "alice", Guarded); err != nil || !allowed() {
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
	if _, err := s.apply(t.Context(), state.Batch{Deletes: []string{groupPrefix + g.ID, groupNameIndex + "staff"}}); err != nil {
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
