package accounts

import (
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts/index"
	"gatehouse/storage/state/memory"
)

var project = path.MustParse("/projects/x")

func grantOf(p path.Path) policy.Grant {
	return policy.Grant{Path: p, Permissions: policy.ReadOnly, Recursive: true}
}

func reads(t *testing.T, s *Store, name string, p path.Path) bool {
	t.Helper()
	_, e, err := s.Look(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return e.Decide(policy.OpRead, policy.Target{Path: p, Folder: true}).Allowed
}

// enters asks whether the account could come in by SFTP at this moment.
func enters(t *testing.T, s *Store, name string) bool {
	t.Helper()
	_, e, err := s.Look(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return e.Admit(policy.Attempt{
		Door: policy.SFTP, Address: netip.MustParseAddr("192.0.2.1"), Transport: policy.SSH, Time: time.Now(),
		Credential: policy.Credential{ID: "k", Kind: policy.KindKey, Proved: true},
	}).Allowed
}

func change(t *testing.T, s *Store, name string, f func(*Account)) {
	t.Helper()
	if _, err := s.Update(t.Context(), name, 0, func(a *Account) error { f(a); return nil }, Guarded); err != nil {
		t.Fatal(err)
	}
}

func group(t *testing.T, s *Store, g Group) Group {
	t.Helper()
	made, err := s.CreateGroup(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// announced drains what was announced: the ids of accounts, and kinds.
func announced(changes <-chan Change) map[string]bool {
	found := make(map[string]bool)
	for {
		synctest.Wait()
		select {
		case c := <-changes:
			found[c.ID], found[c.Kind] = true, true
		default:
			return found
		}
	}
}

// told reports whether those who follow the changes judge the account anew.
func told(changes <-chan Change, id string) bool {
	all := announced(changes)
	return all[id] || all[KindGroup] || all[KindAll]
}

// What a guest may do ends with what its manager may do, and with the manager,
// at once and on every node; sessions of the guest hear of it.
func TestGuestFollowsItsManager(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		here, there := open(t, st), open(t, st)
		boss := create(t, here, "boss", func(a *Account) { a.Grants = []policy.Grant{grantOf(project)} })
		guest := create(t, here, "guest", func(a *Account) {
			a.Role, a.ManagedBy, a.Grants = policy.RoleGuest, []string{boss.ID}, []policy.Grant{grantOf(path.MustParse("/projects"))}
		})
		create(t, here, "other", nil)
		synctest.Wait()
		changes := there.Changes(t.Context())
		check := func(what string, wantIn, wantRead, wantTold bool) {
			t.Helper()
			if got := told(changes, guest.ID); got != wantTold {
				t.Errorf("%s: told of the guest %v, want %v", what, got, wantTold)
			}
			for _, s := range []*Store{here, there} {
				if in, read := enters(t, s, "guest"), reads(t, s, "guest", project); in != wantIn || read != wantRead {
					t.Errorf("%s: comes in %v, reads %v, want %v, %v", what, in, read, wantIn, wantRead)
				}
			}
			if reads(t, there, "guest", path.MustParse("/projects/y")) {
				t.Errorf("%s: the guest reads what its manager does not", what)
			}
		}
		check("at first", true, true, false)
		change(t, here, "boss", func(a *Account) { a.DisplayName = "The Boss" })
		check("a name", true, true, false)
		change(t, here, "other", func(a *Account) { a.Grants = []policy.Grant{grantOf(project)} })
		check("another's grant", true, true, false)
		change(t, here, "boss", func(a *Account) { a.Grants = nil })
		check("without the grant", true, false, true)
		change(t, here, "boss", func(a *Account) { a.Grants = []policy.Grant{grantOf(project)} })
		check("with it again", true, true, true)
		if _, err := here.Disable(t.Context(), "boss", "admin", "", Guarded); err != nil {
			t.Fatal(err)
		}
		check("manager disabled", false, false, true)
		if _, err := here.Enable(t.Context(), "boss", "admin", Guarded); err != nil {
			t.Fatal(err)
		}
		check("manager enabled", true, true, true)
		if _, err := here.Delete(t.Context(), "boss", 0, Guarded); err != nil {
			t.Fatal(err)
		}
		check("manager deleted", false, false, true)
	})
}

// A guest that a group manages has those of its members for managers who may
// manage somebody, and those who manage the group.
func TestGroupManagesAGuest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		here, there := open(t, st), open(t, st)
		lead := create(t, here, "lead", nil)
		staff := group(t, here, Group{Group: policy.Group{Name: "staff"}})
		create(t, here, "member", func(a *Account) { a.Groups, a.Manage.Guests = []string{staff.ID}, true })
		guest := create(t, here, "guest", func(a *Account) { a.Role, a.ManagedBy = policy.RoleGuest, []string{staff.ID} })
		synctest.Wait()
		changes := there.Changes(t.Context())
		check := func(what string, want bool) {
			t.Helper()
			if !told(changes, guest.ID) {
				t.Errorf("%s: not told of the guest", what)
			}
			if got := enters(t, there, "guest"); got != want {
				t.Errorf("%s: comes in %v, want %v", what, got, want)
			}
		}
		if enters(t, there, "guest") {
			t.Error("a delegate who is but a member of the group acts as a manager")
		}
		if _, err := here.UpdateGroup(t.Context(), "staff", 0, func(g *Group) error { g.Managers = []string{lead.ID}; return nil }, Guarded); err != nil {
			t.Fatal(err)
		}
		check("a manager of the group", true)
		change(t, here, "lead", func(a *Account) { a.Status.Disabled = true })
		check("who is disabled", false)
	})
}

// A personal group gives what its owner has at this moment, and goes with it.
func TestPersonalGroupFollowsItsOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		st := memory.New()
		here, there := open(t, st), open(t, st)
		owner := create(t, here, "owner", func(a *Account) { a.Grants = []policy.Grant{grantOf(project)} })
		team := group(t, here, Group{Kind: PersonalGroup, Group: policy.Group{Name: "team", Owner: owner.ID, Grants: []policy.Grant{grantOf(path.MustParse("/projects"))}}})
		member := create(t, here, "member", func(a *Account) { a.Groups = []string{team.ID} })
		guest := create(t, here, "guest", func(a *Account) {
			a.Role, a.ManagedBy, a.Grants = policy.RoleGuest, []string{member.ID}, []policy.Grant{grantOf(project)}
		})
		synctest.Wait()
		changes := there.Changes(t.Context())
		check := func(what string, want bool) {
			t.Helper()
			for _, name := range []string{"member", "guest"} {
				if got := reads(t, there, name, project); got != want {
					t.Errorf("%s: %s reads %v, want %v", what, name, got, want)
				}
			}
		}
		check("at first", true)
		change(t, here, "owner", func(a *Account) { a.Grants = nil })
		heard := announced(changes)
		if !heard[owner.ID] || !heard[member.ID] || !heard[guest.ID] {
			t.Errorf("told of %v, want the owner, its member and that one's guest", heard)
		}
		check("the owner lost it", false)
		change(t, here, "owner", func(a *Account) { a.Grants = []policy.Grant{grantOf(project)} })
		synctest.Wait()
		check("the owner has it again", true)
		if _, err := here.Delete(t.Context(), "owner", 0, Guarded); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		check("the owner is gone", false)
		for _, s := range []*Store{here, there} {
			if _, err := s.GroupByID(t.Context(), team.ID); err == nil {
				t.Error("the group outlives its owner")
			}
			if a, err := s.Account(t.Context(), "member"); err != nil || len(a.Groups) != 0 {
				t.Errorf("got groups %v %v, want none", a.Groups, err)
			}
		}
		if _, err := here.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "team"}}); err != nil {
			t.Errorf("the name is not free again: %v", err)
		}
	})
}

// Two who are in each other's groups, or manage each other, lead round in
// circles: it ends, and nobody has what neither has.
func TestCirclesEnd(t *testing.T) {
	s := open(t, memory.New())
	names := []string{"one", "two", "three"}
	var all []Account
	for _, name := range names {
		all = append(all, create(t, s, name, func(a *Account) { a.Manage.Guests = true }))
	}
	for i, name := range names {
		g := group(t, s, Group{Kind: PersonalGroup, Managers: []string{all[(i+1)%3].ID}, Group: policy.Group{
			Name: "of " + name, Owner: all[i].ID, Grants: []policy.Grant{grantOf(project)},
		}})
		change(t, s, names[(i+1)%3], func(a *Account) { a.Groups = append(a.Groups, g.ID) })
		change(t, s, name, func(a *Account) { a.ManagedBy = []string{all[(i+1)%3].ID} })
	}
	for _, name := range names {
		if reads(t, s, name, project) {
			t.Errorf("%s reads what nobody was given", name)
		}
	}
	change(t, s, "one", func(a *Account) { a.Grants = []policy.Grant{grantOf(project)} })
	for name, want := range map[string]bool{"one": true, "two": true, "three": false} {
		if got := reads(t, s, name, project); got != want {
			t.Errorf("%s reads %v, want %v: what is lent is not lent on", name, got, want)
		}
	}
}

// The end of a manager's or an owner's last day changes what holds for others
// without a change of anything.
func TestTimeEndsWhatIsLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory.New())
		soon := &policy.Expiry{Instant: time.Now().Add(time.Hour)}
		owner := create(t, s, "owner", func(a *Account) { a.Grants, a.Expires = []policy.Grant{grantOf(project)}, soon })
		team := group(t, s, Group{Kind: PersonalGroup, Group: policy.Group{Name: "team", Owner: owner.ID, Grants: []policy.Grant{grantOf(project)}}})
		member := create(t, s, "member", func(a *Account) { a.Groups = []string{team.ID} })
		create(t, s, "guest", func(a *Account) {
			a.Role, a.ManagedBy, a.Grants = policy.RoleGuest, []string{member.ID}, []policy.Grant{grantOf(project)}
		})
		for _, name := range []string{"member", "guest"} {
			if !reads(t, s, name, project) {
				t.Errorf("%s does not read before the end", name)
			}
		}
		time.Sleep(time.Hour + time.Second)
		for _, name := range []string{"member", "guest"} {
			if reads(t, s, name, project) {
				t.Errorf("%s reads after the end", name)
			}
		}
	})
}

// Where a change concerns very many, all are asked to look anew, and do.
func TestManyGuestsOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory.New())
		boss := create(t, s, "boss", nil)
		for i := range index.MaxTold + 10 {
			create(t, s, fmt.Sprint("guest", i), func(a *Account) { a.Role, a.ManagedBy = policy.RoleGuest, []string{boss.ID} })
		}
		if !enters(t, s, "guest7") {
			t.Fatal("the guest is kept out")
		}
		changes := s.Changes(t.Context())
		change(t, s, "boss", func(a *Account) { a.Status.Disabled = true })
		if all := announced(changes); !all[KindAll] || len(all) > 4 {
			t.Errorf("got %v, want to be told of all", all)
		}
		for _, name := range []string{"guest7", fmt.Sprint("guest", index.MaxTold)} {
			if enters(t, s, name) {
				t.Errorf("%s comes in without a manager", name)
			}
		}
	})
}

// An owner who is in its own group counts among those who are told: where they
// are too many to be told one by one, nobody's rights may stay as they were.
func TestManyMembersOfAGroupWhoseOwnerIsInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := open(t, memory.New())
		owner := create(t, s, "owner", func(a *Account) {
			a.Grants, a.Manage.PersonalGroups = []policy.Grant{grantOf(project)}, true
		})
		club := Group{Group: policy.Group{Name: "club", Owner: owner.ID, Grants: []policy.Grant{grantOf(project)}}, Kind: PersonalGroup}
		in := []string{group(t, s, club).ID}
		change(t, s, "owner", func(a *Account) { a.Groups = in })
		var names []string
		for i := range 2 * index.MaxTold {
			names = append(names, fmt.Sprint("member", i))
			create(t, s, names[i], func(a *Account) { a.Groups = in })
		}
		for range 4 { // whom the first of them are is chance
			for _, name := range names {
				if !reads(t, s, name, project) {
					t.Fatalf("%s does not read what the owner has", name)
				}
			}
			change(t, s, "owner", func(a *Account) { a.Grants = nil })
			stale := 0
			for _, name := range names {
				if reads(t, s, name, project) {
					stale++
				}
			}
			if stale > 0 {
				t.Errorf("%d members read what the owner has lost", stale)
			}
			change(t, s, "owner", func(a *Account) { a.Grants = []policy.Grant{grantOf(project)} })
		}
	})
}
