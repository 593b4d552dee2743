package policy_test

import (
	"slices"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

func p(s string) path.Path { return path.MustParse(s) }

func file(s string) policy.Target   { return policy.Target{Path: p(s)} }
func folder(s string) policy.Target { return policy.Target{Path: p(s), Folder: true} }

func grant(at string, rights policy.Permissions) policy.Grant {
	return policy.Grant{ID: "g" + at, Path: p(at), Permissions: rights, Recursive: true}
}

func flat(at string, rights policy.Permissions) policy.Grant {
	return policy.Grant{ID: "f" + at, Path: p(at), Permissions: rights}
}

func resolve(grants ...policy.Grant) policy.Effective {
	own := bob()
	own.Grants = grants
	return policy.Resolve(policy.DefaultSite(), nil, own)
}

var operations = []policy.Operation{
	policy.OpStat, policy.OpList, policy.OpRead, policy.OpCreate, policy.OpWrite, policy.OpDelete, policy.OpShare,
}

func TestDecide(t *testing.T) {
	e := resolve(
		grant("/shared", policy.ReadOnly),
		grant("/shared/in", policy.UploadOnly),
		grant("/shared/edit", policy.Write),
		flat("/flat", policy.List|policy.Read|policy.Delete),
		grant("/far/down/here", policy.Read),
	)
	tests := []struct {
		target policy.Target
		may    string
		rule   policy.Rule
	}{
		{folder("/home/bob"), "stat list read create write delete share", policy.RuleHome},
		{file("/home/bob/a/b"), "stat list read create write delete share", policy.RuleHome},
		{file("/home/bobby/a"), "", policy.RuleNoGrant},
		{folder("/home"), "stat", policy.RuleShell},
		{file("/home"), "", policy.RuleNoGrant},
		{folder("/"), "stat", policy.RuleShell},
		{folder("/home/alice"), "", policy.RuleNoGrant},
		{folder("/shared"), "stat list read", policy.RuleGrant},
		{file("/shared/a/b/c"), "stat list read", policy.RuleGrant},
		{file("/shared/in/a"), "stat list read create", policy.RuleGrant},
		{file("/shared/edit/a"), "stat list read create write", policy.RuleGrant},
		{folder("/flat"), "stat list read delete", policy.RuleGrant},
		{file("/flat/a"), "stat list read delete", policy.RuleGrant},
		{folder("/flat/a"), "", policy.RuleNoGrant},
		{file("/flat/a/b"), "", policy.RuleNoGrant},
		{folder("/far/down"), "stat", policy.RuleShell},
		{folder("/far/up"), "", policy.RuleNoGrant},
		{folder("/far/down/here/x"), "stat read", policy.RuleGrant},
	}
	for _, tt := range tests {
		for _, op := range operations {
			want := slices.Contains(strings.Fields(tt.may), string(op))
			got := e.Decide(op, tt.target)
			if got.Allowed != want {
				t.Errorf("%s on %+v: %+v, want %v", op, tt.target, got, want)
			}
			if got.Allowed && got.Rule != tt.rule || !got.Allowed && got.Rule != policy.RuleNoGrant {
				t.Errorf("%s on %+v: rule %s, want %s", op, tt.target, got.Rule, tt.rule)
			}
		}
	}
	if d := e.Decide("chown", folder("/home/bob")); d.Allowed {
		t.Errorf("an unknown operation is allowed: %+v", d)
	}
}

func TestRolesAndFiles(t *testing.T) {
	tests := []struct {
		role policy.Role
		want bool
	}{
		{policy.RoleAdmin, true}, {policy.RoleAuditor, false}, {policy.RoleUser, false}, {policy.RoleGuest, false}, {"", false},
	}
	for _, tt := range tests {
		own := bob()
		own.Role = tt.role
		e := policy.Resolve(policy.DefaultSite(), nil, own)
		for _, op := range operations {
			if got := e.Decide(op, file("/home/alice/secret")); got.Allowed != tt.want {
				t.Errorf("%s: %s on another's file: %+v", tt.role, op, got)
			}
		}
	}
}

// A home that was never set is the zero path, the root of the tree: it must
// not make its owner the owner of everything.
func TestUnsetHomeGivesNothing(t *testing.T) {
	own := bob()
	own.Home = path.Root
	e := policy.Resolve(policy.DefaultSite(), nil, own)
	for _, op := range operations {
		if got := e.Decide(op, folder("/")); got.Allowed {
			t.Errorf("%s on /: %+v", op, got)
		}
	}
}

func TestDecisionNamesTheGrant(t *testing.T) {
	own := bob()
	own.Grants = []policy.Grant{grant("/a", policy.Read)}
	staff := policy.Group{ID: "1", Name: "staff", Grants: []policy.Grant{flat("/b", policy.Create)}}
	e := policy.Resolve(policy.DefaultSite(), []policy.Group{staff}, own)
	tests := []struct {
		op     policy.Operation
		target policy.Target
		want   string
	}{
		{policy.OpRead, file("/a/x"), "grant g/a of account: read on /a and all below"},
		{policy.OpCreate, file("/b/x"), "grant f/b of group staff: upload-only on /b and its direct files"},
		{policy.OpRead, file("/home/bob/x"), "the owner has full on the home /home/bob"},
	}
	for _, tt := range tests {
		if got := e.Decide(tt.op, tt.target).Because; got != tt.want {
			t.Errorf("because %q, want %q", got, tt.want)
		}
	}
}

func TestDecideTree(t *testing.T) {
	e := resolve(grant("/a", policy.Read|policy.Delete), flat("/b", policy.Delete), grant("/b/c", policy.Delete))
	tests := []struct {
		path string
		want bool
	}{
		{"/a", true}, {"/a/x/y", true}, {"/b", false}, {"/b/c", true}, {"/b/d", false}, {"/", false}, {"/home/bob", true}, {"/home", false},
	}
	for _, tt := range tests {
		if got := e.DecideTree(policy.OpDelete, p(tt.path)); got.Allowed != tt.want {
			t.Errorf("delete %s as a tree: %+v, want %v", tt.path, got, tt.want)
		}
	}
}

func TestPermissions(t *testing.T) {
	e := resolve(grant("/a", policy.Read), flat("/a", policy.Write), grant("/a/b", policy.Share))
	tests := []struct {
		target policy.Target
		want   policy.Permissions
		tree   policy.Permissions
	}{
		{folder("/a"), policy.Read | policy.Write | policy.Create, policy.Read},
		{file("/a/x"), policy.Read | policy.Write | policy.Create, policy.Read},
		{folder("/a/x"), policy.Read, policy.Read},
		{folder("/a/b"), policy.Read | policy.Share, policy.Read | policy.Share},
		{file("/x"), 0, 0},
	}
	for _, tt := range tests {
		if got := e.Permissions(tt.target); got != tt.want {
			t.Errorf("Permissions(%+v) = %s, want %s", tt.target, got, tt.want)
		}
		if got := e.TreePermissions(tt.target.Path); got != tt.tree {
			t.Errorf("TreePermissions(%s) = %s, want %s", tt.target.Path, got, tt.tree)
		}
	}
}

func TestLeads(t *testing.T) {
	e := resolve(grant("/far/down/here", policy.Read), grant("/far/out", policy.Read), flat("/far/down/there", policy.Read), grant("/far/none", 0))
	tests := map[string][]string{
		"/":              {"far", "home"},
		"/far":           {"down", "out"},
		"/far/down":      {"here", "there"},
		"/far/down/here": nil,
		"/else":          nil,
	}
	for at, want := range tests {
		if got := e.Leads(p(at)); !slices.Equal(got, want) {
			t.Errorf("Leads(%s) = %q, want %q", at, got, want)
		}
	}
}

func TestDecideRename(t *testing.T) {
	rw := policy.Full &^ policy.Share
	tests := map[string]struct {
		grants []policy.Grant
		move   policy.Move
		want   policy.Rule
	}{
		"within one's own": {nil, policy.Move{From: p("/home/bob/a"), To: p("/home/bob/b")}, policy.RuleHome},
		"needs delete at the source": {
			[]policy.Grant{grant("/s", policy.Read|policy.Write|policy.Share)},
			policy.Move{From: p("/s/a"), To: p("/home/bob/a")}, policy.RuleNoGrant,
		},
		"needs create at the target": {
			[]policy.Grant{grant("/s", policy.ReadOnly)},
			policy.Move{From: p("/home/bob/a"), To: p("/s/a")}, policy.RuleNoGrant,
		},
		"create is enough for a new name": {
			[]policy.Grant{grant("/s", policy.UploadOnly)},
			policy.Move{From: p("/home/bob/a"), To: p("/s/a")}, policy.RuleGrant,
		},
		"create is not enough onto a file": {
			[]policy.Grant{grant("/s", policy.UploadOnly)},
			policy.Move{From: p("/home/bob/a"), To: p("/s/a"), Replaces: policy.ReplacesFile}, policy.RuleNoGrant,
		},
		"write is enough onto a file": {
			[]policy.Grant{grant("/s", policy.Write)},
			policy.Move{From: p("/home/bob/a"), To: p("/s/a"), Replaces: policy.ReplacesFile}, policy.RuleGrant,
		},
		"onto a folder asks for delete there": {
			[]policy.Grant{grant("/s", policy.Write)},
			policy.Move{From: p("/home/bob/a"), To: p("/s/a"), Replaces: policy.ReplacesFolder}, policy.RuleNoGrant,
		},
		"a folder onto a file asks for create below it": {
			[]policy.Grant{flat("/s/a", policy.Write)},
			policy.Move{From: p("/home/bob/a"), To: p("/s/a"), Folder: true, Replaces: policy.ReplacesFile}, policy.RuleNoGrant,
		},
		"a folder onto a file asks for write on it": {
			[]policy.Grant{grant("/s", policy.Create)},
			policy.Move{From: p("/home/bob/a"), To: p("/s/a"), Folder: true, Replaces: policy.ReplacesFile}, policy.RuleNoGrant,
		},
		"out of a blind box one cannot read, into one's home": {
			[]policy.Grant{grant("/s", policy.Delete|policy.Create)},
			policy.Move{From: p("/s/a"), To: p("/home/bob/a")}, policy.RuleWidens,
		},
		"what cannot be shared, to where it can": {
			[]policy.Grant{grant("/s", rw)},
			policy.Move{From: p("/s/a"), To: p("/home/bob/a")}, policy.RuleWidens,
		},
		"what cannot be shared, to where it cannot either": {
			[]policy.Grant{grant("/s", rw), grant("/d", rw)},
			policy.Move{From: p("/s/a"), To: p("/d/a")}, policy.RuleGrant,
		},
		"a folder with a flat grant": {
			[]policy.Grant{flat("/s", policy.Full), grant("/d", policy.Full)},
			policy.Move{From: p("/s/a"), To: p("/d/a"), Folder: true}, policy.RuleNoGrant,
		},
		"a folder whose inside would be readable at the target": {
			[]policy.Grant{grant("/s", policy.Delete), grant("/d", policy.Create), grant("/d/a/x", policy.Read)},
			policy.Move{From: p("/s/a"), To: p("/d/a"), Folder: true}, policy.RuleWidens,
		},
		"a folder above the one that would be readable": {
			[]policy.Grant{grant("/s", policy.Delete), grant("/d", policy.Create), flat("/d/a/x", policy.Read)},
			policy.Move{From: p("/s/a"), To: p("/d/a"), Folder: true}, policy.RuleWidens,
		},
		"a folder beside one that is readable": {
			[]policy.Grant{grant("/s", policy.Delete), grant("/d", policy.Create), grant("/d/ab", policy.Read), flat("/d", policy.Read)},
			policy.Move{From: p("/s/a"), To: p("/d/a"), Folder: true}, policy.RuleGrant,
		},
	}
	for name, tt := range tests {
		got := resolve(tt.grants...).DecideRename(tt.move)
		allowed := tt.want != policy.RuleNoGrant && tt.want != policy.RuleWidens
		if got.Allowed != allowed || got.Rule != tt.want {
			t.Errorf("%s: %+v, want %s", name, got, tt.want)
		}
	}
}

func TestDecideCopyAndLink(t *testing.T) {
	e := resolve(grant("/read", policy.Read), grant("/see", policy.ReadOnly), grant("/rw", policy.Read|policy.Write), grant("/drop", policy.Create))
	copies := []struct {
		move policy.Move
		want bool
	}{
		{policy.Move{From: p("/read/a"), To: p("/home/bob/a")}, true},
		{policy.Move{From: p("/read/a"), To: p("/home/bob/a"), Folder: true}, false},
		{policy.Move{From: p("/see/a"), To: p("/home/bob/a"), Folder: true}, true},
		{policy.Move{From: p("/drop/a"), To: p("/home/bob/a")}, false},
		{policy.Move{From: p("/see/a"), To: p("/drop/a")}, true},
		{policy.Move{From: p("/see/a"), To: p("/drop/a"), Replaces: policy.ReplacesFile}, false},
		{policy.Move{From: p("/see/a"), To: p("/rw/a"), Replaces: policy.ReplacesFile}, true},
		{policy.Move{From: p("/see/a"), To: p("/rw/a"), Replaces: policy.ReplacesFolder}, false},
		{policy.Move{From: p("/see/a"), To: p("/see/b")}, false},
	}
	for _, tt := range copies {
		if got := e.DecideCopy(tt.move); got.Allowed != tt.want {
			t.Errorf("copy %+v: %+v, want %v", tt.move, got, tt.want)
		}
	}
	links := []struct {
		from, to string
		want     policy.Rule
	}{
		{"/home/bob/a", "/home/bob/b", policy.RuleHome},
		{"/home/bob/a", "/drop/b", policy.RuleGrant},
		{"/see/a", "/home/bob/b", policy.RuleNoGrant},
		{"/rw/a", "/home/bob/b", policy.RuleWidens},
		{"/rw/a", "/rw/b", policy.RuleGrant},
	}
	for _, tt := range links {
		if got := e.DecideLink(p(tt.from), p(tt.to)); got.Rule != tt.want {
			t.Errorf("link %s to %s: %+v, want %s", tt.from, tt.to, got, tt.want)
		}
	}
}

func TestSystemMayEverything(t *testing.T) {
	e := policy.System(policy.DefaultSite())
	if e.TreePermissions(path.Root) != policy.Full || e.View(policy.SFTP).Root != path.Root {
		t.Error("the gateway's own work is bounded")
	}
}
