package mount_test

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"gatehouse/storage/backend"
)

// The gateway's own folder does not exist for anybody, and nobody can make it:
// at the top of each mount, in every spelling that a file system may fold.
func TestReserved(t *testing.T) {
	tree, root, m, _ := three(t)
	for _, dir := range []string{root, m} {
		must(t, os.MkdirAll(dir+"/.gatehouse/staging", 0o700))
		must(t, os.WriteFile(dir+"/.gatehouse/staging/x", []byte("secret"), 0o600))
		must(t, os.Mkdir(dir+"/.GateHouse", 0o700))
	}
	must(t, put(t, tree, "/a"))
	must(t, put(t, tree, "/m/a"))
	ctx := t.Context()
	for _, base := range []string{"/", "/m"} {
		a := at(base).Append(at("/a"))
		for _, name := range []string{"/.gatehouse", "/.GATEHOUSE", "/.gatehou\u017fe", "/.gatehouse/staging", "/.gatehouse/staging/x"} {
			p := at(base).Append(at(name))
			top := p.Dir() == at(base)
			mode, read := fs.FileMode(0o777), backend.How{Read: true}
			_, stat := tree.Stat(ctx, p)
			_, open := tree.Open(ctx, p, read)
			_, write := tree.Open(ctx, p, backend.How{Write: true})
			_, create := tree.Open(ctx, p, backend.How{Write: true, Create: true})
			_, ls := tree.List(ctx, p)
			_, readlink := tree.Readlink(ctx, p)
			_, props := tree.Properties(ctx, p)
			_, space := tree.Space(ctx, p)
			for what, err := range map[string]error{
				"stat": stat, "open": open, "write": write, "list": ls, "readlink": readlink, "properties": props, "space": space,
				"remove": tree.Remove(ctx, p), "rmdir": tree.RemoveDir(ctx, p),
				"rename": tree.Rename(ctx, p, at("/new"), false), "link": tree.Link(ctx, p, at("/new")),
				"setattr":       tree.SetAttr(ctx, p, backend.Attr{Mode: &mode}),
				"setproperties": tree.SetProperties(ctx, p, map[string][]byte{"x": nil}),
				"sync":          tree.Sync(ctx, p), "take": tree.Take(ctx, p, at("/.gatehouse/y")),
			} {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s of %s: got %v, want fs.ErrNotExist", what, p, err)
				}
			}
			want := fs.ErrNotExist // there is no folder for it
			if top {
				want = fs.ErrInvalid
			}
			for what, err := range map[string]error{
				"create": create, "mkdir": tree.Mkdir(ctx, p), "symlink": tree.Symlink(ctx, "x", p),
				"rename to": tree.Rename(ctx, a, p, true), "link to": tree.Link(ctx, a, p),
				"may be new": tree.Admits(p), "place": tree.Place(ctx, at("/.gatehouse/staging/x"), p, true),
			} {
				if !errors.Is(err, want) {
					t.Errorf("%s %s: got %v, want %v", what, p, err, want)
				}
			}
		}
		if got := listed(t, tree, base); strings.Contains(strings.ToLower(got), "gatehouse") {
			t.Errorf("%s lists %q", base, got)
		}
	}
	// Deeper down it is a name like any other.
	must(t, tree.Mkdir(ctx, at("/d")))
	must(t, tree.Mkdir(ctx, at("/d/.gatehouse")))
	must(t, put(t, tree, "/d/.gatehouse/x"))
	if got := listed(t, tree, "/d"); got != ".gatehouse" {
		t.Errorf("/d lists %q, want a folder of that name", got)
	}
	if err := tree.Place(ctx, at("/d"), at("/new"), false); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("placed from outside the reserved folder: got %v", err)
	}
	if err := tree.Take(ctx, at("/d"), at("/e")); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("taken to outside the reserved folder: got %v", err)
	}
}

func TestPlaceAndTake(t *testing.T) {
	tree, _, m, _ := three(t)
	must(t, os.Mkdir(m+"/.gatehouse", 0o700))
	must(t, put(t, tree, "/m/a"))
	must(t, tree.Take(t.Context(), at("/m/a"), at("/.gatehouse/x")))
	if got := listed(t, tree, "/m"); got != "" {
		t.Errorf("/m lists %q after all was taken", got)
	}
	must(t, tree.Place(t.Context(), at("/.gatehouse/x"), at("/m/b"), false))
	if got := listed(t, tree, "/m"); got != "b!" {
		t.Errorf("/m lists %q, want b", got)
	}
	err := tree.Take(t.Context(), at("/m/none"), at("/.gatehouse/x"))
	if pe := (*fs.PathError)(nil); !errors.As(err, &pe) || pe.Path != "/m/none" || !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("take of nothing: got %v, want fs.ErrNotExist of /m/none", err)
	}
}
