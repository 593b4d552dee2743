package policy_test

import (
	"reflect"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

func at(g policy.Grant, name string) policy.Grant {
	g.At = name
	return g
}

func group(name string, grants ...policy.Grant) policy.Group {
	return policy.Group{ID: "id-" + name, Name: name, Grants: grants}
}

func TestRoots(t *testing.T) {
	data, dav := p("/data"), p("/dav")
	tests := map[string]struct {
		change func(*policy.Account)
		want   map[policy.Door]string
	}{
		"the home": {func(*policy.Account) {}, map[policy.Door]string{policy.SFTP: "/home/bob", policy.FTP: "/home/bob", policy.WebDAV: "/home/bob"}},
		"an admin": {func(a *policy.Account) { a.Role = policy.RoleAdmin }, map[policy.Door]string{policy.SFTP: "/", policy.WebDAV: "/"}},
		"an admin with a root": {func(a *policy.Account) { a.Role, a.Root = policy.RoleAdmin, &data },
			map[policy.Door]string{policy.SFTP: "/data"}},
		"a root": {func(a *policy.Account) { a.Root = &data }, map[policy.Door]string{policy.SFTP: "/data", policy.FTP: "/data"}},
		"a root per door": {func(a *policy.Account) { a.Root, a.Roots = &data, map[policy.Door]path.Path{policy.WebDAV: dav} },
			map[policy.Door]string{policy.SFTP: "/data", policy.WebDAV: "/dav"}},
	}
	for name, tt := range tests {
		own := bob()
		tt.change(&own)
		e := policy.Resolve(policy.DefaultSite(), nil, own)
		for door, want := range tt.want {
			if got := e.View(door).Root.String(); got != want {
				t.Errorf("%s: %s shows %s, want %s", name, door, got, want)
			}
		}
		for _, door := range []policy.Door{policy.Web, policy.API} {
			if v := e.View(door); v.Root != path.Root || len(v.Entries) > 0 {
				t.Errorf("%s: %s shows %+v, want the whole tree", name, door, v)
			}
		}
	}
}

func TestEntries(t *testing.T) {
	own := bob()
	own.Grants = []policy.Grant{
		at(grant("/projects/x", policy.ReadOnly), "x"),
		grant("/elsewhere", policy.Full), // without a name, outside the root: not shown
		at(flat("/shared/team", policy.List), "team"),
		at(grant("/shared/team", policy.Read), "team"), // the same folder again: no clash
	}
	groups := []policy.Group{
		group("zoo", grant("/b/common", policy.Read), grant("/zoo", policy.Read)),
		group("ant", grant("/a/common", policy.Read), at(grant("/shared/other", policy.Read), "team"), grant("/home/bob/inside", policy.Read)),
		group("nil", grant("/void", 0)),
	}
	v := policy.Resolve(policy.DefaultSite(), groups, own).View(policy.SFTP)
	want := []policy.Entry{
		{Name: "common", Path: p("/a/common"), Origin: "group ant"},
		{Name: "team", Path: p("/shared/team"), Origin: "account"},
		{Name: "x", Path: p("/projects/x"), Origin: "account"},
		{Name: "zoo", Path: p("/zoo"), Origin: "group zoo"},
	}
	if !reflect.DeepEqual(v.Entries, want) {
		t.Errorf("entries %+v, want %+v", v.Entries, want)
	}
	shadowed := []policy.Entry{
		{Name: "team", Path: p("/shared/other"), Origin: "group ant"},
		{Name: "common", Path: p("/b/common"), Origin: "group zoo"},
	}
	if !reflect.DeepEqual(v.Shadowed, shadowed) {
		t.Errorf("shadowed %+v, want %+v", v.Shadowed, shadowed)
	}
}

func TestViewTranslates(t *testing.T) {
	own := bob()
	own.Grants = []policy.Grant{
		at(grant("/home/alice/shared", policy.Full), "alice"),
		at(grant("/home/alice/shared/deep", policy.Full), "deep"),
		at(grant("/", policy.Read), "all"),
	}
	v := policy.Resolve(policy.DefaultSite(), nil, own).View(policy.SFTP)
	tests := []struct{ seen, tree, back string }{
		{"/", "/home/bob", "/"},
		{"/a/b", "/home/bob/a/b", "/a/b"},
		{"/alice", "/home/alice/shared", "/alice"},
		{"/alice/x/y", "/home/alice/shared/x/y", "/alice/x/y"},
		{"/alicex", "/home/bob/alicex", "/alicex"},
		{"/x/alice", "/home/bob/x/alice", "/x/alice"},
		{"/alice/deep/z", "/home/alice/shared/deep/z", "/deep/z"},
		{"/all", "/", "/all"},
		{"/all/home/carol", "/home/carol", "/all/home/carol"},
		{"/all/home/bob/a", "/home/bob/a", "/a"},
	}
	for _, tt := range tests {
		tree := v.Tree(p(tt.seen))
		if tree.String() != tt.tree {
			t.Errorf("Tree(%s) = %s, want %s", tt.seen, tree, tt.tree)
		}
		if back, ok := v.Seen(tree); !ok || back.String() != tt.back {
			t.Errorf("Seen(%s) = %s, %v, want %s", tree, back, ok, tt.back)
		}
	}
}

// What a granted folder's name hides in the root cannot be named any more, and
// what lies above the root never could.
func TestSeenHidesWhatTheViewDoesNotShow(t *testing.T) {
	own := bob()
	own.Grants = []policy.Grant{at(grant("/shared", policy.Full), "docs")}
	v := policy.Resolve(policy.DefaultSite(), nil, own).View(policy.FTP)
	for _, s := range []string{"/home/bob/docs", "/home/bob/docs/a", "/home", "/", "/home/bobby", "/share"} {
		if seen, ok := v.Seen(p(s)); ok {
			t.Errorf("Seen(%s) = %s, want nothing", s, seen)
		}
	}
}
