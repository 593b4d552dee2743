package policy_test

import (
	"testing"

	"pgregory.net/rapid"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

// In a folder of which Alike says so, every name is judged as every other, also
// one that grants elsewhere, homes and closed folders use.
func TestAlikeNamesAreJudgedAlike(t *testing.T) {
	alike := 0
	rapid.Check(t, func(t *rapid.T) {
		e := policy.Resolve(policy.DefaultSite(), drawGroups(t), drawAccount(t)).Scoped(drawScope(t))
		e = e.Closed(rapid.SliceOfN(rapid.Custom(func(t *rapid.T) path.Path { return drawPath(t, "closed") }), 0, 2).Draw(t, "closed folders")...)
		folder := drawPath(t, "folder")
		if !e.Alike(folder) {
			return
		}
		alike++
		for _, isFolder := range []bool{false, true} {
			any, _ := folder.Join("any")
			want := policy.Target{Path: any, Folder: isFolder}
			for _, name := range []string{"a", "b", "ab", "home", "bob", "anyone"} {
				p, _ := folder.Join(name)
				got := policy.Target{Path: p, Folder: isFolder}
				for _, op := range operations {
					if a, b := e.Decide(op, got), e.Decide(op, want); a.Allowed != b.Allowed || a.Allowed && a != b {
						t.Fatalf("%s on %v: %+v, and %+v on %v", op, got, a, b, want)
					}
				}
				if a, b := e.Permissions(got), e.Permissions(want); a != b {
					t.Fatalf("%v has %s, %v has %s", got, a, want, b)
				}
			}
		}
	})
	if alike == 0 {
		t.Error("no folder was alike: nothing was tried")
	}
}

func TestAlike(t *testing.T) {
	e := resolve(grant("/team", policy.Full), grant("/team/a/b", policy.Read)).Closed(p("/.kept/old"))
	for at, want := range map[string]bool{"/": false, "/team": false, "/team/a": false, "/team/a/b": true, "/team/b": true, "/.kept": false, "/.kept/old": true} {
		if got := e.Alike(p(at)); got != want {
			t.Errorf("%s: %v", at, got)
		}
	}
}
