package policy_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

// named is an account with a home and these grants.
func named(name string, grants ...policy.Grant) policy.Account {
	return policy.Account{ID: "id-" + name, Name: name, Role: policy.RoleUser, Home: p("/home/" + name), Grants: grants}
}

// alice is somebody who can stand around others.
func alice(grants ...policy.Grant) policy.Effective {
	return policy.Resolve(policy.DefaultSite(), nil, named("alice", grants...))
}

func TestCut(t *testing.T) {
	has := []policy.Grant{
		grant("/read", policy.ReadOnly), flat("/flat", policy.Full), grant("/write", policy.Write|policy.Read),
		grant("/deep/a", policy.Full), grant("/deep/b", policy.Read), grant("/deep/b/c", policy.ReadOnly),
		flat("/a", policy.Read), flat("/a", policy.List),
	}
	moved := func(g policy.Grant, to string, rights policy.Permissions) policy.Grant {
		g.Path, g.Permissions, g.At = p(to), rights, ""
		return g
	}
	tests := map[string]struct {
		give policy.Grant
		want []policy.Grant
	}{
		"has it all":              {at(grant("/read/x", policy.Read), "x"), []policy.Grant{at(grant("/read/x", policy.Read), "x")}},
		"has it all by the home":  {grant("/home/alice/x", policy.Full), []policy.Grant{grant("/home/alice/x", policy.Full)}},
		"write stays as it was":   {grant("/write", policy.Write), []policy.Grant{grant("/write", policy.Write)}},
		"has it in two grants":    {flat("/a", policy.ReadOnly), []policy.Grant{flat("/a", policy.ReadOnly)}},
		"has nothing of it":       {grant("/other", policy.Full), nil},
		"has fewer rights":        {at(grant("/read", policy.Full), "n"), []policy.Grant{{ID: "g/read", Path: p("/read"), Permissions: policy.ReadOnly, Recursive: true, At: "n"}}},
		"gives create, has write": {grant("/write", policy.Create|policy.Delete), []policy.Grant{moved(grant("/write", 0), "/write", policy.Create)}},
		"gives write, has create": {grant("/flat", policy.Write), []policy.Grant{{ID: "g/flat", Path: p("/flat"), Permissions: policy.Write | policy.Create}}},
		"has parts of it": {at(grant("/deep", policy.ReadOnly), "d"), []policy.Grant{
			moved(grant("/deep", 0), "/deep/a", policy.ReadOnly), moved(grant("/deep", 0), "/deep/b", policy.Read),
			moved(grant("/deep", 0), "/deep/b/c", policy.ReadOnly),
		}},
		"a folder and its files":      {flat("/read", policy.Read), []policy.Grant{flat("/read", policy.Read)}},
		"above, not recursive":        {flat("/deep", policy.Read), nil},
		"below what is not recursive": {grant("/flat/x", policy.Read), nil},
		"no right at all":             {grant("/read", 0), nil},
	}
	e := alice(has...)
	for name, tt := range tests {
		if got := e.Cut(tt.give); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
	if got := (policy.Effective{}).Cut(grant("/", policy.Full)); len(got) != 0 {
		t.Errorf("nobody has %+v", got)
	}
}

// Whatever is cut gives on no path more than the grant gave and than the other
// has, and on folders exactly what both give.
func TestCutNeverWidens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		own := drawAccount(t)
		e := policy.Resolve(policy.DefaultSite(), drawGroups(t), own)
		g, target := drawGrant(t), drawTarget(t)
		bare := func(grants ...policy.Grant) policy.Effective {
			return policy.Resolve(policy.DefaultSite(), nil, policy.Account{ID: "x", Role: policy.RoleUser, Grants: grants})
		}
		cut, all := bare(e.Cut(g)...), bare(g)
		got, most := cut.Permissions(target), all.Permissions(target)&e.Permissions(target)
		if got&^most != 0 || target.Folder && !got.Has(most) {
			t.Fatalf("%+v cut to what %+v has: %s on %+v, want %s", g, own.Grants, got, target, most)
		}
		if wider := cut.TreePermissions(target.Path) &^ (all.TreePermissions(target.Path) & e.TreePermissions(target.Path)); wider != 0 {
			t.Fatalf("%+v gives %s more on the tree %s", g, wider, target.Path)
		}
		for _, part := range e.Cut(g) {
			if again := e.Cut(part); len(again) != 1 || again[0].Path != part.Path {
				t.Fatalf("what is left of a cut is cut again: %+v, then %+v", part, again)
			}
		}
	})
}

func drawScope(t *rapid.T) policy.Scope {
	s := policy.Scope{ReadOnly: rapid.Bool().Draw(t, "read only")}
	if rapid.Bool().Draw(t, "has a folder") {
		folder := drawPath(t, "scope folder")
		s.Folder = &folder
	}
	return s
}

// A credential's right is the account's and the scope's: it never widens, takes
// nothing else away, and says which of them refused.
func TestScopedIsTheAccountAndTheScope(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := policy.Resolve(policy.DefaultSite(), drawGroups(t), drawAccount(t))
		s, op, target := drawScope(t), drawOperation(t), drawTarget(t)
		e := whole.Scoped(s)
		was, is := whole.Decide(op, target), e.Decide(op, target)
		inside := s.Folder == nil || s.Folder.Contains(target.Path)
		if s.Folder != nil && *s.Folder == target.Path && !target.Folder {
			t.Skip("the folder is none")
		}
		if !was.Allowed && is != was {
			t.Fatalf("the account may not (%+v), and is told %+v", was, is)
		}
		changes := op != policy.OpStat && op != policy.OpList && op != policy.OpRead
		switch {
		case !was.Allowed:
		case !inside && is.Allowed && is.Rule != policy.RuleShell:
			t.Fatalf("%s outside of the folder: %+v", op, is)
		case !inside && !is.Allowed && is.Rule != policy.RuleFolder, inside && !is.Allowed && is.Rule != policy.RuleReadOnly:
			t.Fatalf("the wrong rule refuses: %+v", is)
		case inside && is.Allowed != (!s.ReadOnly || !changes):
			t.Fatalf("%s inside of the folder: %+v, the account %+v", op, is, was)
		}
		if wider := e.Permissions(target) &^ whole.Permissions(target); wider != 0 {
			t.Fatalf("the scope adds %s", wider)
		}
		if got := e.DecideTree(op, target.Path); got.Allowed && !whole.DecideTree(op, target.Path).Allowed {
			t.Fatalf("the scope adds %s on a tree", op)
		}
		for _, door := range policy.Doors() {
			if a, b := whole.View(door), e.View(door); a.Root != b.Root || !slices.Equal(a.Entries, b.Entries) {
				t.Fatalf("the scope changes the view: %+v, then %+v", a, b)
			}
		}
	})
}

func TestScoped(t *testing.T) {
	home := p("/home/bob/in")
	e := resolve(grant("/drop", policy.UploadOnly), grant("/pub", policy.ReadOnly))
	both := policy.Scope{ReadOnly: true, Folder: &home}
	tests := []struct {
		scope  policy.Scope
		op     policy.Operation
		target policy.Target
		allows bool
		rule   policy.Rule
	}{
		{policy.Scope{}, policy.OpWrite, file("/home/bob/a"), true, policy.RuleHome},
		{policy.Scope{ReadOnly: true}, policy.OpRead, file("/home/bob/a"), true, policy.RuleHome},
		{policy.Scope{ReadOnly: true}, policy.OpWrite, file("/home/bob/a"), false, policy.RuleReadOnly},
		{policy.Scope{ReadOnly: true}, policy.OpShare, file("/home/bob/a"), false, policy.RuleReadOnly},
		{policy.Scope{ReadOnly: true}, policy.OpWrite, file("/pub/a"), false, policy.RuleNoGrant},
		{policy.Scope{ReadOnly: true}, policy.OpStat, file("/drop/a"), true, policy.RuleGrant},
		{policy.Scope{ReadOnly: true}, policy.OpCreate, file("/drop/a"), false, policy.RuleReadOnly},
		{policy.Scope{Folder: &home}, policy.OpWrite, file("/home/bob/in/a"), true, policy.RuleHome},
		{policy.Scope{Folder: &home}, policy.OpWrite, file("/home/bob/out"), false, policy.RuleFolder},
		{policy.Scope{Folder: &home}, policy.OpStat, folder("/home/bob"), true, policy.RuleShell},
		{policy.Scope{Folder: &home}, policy.OpList, folder("/home/bob"), false, policy.RuleFolder},
		{policy.Scope{Folder: &home}, policy.OpStat, folder("/pub"), false, policy.RuleFolder},
		{policy.Scope{Folder: &home}, policy.OpStat, folder("/other"), false, policy.RuleNoGrant},
		{both, policy.OpDelete, file("/home/bob/in/a"), false, policy.RuleReadOnly},
		{both, policy.OpDelete, file("/home/bob/out"), false, policy.RuleFolder},
		{both, policy.OpList, folder("/home/bob/in"), true, policy.RuleHome},
	}
	for _, tt := range tests {
		if got := e.Scoped(tt.scope).Decide(tt.op, tt.target); got.Allowed != tt.allows || got.Rule != tt.rule {
			t.Errorf("%+v: %s on %s: %+v, want %v by %s", tt.scope, tt.op, tt.target.Path, got, tt.allows, tt.rule)
		}
	}
	if got := e.Scoped(both).Leads(p("/home/bob")); !slices.Equal(got, []string{"in"}) {
		t.Errorf("the way to the folder shows %q", got)
	}
	if got := e.Scoped(policy.Scope{Folder: &home}).Scoped(policy.Scope{ReadOnly: true}); len(got.Scopes()) != 2 || got.Decide(policy.OpWrite, file("/home/bob/in/a")).Allowed {
		t.Error("scopes do not add up")
	}
}

// A read-only credential makes no links, and neither a credential's scope nor
// what it leaves is a way to widen by moving.
func TestAScopeHoldsForLinksAndMoves(t *testing.T) {
	site, in := policy.DefaultSite(), p("/home/bob/in")
	site.Symlinks = policy.Allow
	e := policy.Resolve(site, nil, bob())
	if d := e.Scoped(policy.Scope{ReadOnly: true}).MayMakeLinks(); d.Allowed || d.Rule != policy.RuleReadOnly {
		t.Errorf("read-only: %+v", d)
	}
	if d := e.Scoped(policy.Scope{Folder: &in}).MayMakeLinks(); !d.Allowed {
		t.Errorf("for a folder: %+v", d)
	}
	out := path.MustParse("/home/bob/out")
	for _, m := range []policy.Move{{From: in.Append(p("/a")), To: out}, {From: out, To: in.Append(p("/a"))}} {
		if d := e.Scoped(policy.Scope{Folder: &in}).DecideRename(m); d.Allowed || d.Rule != policy.RuleFolder {
			t.Errorf("%+v: %+v", m, d)
		}
	}
}
