package policy_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

func guest(grants ...policy.Grant) policy.Account {
	g := named("gina", grants...)
	g.Role, g.ManagedBy = policy.RoleGuest, []string{"id-alice"}
	return g
}

func around(managers ...policy.Effective) policy.Around { return policy.Around{Managers: managers} }

func TestAGuestNeedsAManager(t *testing.T) {
	with := func(change func(*policy.Account)) policy.Effective {
		a := named("alice")
		change(&a)
		return policy.Resolve(policy.DefaultSite(), nil, a)
	}
	disabled := with(func(a *policy.Account) { a.Status.Disabled = true })
	expired := with(func(a *policy.Account) { a.Expires = &policy.Expiry{Instant: noon} })
	unresolved := with(func(a *policy.Account) { a.Expires = &policy.Expiry{Date: "2099-01-01"} })
	later := with(func(a *policy.Account) { a.Expires = &policy.Expiry{Instant: noon.Add(time.Hour)} })
	aGuest := with(func(a *policy.Account) { a.Role = policy.RoleGuest })
	tests := map[string]struct {
		managers []policy.Effective
		want     bool
		until    time.Time
	}{
		"none":                          {nil, false, time.Time{}},
		"one that is gone":              {[]policy.Effective{{}}, false, time.Time{}},
		"enabled":                       {[]policy.Effective{alice()}, true, time.Time{}},
		"disabled":                      {[]policy.Effective{disabled}, false, time.Time{}},
		"expired":                       {[]policy.Effective{expired}, false, time.Time{}},
		"with an expiry never resolved": {[]policy.Effective{unresolved}, false, time.Time{}},
		"a guest":                       {[]policy.Effective{aGuest}, false, time.Time{}},
		"one of two enabled":            {[]policy.Effective{disabled, alice()}, true, time.Time{}},
		"about to expire":               {[]policy.Effective{later}, true, noon.Add(time.Hour)},
		"one of two about to expire":    {[]policy.Effective{alice(), later}, true, noon.Add(time.Hour)},
	}
	for name, tt := range tests {
		e := policy.ResolveAround(policy.DefaultSite(), nil, guest(), around(tt.managers...))
		got := e.Admit(attempt())
		if got.Allowed != tt.want || !tt.want && got.Rule != policy.RuleManager || !got.Until.Equal(tt.until) {
			t.Errorf("%s: %+v, want %v until %v", name, got, tt.want, tt.until)
		}
		if tt.want && !e.Until().Equal(tt.until) {
			t.Errorf("%s: holds until %v, want %v", name, e.Until(), tt.until)
		}
	}
	alone := policy.Resolve(policy.DefaultSite(), nil, guest(grant("/a", policy.Full)))
	if got := alone.Admit(attempt()); got.Rule != policy.RuleManager || got.Because != "the guest has no manager" {
		t.Errorf("resolved without looking around: %+v", got)
	}
	if got := alone.Cuts(); len(got) != 1 || got[0].To != "what the guest's managers have, of whom there is none" {
		t.Errorf("cut to nobody: %+v", got)
	}
}

// A guest has of its grants what its managers have together, live, whoever gave
// them; its home is its own.
func TestGuestsAreCutToTheirManagers(t *testing.T) {
	carol := policy.Resolve(policy.DefaultSite(), nil, named("carol", grant("/carol", policy.Full)))
	own := guest(grant("/alice", policy.Full), grant("/carol", policy.Full), grant("/else", policy.Full))
	staff := group("staff", grant("/staff", policy.ReadOnly))
	resolve := func(managers ...policy.Effective) policy.Effective {
		return policy.ResolveAround(policy.DefaultSite(), []policy.Group{staff}, own, around(managers...))
	}
	tests := []struct {
		managers []policy.Effective
		may      string
	}{
		{nil, "/home/gina"},
		{[]policy.Effective{alice()}, "/home/gina"},
		{[]policy.Effective{alice(grant("/alice", policy.ReadOnly))}, "/home/gina /alice"},
		{[]policy.Effective{alice(grant("/alice", policy.Full), grant("/staff", policy.Full)), carol}, "/home/gina /alice /carol /staff"},
		{[]policy.Effective{policy.Resolve(policy.DefaultSite(), nil, policy.Account{ID: "r", Name: "root", Role: policy.RoleAdmin})}, "/home/gina /alice /carol /else /staff"},
	}
	for _, tt := range tests {
		e := resolve(tt.managers...)
		var may []string
		for _, at := range []string{"/home/gina", "/alice", "/carol", "/else", "/staff"} {
			if e.Decide(policy.OpRead, file(at+"/f")).Allowed {
				may = append(may, at)
			}
		}
		if got := strings.Join(may, " "); got != tt.may {
			t.Errorf("with %d managers: reads %s, want %s", len(tt.managers), got, tt.may)
		}
	}
	e := resolve(alice(grant("/alice", policy.ReadOnly)))
	if d := e.Decide(policy.OpWrite, file("/alice/f")); d.Rule != policy.RuleCut || !strings.Contains(d.Because, "alice") {
		t.Errorf("what the manager does not have is refused with %+v", d)
	}
	if d := e.Decide(policy.OpWrite, file("/nowhere/f")); d.Rule != policy.RuleNoGrant {
		t.Errorf("what nobody gave is refused with %+v", d)
	}
	if d := e.Decide(policy.OpWrite, file("/staff/f")); d.Rule != policy.RuleNoGrant {
		t.Errorf("what the cut grant did not give is refused with %+v", d)
	}
	if d := e.DecideTree(policy.OpWrite, p("/alice/f")); d.Rule != policy.RuleCut {
		t.Errorf("the tree of what was cut is refused with %+v", d)
	}
	if d := e.Decide(policy.OpShare, file("/home/gina/f")); d.Allowed || d.Rule != policy.RuleShareLinks {
		t.Errorf("a guest shares: %+v", d)
	}
	var cut []string
	for _, c := range e.Access().Cut {
		cut = append(cut, c.Path.String()+" to "+c.To)
	}
	if !slices.Contains(cut, "/else to what the guest's managers have: alice") || len(cut) != 4 {
		t.Errorf("access says %q", cut)
	}
	if got := e.Access().Managers; !slices.Equal(got, []string{"alice"}) {
		t.Errorf("access names the managers %q", got)
	}
}

// The grants of a personal group end where its owner's rights end: a group is no
// way to give what one does not have, or had once.
func TestPersonalGroupsAreCutToTheirOwner(t *testing.T) {
	site := policy.DefaultSite()
	friends := group("friends", grant("/home/alice/pics", policy.Full), grant("/secret", policy.Full))
	friends.Owner = "id-alice"
	friends.Protocols, friends.Limits = []policy.Door{}, policy.Limits{Sessions: -1}
	owners := func(e policy.Effective) policy.Around {
		return policy.Around{Owners: map[string]policy.Effective{"id-alice": e}}
	}
	gone := named("alice")
	gone.Status.Disabled = true
	demoted := named("alice")
	demoted.Role = policy.RoleGuest
	tests := map[string]struct {
		around policy.Around
		pics   bool
	}{
		"the owner is there":       {owners(alice()), true},
		"nobody looked":            {policy.Around{}, false},
		"somebody else is given":   {owners(policy.Resolve(site, nil, named("bob", grant("/home/alice", policy.Full)))), false},
		"the owner is disabled":    {owners(policy.Resolve(site, nil, gone)), false},
		"the owner is a guest now": {owners(policy.Resolve(site, nil, demoted)), false},
	}
	for name, tt := range tests {
		own := bob()
		own.Grants = []policy.Grant{grant("/own", policy.Full)}
		e := policy.ResolveAround(site, []policy.Group{friends, group("staff", grant("/staff", policy.Full))}, own, tt.around)
		if len(e.Cuts()) == 0 || !e.Decide(policy.OpWrite, file("/own/a")).Allowed || !e.Decide(policy.OpWrite, file("/staff/a")).Allowed {
			t.Errorf("%s: what no personal group gives is cut: %+v", name, e.Cuts())
		}
		if got := e.Decide(policy.OpWrite, file("/home/alice/pics/a")).Allowed; got != tt.pics {
			t.Errorf("%s: writes %v, want %v", name, got, tt.pics)
		}
		if d := e.Decide(policy.OpRead, file("/secret/a")); d.Allowed || d.Rule != policy.RuleCut {
			t.Errorf("%s: %+v", name, d)
		}
		if got := e.Admit(attempt()); !got.Allowed || e.Limits().Sessions != 0 {
			t.Errorf("%s: a personal group has defaults: %+v", name, got)
		}
	}
}

// What somebody has by a personal group it cannot pass on by one of its own, and
// two owners in each other's groups do not lift each other up.
func TestWhatIsLentIsNotPassedOn(t *testing.T) {
	site := policy.DefaultSite()
	lent, passed := group("lent", grant("/home/alice", policy.Full)), group("passed", grant("/home/alice", policy.Full))
	lent.Owner, passed.Owner = "id-alice", "id-carol"
	carol := policy.ResolveAround(site, []policy.Group{lent}, named("carol"), policy.Around{Owners: map[string]policy.Effective{"id-alice": alice()}})
	if !carol.Decide(policy.OpRead, file("/home/alice/a")).Allowed {
		t.Fatal("carol is not in the group")
	}
	e := policy.ResolveAround(site, []policy.Group{passed}, bob(), policy.Around{Owners: map[string]policy.Effective{"id-carol": carol}})
	if d := e.Decide(policy.OpRead, file("/home/alice/a")); d.Allowed || d.Rule != policy.RuleCut {
		t.Errorf("passed on: %+v", d)
	}
}

// Who has expired by the moment of the question gives nothing, and the moment at
// which that changes is told.
func TestTheExpiryOfThoseAround(t *testing.T) {
	a := named("alice", grant("/alice", policy.Full))
	a.Expires = &policy.Expiry{Instant: noon}
	expires := policy.Resolve(policy.DefaultSite(), nil, a)
	for at, want := range map[time.Time]bool{{}: true, noon.Add(-1): true, noon: false} {
		ask := around(expires, policy.Resolve(policy.DefaultSite(), nil, named("carol")))
		ask.Time = at
		e := policy.ResolveAround(policy.DefaultSite(), nil, guest(grant("/alice", policy.Full)), ask)
		if got := e.Decide(policy.OpRead, file("/alice/a")).Allowed; got != want || !want != e.Until().IsZero() {
			t.Errorf("at %v: reads %v until %v, want %v", at, got, e.Until(), want)
		}
	}
}

// What is left of a cut grant still appears under its name, in its place.
func TestACutGrantKeepsItsName(t *testing.T) {
	given := grant("/far/pics", policy.ReadOnly)
	given.At = "Pictures"
	e := policy.ResolveAround(policy.DefaultSite(), nil, guest(given), around(alice(grant("/far/pics/a", policy.Full), grant("/far/pics/b", policy.Read))))
	v := e.View(policy.SFTP)
	if len(v.Entries) != 1 || v.Entries[0].Name != "Pictures" || v.Entries[0].Path != p("/far/pics") || len(v.Shadowed) != 0 {
		t.Fatalf("the view is %+v", v)
	}
	if d := e.Decide(policy.OpStat, folder("/far/pics")); d.Rule != policy.RuleShell {
		t.Errorf("the named folder: %+v", d)
	}
	if got := e.Leads(p("/far/pics")); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("it leads to %q", got)
	}
	e = policy.ResolveAround(policy.DefaultSite(), nil, guest(given), around(alice()))
	if got := e.View(policy.SFTP).Entries; len(got) != 0 {
		t.Errorf("what is cut to nothing appears: %+v", got)
	}
}

// A group's folder gives no right by itself; where there is one, it appears by
// its own name, and access names the group.
func TestAGroupsFolderAppears(t *testing.T) {
	site, shop := policy.DefaultSite(), p("/groups/shop")
	crew := group("crew")
	crew.Folder = &shop
	crew.FolderQuota.Bytes = new(int64)
	if got := policy.Resolve(site, []policy.Group{crew}, bob()).View(policy.FTP).Entries; len(got) != 0 {
		t.Errorf("without a right: %+v", got)
	}
	crew.Grants = []policy.Grant{grant("/groups/shop/in", policy.UploadOnly)}
	crew.Grants[0].At = "Drop"
	e := policy.Resolve(site, []policy.Group{crew}, bob())
	want := []policy.Entry{{Name: "Drop", Path: p("/groups/shop/in"), Origin: "group crew"}, {Name: "shop", Path: shop, Origin: "group crew"}}
	if got := e.View(policy.FTP).Entries; !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	got := e.Access().Folders
	if len(got) != 1 || got[0].Path != shop || got[0].Origin != "group crew" || got[0].Permissions != 0 || got[0].Quota != crew.FolderQuota {
		t.Errorf("access says %+v", got)
	}
	crew.Grants = []policy.Grant{grant("/groups/shop", policy.Full)}
	crew.Grants[0].At = "Shop"
	if got := policy.Resolve(site, []policy.Group{crew}, bob()).View(policy.FTP).Entries; len(got) != 1 || got[0].Name != "Shop" {
		t.Errorf("the folder appears twice: %+v", got)
	}
}

func drawAround(t *rapid.T) ([]policy.Group, policy.Around) {
	groups := drawGroups(t)
	var seen []string
	groups = slices.DeleteFunc(groups, func(g policy.Group) bool {
		double := slices.Contains(seen, g.ID)
		seen = append(seen, g.ID)
		return double
	})
	x := policy.Around{Owners: map[string]policy.Effective{}}
	for i := range groups {
		if rapid.Bool().Draw(t, "personal") {
			groups[i].Owner = rapid.SampledFrom([]string{"o1", "o2"}).Draw(t, "owner")
		}
	}
	draw := func(id string) policy.Effective {
		who := drawAccount(t)
		who.ID, who.Name, who.Status.Disabled = id, id, rapid.IntRange(0, 3).Draw(t, "disabled") == 0
		return policy.Resolve(policy.DefaultSite(), nil, who)
	}
	x.Owners["o1"] = draw("o1")
	for range rapid.IntRange(0, 2).Draw(t, "managers") {
		x.Managers = append(x.Managers, draw(rapid.SampledFrom([]string{"m1", "m2"}).Draw(t, "manager")))
	}
	return groups, x
}

// A guest never has more than its managers have together, beside its home, and
// less than nobody cut: whatever the grants, groups and paths.
func TestLookingAroundNeverWidens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups, x := drawAround(t)
		own := drawAccount(t)
		own.Role = policy.RoleGuest
		uncut := own
		uncut.Role = policy.RoleUser
		plain := slices.Clone(groups)
		for i := range plain {
			plain[i].Owner = ""
		}
		e, most := policy.ResolveAround(policy.DefaultSite(), groups, own, x), policy.Resolve(policy.DefaultSite(), plain, uncut)
		target := drawTarget(t)
		var have policy.Permissions
		for _, m := range x.Managers {
			if !m.Account().Status.Disabled {
				have |= m.Permissions(target)
			}
		}
		if !own.Home.IsRoot() && own.Home.Contains(target.Path) {
			have = policy.Full
		}
		if wider := e.Permissions(target) &^ (have & most.Permissions(target)); wider != 0 {
			t.Fatalf("a guest has %s more on %+v", wider, target)
		}
		for _, op := range operations {
			if d := e.Decide(op, target); d.Allowed && !most.Decide(op, target).Allowed {
				t.Fatalf("%s: %+v", op, d)
			} else if d.Because == "" {
				t.Fatalf("%s: no reason", op)
			}
		}
	})
}

// In whatever order groups, grants and managers come, the same holds for the
// same reasons.
func TestOrderNeverMattersAround(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups, x := drawAround(t)
		own := drawAccount(t)
		own.Role = rapid.SampledFrom([]policy.Role{policy.RoleUser, policy.RoleGuest}).Draw(t, "guest")
		if len(x.Managers) == 2 && x.Managers[0].Account().ID == x.Managers[1].Account().ID {
			t.Skip("one manager, two versions")
		}
		scope := drawScope(t)
		e := policy.ResolveAround(policy.DefaultSite(), groups, own, x).Scoped(scope)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		random.Shuffle(len(own.Grants), func(i, j int) { own.Grants[i], own.Grants[j] = own.Grants[j], own.Grants[i] })
		random.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
		slices.Reverse(x.Managers)
		again := policy.ResolveAround(policy.DefaultSite(), groups, own, x).Scoped(scope)
		if a, b := e.Access(), again.Access(); !reflect.DeepEqual(a, b) {
			t.Fatalf("Access: %+v, then %+v", a, b)
		}
		op, target := drawOperation(t), drawTarget(t)
		if a, b := e.Decide(op, target), again.Decide(op, target); a != b {
			t.Fatalf("Decide: %+v, then %+v", a, b)
		}
	})
}

// The view of somebody whose grants are cut is as invertible as any.
func TestTheViewOfCutGrantsIsInvertible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		groups, x := drawAround(t)
		own := drawAccount(t)
		own.Role = policy.RoleGuest
		v := policy.ResolveAround(policy.DefaultSite(), groups, own, x).View(policy.SFTP)
		tree := drawPath(t, "tree")
		if seen, ok := v.Seen(tree); ok && v.Tree(seen) != tree {
			t.Fatalf("Seen(%s) = %s, which is %s", tree, seen, v.Tree(seen))
		}
		if back, ok := v.Seen(v.Tree(path.Root)); !ok || v.Tree(back) != v.Tree(path.Root) {
			t.Fatalf("the root is seen as %s, %v", back, ok)
		}
	})
}
