package guard_test

import (
	"io"
	"io/fs"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/policy"
	"gatehouse/policy/guard"
)

// A folder is listed as its members are found one by one: the same of them, with
// the same owner and the same rights, however the policy speaks of their names.
func TestMembersAreListedAsTheyAreFound(t *testing.T) {
	w := newWorld(t)
	places := []string{"/", "/home", "/home/ann", "/home/ann/x", "/team", "/team/x", "/team/x/y"}
	w.put("/home/ann/x/f", "f")
	w.put("/home/bob/f", "f")
	w.put("/team/x/y/f", "f")
	w.put("/team/f", "f")
	w.link("x", "/team/l")
	w.link("../../team/f", "/home/ann/l")
	rapid.Check(t, func(rt *rapid.T) {
		place := rapid.SampledFrom(places)
		a := policy.Account{ID: "a", Name: "ann", Role: policy.RoleUser, Home: tp(place.Draw(rt, "home"))}
		top := tp(place.Draw(rt, "root"))
		a.Root = &top
		a.Grants = rapid.SliceOfN(rapid.Custom(func(t *rapid.T) policy.Grant {
			return policy.Grant{
				Path: tp(place.Draw(t, "path")), Recursive: rapid.Bool().Draw(t, "recursive"),
				Permissions: policy.Permissions(rapid.IntRange(0, int(policy.Full)).Draw(t, "rights")),
				At:          rapid.SampledFrom([]string{"", "x", "team"}).Draw(t, "at"),
			}
		}), 0, 4).Draw(rt, "grants")
		within := tp(place.Draw(rt, "scope"))
		e := policy.Resolve(w.site, nil, a).Scoped(policy.Scope{Folder: &within})
		fsys := w.tree.FS(guard.Config{Effective: e, Door: policy.SFTP, Report: (&user{}).note})
		defer fsys.Close(nil)
		for _, folder := range places {
			compareMembers(rt, fsys, folder)
		}
	})
}

// An account always knows of its root: also where it lists the folder that holds
// it, of which no grant shows it the other folders.
func TestTheRootIsListedAmongOthers(t *testing.T) {
	w := newWorld(t)
	w.folder("/home/ann")
	w.folder("/home/bob")
	w.put("/home/f", "f")
	top := tp("/home/ann")
	a := policy.Account{ID: "a", Name: "ann", Role: policy.RoleUser, Root: &top, Grants: []policy.Grant{{Path: tp("/home"), Permissions: policy.List, At: "x"}}}
	u := &user{w: w}
	u.FS = w.tree.FS(guard.Config{Effective: policy.Resolve(w.site, nil, a), Door: policy.SFTP, Report: u.note})
	defer u.FS.Close(nil)
	w.wantNames(u, "/x", "ann", "f")
}

func compareMembers(t *rapid.T, fsys *guard.FS, folder string) {
	at, err := fsys.Stat(t.Context(), tp(folder))
	if err != nil || at.Permissions()&policy.List == 0 {
		return // it shows what leads on, and not its members
	}
	dir, err := fsys.List(t.Context(), tp(folder))
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	listed := map[string]guard.Info{}
	for err == nil {
		var some []guard.Info
		some, err = dir.Next(2)
		for _, i := range some {
			listed[i.Name()] = i
		}
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	found := map[string]guard.Info{}
	for _, name := range []string{"home", "team", "ann", "bob", "x", "y", "f", "l"} {
		p, err := tp(folder).Join(name)
		if err != nil {
			t.Fatal(err)
		}
		i, err := fsys.Lstat(t.Context(), p)
		if shared, still := listed[name]; err == nil && still && !shared.Direct() && shared.Mode()&fs.ModeSymlink == 0 {
			i, err = fsys.Stat(t.Context(), p)
		}
		if err == nil {
			found[name] = i
		}
	}
	if a, b := slices.Sorted(maps.Keys(listed)), slices.Sorted(maps.Keys(found)); !slices.Equal(a, b) {
		t.Fatalf("%s: listed %v, found %v", folder, a, b)
	}
	for name, i := range listed {
		f := found[name]
		if i.Owner() != f.Owner() || i.Permissions() != f.Permissions() || i.ID() != f.ID() {
			t.Fatalf("%s/%s: listed %s %s, found %s %s", folder, name, i.Owner(), i.Permissions(), f.Owner(), f.Permissions())
		}
	}
}

// What a listing gives of the properties of its entries is what a question for
// each would give, and nothing once the account may no longer read.
func TestPropertiesOfMembers(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann", granted("/team", policy.Full))
	w.put("/team/f", "f")
	w.put("/home/ann/f", "f")
	w.put("/home/ann/plain", "f")
	w.folder("/home/ann/d")
	w.link("f", "/home/ann/l")
	want := map[string]string{"f": "file", "d": "folder", "plain": "", "l": "file"}
	for _, name := range []string{"f", "d"} {
		w.must(u.SetProperties(t.Context(), tp("/"+name), map[string][]byte{"p": []byte(want[name])}))
	}
	dir, err := u.List(t.Context(), tp("/"))
	w.must(err)
	defer dir.Close()
	some, err := dir.Next(9)
	w.must(err)
	if len(some) != len(want) {
		t.Fatalf("%d entries", len(some))
	}
	for _, i := range some {
		props, err := dir.Properties(t.Context(), i)
		if err != nil || string(props["p"]) != want[i.Name()] {
			t.Errorf("%s has %q, %v", i.Name(), props, err)
		}
	}
	// The name may stand for something else by now, and large ones are no less there.
	large := make([]byte, 2000)
	w.must(u.SetProperties(t.Context(), tp("/plain"), map[string][]byte{"p": large}))
	for _, i := range some {
		if i.Name() != "plain" {
			continue
		}
		if props, err := dir.Properties(t.Context(), i); err != nil || len(props["p"]) != len(large) {
			t.Errorf("%d bytes, %v", len(props["p"]), err)
		}
	}
	u.change(func(a *policy.Account) { a.Home = tp("/home/other") })
	for _, i := range some {
		if props, err := dir.Properties(t.Context(), i); err == nil {
			t.Errorf("%s still tells %q", i.Name(), props)
		}
	}
}

func BenchmarkList(b *testing.B) {
	w := newWorld(b)
	u := w.user("ann")
	for i := range 1000 {
		w.put("/home/ann/file-"+string(rune('a'+i%26))+string(rune('a'+i/26)), "")
	}
	b.ReportAllocs()
	for b.Loop() {
		d, err := u.List(b.Context(), tp("/"))
		w.must(err)
		for err == nil {
			_, err = d.Next(250)
		}
		w.must(d.Close())
	}
}
