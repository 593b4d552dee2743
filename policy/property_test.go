package policy_test

import (
	"math/rand/v2"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

// drawPath draws paths from few names, so that they meet.
func drawPath(t *rapid.T, label string) path.Path {
	names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "ab", "home", "bob"}), 0, 4).Draw(t, label)
	at := path.Root
	for _, name := range names {
		at, _ = at.Join(name)
	}
	return at
}

func drawGrant(t *rapid.T) policy.Grant {
	return policy.Grant{
		ID:          rapid.SampledFrom([]string{"", "g1", "g2"}).Draw(t, "id"),
		Path:        drawPath(t, "granted"),
		Permissions: policy.Permissions(rapid.IntRange(0, int(policy.Full)).Draw(t, "permissions")),
		Recursive:   rapid.Bool().Draw(t, "recursive"),
		At:          rapid.SampledFrom([]string{"", "a", "b", "x"}).Draw(t, "at"),
	}
}

func drawAccount(t *rapid.T) policy.Account {
	own := policy.Account{
		ID: "a1", Name: "bob", Home: drawPath(t, "home"),
		Role:   rapid.SampledFrom([]policy.Role{policy.RoleUser, policy.RoleUser, policy.RoleAdmin}).Draw(t, "role"),
		Grants: rapid.SliceOfN(rapid.Custom(drawGrant), 0, 5).Draw(t, "grants"),
	}
	if rapid.Bool().Draw(t, "has a root") {
		root := drawPath(t, "root")
		own.Root = &root
	}
	return own
}

func drawGroups(t *rapid.T) []policy.Group {
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) policy.Group {
		name := rapid.SampledFrom([]string{"staff", "zoo", "all"}).Draw(t, "group")
		return policy.Group{
			ID: "id-" + name, Name: name,
			Grants:    rapid.SliceOfN(rapid.Custom(drawGrant), 0, 3).Draw(t, "group grants"),
			Protocols: drawDoors(t, "group protocols"),
			Limits:    policy.Limits{Sessions: rapid.IntRange(-1, 3).Draw(t, "group sessions")},
		}
	}), 0, 3).Draw(t, "groups")
}

func drawDoors(t *rapid.T, label string) []policy.Door {
	if rapid.Bool().Draw(t, label+" unset") {
		return nil
	}
	return rapid.SliceOfN(rapid.SampledFrom(policy.Doors()), 0, 3).Draw(t, label)
}

func drawTarget(t *rapid.T) policy.Target {
	return policy.Target{Path: drawPath(t, "target"), Folder: rapid.Bool().Draw(t, "folder")}
}

func drawOperation(t *rapid.T) policy.Operation {
	return rapid.SampledFrom(operations).Draw(t, "operation")
}

func TestAGrantOnlyEverAdds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own, op, target := drawAccount(t), drawOperation(t), drawTarget(t)
		before := policy.Resolve(policy.DefaultSite(), nil, own)
		own.Grants = append(own.Grants, drawGrant(t))
		after := policy.Resolve(policy.DefaultSite(), nil, own)
		if before.Decide(op, target).Allowed && !after.Decide(op, target).Allowed {
			t.Fatalf("%s on %+v was taken away", op, target)
		}
		if before.DecideTree(op, target.Path).Allowed && !after.DecideTree(op, target.Path).Allowed {
			t.Fatalf("%s on the tree %s was taken away", op, target.Path)
		}
		if got := after.Permissions(target); !got.Has(before.Permissions(target)) {
			t.Fatalf("permissions went from %s to %s", before.Permissions(target), got)
		}
	})
}

// Order never matters, neither for what is decided nor for what is seen nor
// for which of several grants is named.
func TestOrderNeverMatters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own, groups := drawAccount(t), drawGroups(t)
		op, target := drawOperation(t), drawTarget(t)
		seen := map[string]bool{}
		for _, g := range groups {
			if seen[g.ID] {
				t.Skip("a group is in the list twice")
			}
			seen[g.ID] = true
		}
		e := policy.Resolve(policy.DefaultSite(), groups, own)
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		shuffle := func(n int, swap func(i, j int)) { random.Shuffle(n, swap) }
		shuffle(len(own.Grants), func(i, j int) { own.Grants[i], own.Grants[j] = own.Grants[j], own.Grants[i] })
		for _, g := range groups {
			shuffle(len(g.Grants), func(i, j int) { g.Grants[i], g.Grants[j] = g.Grants[j], g.Grants[i] })
		}
		shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
		again := policy.Resolve(policy.DefaultSite(), groups, own)
		if a, b := e.Decide(op, target), again.Decide(op, target); a != b {
			t.Fatalf("Decide: %+v, then %+v", a, b)
		}
		if a, b := e.Access(), again.Access(); !reflect.DeepEqual(a, b) {
			t.Fatalf("Access: %+v, then %+v", a, b)
		}
	})
}

func TestDecideTreeImpliesDecideBelow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := policy.Resolve(policy.DefaultSite(), drawGroups(t), drawAccount(t))
		op, top := drawOperation(t), drawPath(t, "top")
		below := policy.Target{Path: top.Append(drawPath(t, "below")), Folder: rapid.Bool().Draw(t, "folder")}
		if e.DecideTree(op, top).Allowed && !e.Decide(op, below).Allowed {
			t.Fatalf("%s is allowed on the tree %s, not on %+v", op, top, below)
		}
		if !e.Permissions(below).Has(e.TreePermissions(top)) {
			t.Fatalf("the tree %s has %s, %+v has %s", top, e.TreePermissions(top), below, e.Permissions(below))
		}
	})
}

func TestPermissionsAgreeWithDecide(t *testing.T) {
	bits := map[policy.Operation]policy.Permissions{
		policy.OpList: policy.List, policy.OpRead: policy.Read, policy.OpCreate: policy.Create,
		policy.OpWrite: policy.Write, policy.OpDelete: policy.Delete, policy.OpShare: policy.Share,
	}
	rapid.Check(t, func(t *rapid.T) {
		e, target := policy.Resolve(policy.DefaultSite(), drawGroups(t), drawAccount(t)), drawTarget(t)
		all, tree := e.Permissions(target), e.TreePermissions(target.Path)
		for op, bit := range bits {
			if got := e.Decide(op, target).Allowed; got != all.Has(bit) {
				t.Fatalf("Decide(%s, %+v) = %v, permissions %s", op, target, got, all)
			}
			if got := e.DecideTree(op, target.Path).Allowed; got != tree.Has(bit) {
				t.Fatalf("DecideTree(%s, %s) = %v, permissions %s", op, target.Path, got, tree)
			}
		}
		if got := e.Decide(policy.OpStat, target); got.Allowed != (all != 0) && got.Rule != policy.RuleShell {
			t.Fatalf("stat: %+v, permissions %s", got, all)
		}
	})
}

// Whatever is moved, alone or inside a folder, can afterwards be read and
// shared only if it could before.
func TestMovingNeverWidens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := policy.Resolve(policy.DefaultSite(), drawGroups(t), drawAccount(t))
		m := policy.Move{From: drawPath(t, "from"), To: drawPath(t, "to"), Folder: rapid.Bool().Draw(t, "folder")}
		if !e.DecideRename(m).Allowed {
			return
		}
		rel := path.Root
		below := policy.Target{}
		if m.Folder {
			rel = drawPath(t, "below")
			below.Folder = rel.IsRoot() || rapid.Bool().Draw(t, "a folder below")
		}
		was, is := below, below
		was.Path, is.Path = m.From.Append(rel), m.To.Append(rel)
		if gained := e.Permissions(is) &^ e.Permissions(was) & (policy.Read | policy.Share); gained != 0 {
			t.Fatalf("%+v gives %s on %s", m, gained, is.Path)
		}
		if !e.Decide(policy.OpDelete, was).Allowed || !e.Decide(policy.OpCreate, is).Allowed {
			t.Fatalf("%+v is allowed though %s may not be deleted or %s not created", m, was.Path, is.Path)
		}
	})
}

func TestViewIsInvertible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := policy.Resolve(policy.DefaultSite(), drawGroups(t), drawAccount(t)).View(policy.SFTP)
		tree := drawPath(t, "tree")
		if seen, ok := v.Seen(tree); ok && v.Tree(seen) != tree {
			t.Fatalf("Seen(%s) = %s, which is %s", tree, seen, v.Tree(seen))
		}
		seen := drawPath(t, "seen")
		back, ok := v.Seen(v.Tree(seen))
		if !ok || v.Tree(back) != v.Tree(seen) {
			t.Fatalf("%s is %s, which is seen as %s, %v", seen, v.Tree(seen), back, ok)
		}
		for i, entry := range v.Entries {
			if i > 0 && v.Entries[i-1].Name >= entry.Name {
				t.Fatalf("entries are not sorted, or one name is there twice: %+v", v.Entries)
			}
		}
	})
}

func drawAttempt(t *rapid.T) policy.Attempt {
	moment := func(label string) time.Time {
		return rapid.SampledFrom([]time.Time{{}, noon.Add(-time.Hour), noon, noon.Add(time.Hour)}).Draw(t, label)
	}
	count := rapid.IntRange(0, 3)
	return policy.Attempt{
		Door: rapid.SampledFrom(append(policy.Doors(), policy.AccountPages, "other")).Draw(t, "door"),
		Address: rapid.SampledFrom([]netip.Addr{
			{}, netip.MustParseAddr("127.0.0.1"), netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1"),
		}).Draw(t, "address"),
		Transport: rapid.SampledFrom([]policy.Transport{
			policy.Clear, policy.TLS, policy.TLSProxied, policy.SSH, policy.Local, "other",
		}).Draw(t, "transport"),
		Time:   noon,
		Banned: rapid.Bool().Draw(t, "banned"), Locked: rapid.Bool().Draw(t, "locked"),
		Sessions: policy.Sessions{Account: count.Draw(t, "account"), Address: count.Draw(t, "address"), All: count.Draw(t, "all")},
		Credential: policy.Credential{
			Kind:    rapid.SampledFrom(kinds).Draw(t, "kind"),
			Code:    rapid.SampledFrom([]policy.CodeState{policy.CodeNone, policy.CodeNone, policy.CodeNeeded, policy.CodeProved, policy.CodeEnrol}).Draw(t, "code"),
			Begins:  moment("credential begins"),
			Doors:   drawDoors(t, "credential doors"),
			Expires: moment("credential expires"), MustChange: rapid.Bool().Draw(t, "must change"),
			Proved: rapid.Bool().Draw(t, "proved"),
		},
	}
}

// explain answers from the very rules that decide at the door.
func TestChainAgreesWithAdmit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		site, own, a := policy.DefaultSite(), drawAccount(t), drawAttempt(t)
		own.Protocols = drawDoors(t, "protocols")
		own.Status.Disabled = rapid.Bool().Draw(t, "disabled")
		own.SecondFactor.WithKey = rapid.Bool().Draw(t, "with key")
		site.Limits.Sessions = rapid.IntRange(0, 2).Draw(t, "sessions")
		e := policy.Resolve(site, drawGroups(t), own)
		got := e.Admit(a)
		want := policy.Step{Rule: got.Rule, Allowed: true, Because: got.Because}
		for _, step := range e.Chain(a) {
			if !step.Allowed {
				want = step
				break
			}
		}
		if got.Allowed != want.Allowed || got.Rule != want.Rule || got.Because != want.Because {
			t.Fatalf("Admit: %+v, first refusal of the chain: %+v", got, want)
		}
		if got.Allowed && !e.Stay(a).Allowed {
			t.Fatalf("admitted, and cut at once: %+v", e.Stay(a))
		}
	})
}
