package policy_test

import (
	"slices"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

// A grant made for the living opens nothing of what deleted accounts left.
func TestKeptHomesAreForAdministrators(t *testing.T) {
	closed := []path.Path{p("/.kept"), p("/mnt/.kept")}
	wide := resolve(grant("/", policy.Full), grant("/.kept/old-1", policy.Full), grant("/mnt/.kept/old-2/x", policy.Read)).Closed(closed...)
	admin := named("root")
	admin.Role = policy.RoleAdmin
	operations := []policy.Operation{policy.OpStat, policy.OpList, policy.OpRead, policy.OpCreate, policy.OpWrite, policy.OpDelete, policy.OpShare}
	for _, at := range []string{"/.kept", "/.kept/old-1", "/.kept/old-1/f", "/mnt/.kept", "/mnt/.kept/old-2/x"} {
		for _, target := range []policy.Target{file(at), folder(at)} {
			for _, op := range operations {
				if d := wide.Decide(op, target); d.Allowed || d.Rule != policy.RuleKept || d.Because == "" {
					t.Errorf("%s %+v: %+v", op, target, d)
				}
				if d := resolved(admin).Closed(closed...).Decide(op, target); !d.Allowed {
					t.Errorf("an administrator, %s %+v: %+v", op, target, d)
				}
			}
			if got := wide.Permissions(target); got != 0 {
				t.Errorf("%s on %+v", got, target)
			}
		}
		if d := wide.DecideTree(policy.OpRead, p(at)); d.Allowed || d.Rule != policy.RuleKept {
			t.Errorf("tree %s: %+v", at, d)
		}
		e := resolved(admin).Closed(closed...)
		if got := e.Permissions(file(at)) & e.TreePermissions(p(at)); got != policy.Full {
			t.Errorf("an administrator has %s on %s", got, at)
		}
	}
	for at, may := range map[string]bool{"/": true, "/mnt": true, "/x": true, "/mnt/x": true, "/.kept/old-1": false, "/.kepto": true, "/x/.kept": true} {
		if d := wide.DecideTree(policy.OpRead, p(at)); d.Allowed != may {
			t.Errorf("tree %s: %+v, want %v", at, d, may)
		}
		if got := wide.TreePermissions(p(at)); (got == policy.Full) != may {
			t.Errorf("tree %s: %s", at, got)
		}
		if d := resolved(admin).Closed(closed...).DecideTree(policy.OpDelete, p(at)); !d.Allowed {
			t.Errorf("an administrator, tree %s: %+v", at, d)
		}
	}
	narrow := resolve(grant("/.kept/old-1", policy.Full), grant("/mnt/.kept/old-2/x", policy.Read), grant("/mnt/team", policy.Read)).Closed(closed...)
	if got := narrow.Leads(path.Root); !slices.Equal(got, []string{"home", "mnt"}) {
		t.Errorf("the root leads to %q", got)
	}
	if got := narrow.Leads(p("/mnt")); !slices.Equal(got, []string{"team"}) {
		t.Errorf("the mount leads to %q", got)
	}
	only := resolve(grant("/mnt/.kept/old-2/x", policy.Read)).Closed(closed...)
	if d := only.Decide(policy.OpStat, folder("/mnt")); d.Allowed {
		t.Errorf("a way to what is closed: %+v", d)
	}
	// Nothing is moved to where the mover could not look, and nothing comes out.
	for _, m := range []policy.Move{{From: p("/.kept/old-1/f"), To: p("/x")}, {From: p("/x"), To: p("/.kept/x")}} {
		if d := wide.DecideRename(m); d.Allowed {
			t.Errorf("rename %+v: %+v", m, d)
		}
		if d := wide.DecideCopy(m); d.Allowed {
			t.Errorf("copy %+v: %+v", m, d)
		}
	}
	// A credential's scope opens nothing, and names the same rule.
	in := p("/.kept/old-1")
	if d := resolve(grant("/", policy.Full)).Scoped(policy.Scope{Folder: &in}).Closed(closed...).Decide(policy.OpRead, file("/.kept/old-1/f")); d.Allowed || d.Rule != policy.RuleKept {
		t.Errorf("scoped: %+v", d)
	}
	if d := resolve(grant("/", policy.Full)).Scoped(policy.Scope{Folder: &in}).Closed(closed...).Whole().Decide(policy.OpRead, file("/.kept/f")); d.Allowed {
		t.Errorf("without the scope: %+v", d)
	}
	if got := resolved(bob()).Closed(closed...).View(policy.SFTP).Root; got != p("/home/bob") {
		t.Errorf("the root became %s", got)
	}
	if d := resolve(grant("/", policy.Full)).Closed().Decide(policy.OpRead, file("/.kept/f")); !d.Allowed {
		t.Errorf("nothing is closed: %+v", d)
	}
}
