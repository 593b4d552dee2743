package policy_test

import (
	"fmt"
	"testing"

	"gatehouse/policy"
)

// ordinary is an account with ten grants in two groups.
func ordinary(b *testing.B) policy.Effective {
	site, own := policy.DefaultSite(), bob()
	site.AllowedIPs = prefixes(b, "203.0.113.0/24", "2001:db8::/32")
	var groups []policy.Group
	for i := range 2 {
		g := group(fmt.Sprint("g", i))
		for j := range 5 {
			g.Grants = append(g.Grants, grant(fmt.Sprintf("/shared/team%d/folder%d", i, j), policy.ReadOnly))
		}
		groups = append(groups, g)
	}
	return policy.Resolve(site, groups, own)
}

func BenchmarkAdmit(b *testing.B) {
	e, a := ordinary(b), attempt()
	b.ReportAllocs()
	for b.Loop() {
		if !e.Admit(a).Allowed {
			b.Fatal("refused")
		}
	}
}

func BenchmarkDecide(b *testing.B) {
	e := ordinary(b)
	target := file("/shared/team1/folder4/a/b/c.txt")
	b.ReportAllocs()
	for b.Loop() {
		if !e.Decide(policy.OpRead, target).Allowed {
			b.Fatal("refused")
		}
	}
}

func BenchmarkDecideRefused(b *testing.B) {
	e := ordinary(b)
	target := file("/home/alice/a/b/c.txt")
	b.ReportAllocs()
	for b.Loop() {
		if e.Decide(policy.OpStat, target).Allowed {
			b.Fatal("allowed")
		}
	}
}

func BenchmarkResolve(b *testing.B) {
	e := ordinary(b)
	b.ReportAllocs()
	for b.Loop() {
		policy.Resolve(e.Site(), e.Groups(), e.Account())
	}
}

func BenchmarkDecideScoped(b *testing.B) {
	team := p("/shared/team1")
	e := ordinary(b).Scoped(policy.Scope{ReadOnly: true, Folder: &team})
	target := file("/shared/team1/folder4/a/b/c.txt")
	b.ReportAllocs()
	for b.Loop() {
		if !e.Decide(policy.OpRead, target).Allowed || e.Decide(policy.OpWrite, target).Allowed {
			b.Fatal("decided otherwise")
		}
	}
}

// Deciding is asked for every entry of a listing and every piece of a file: it
// must make no garbage.
func TestDecidingDoesNotAllocate(t *testing.T) {
	e := resolve(grant("/a", policy.Read))
	cut := policy.ResolveAround(policy.DefaultSite(), nil, guest(grant("/a", policy.Full)), around(alice(grant("/a", policy.Read))))
	target := file("/a/b/c")
	if n := testing.AllocsPerRun(100, func() {
		e.Decide(policy.OpRead, target)
		e.Decide(policy.OpWrite, target)
		e.DecideTree(policy.OpRead, target.Path)
		e.Permissions(target)
		e.TreePermissions(target.Path)
		cut.Decide(policy.OpRead, target)
		cut.Decide(policy.OpWrite, target)
	}); n != 0 {
		t.Errorf("Decide allocates %v times", n)
	}
}
