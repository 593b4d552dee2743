package mount_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/mount"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// three is a tree of a root, /m and /far/off/n, with their folders on disk.
func three(t *testing.T) (tree *mount.Table, root, m, n string) {
	t.Helper()
	root, m, n = t.TempDir(), t.TempDir(), t.TempDir()
	tree = table(t,
		mount.Mount{Path: at("/far/off/n"), Backend: disk(t, n), Sync: mount.SyncNone},
		mount.Mount{Path: at("/m"), Backend: disk(t, m)},
		mount.Mount{Backend: disk(t, root)})
	t.Cleanup(func() { must(t, tree.Close()) })
	return tree, root, m, n
}

func list(t *testing.T, b backend.Backend, name string) []backend.Info {
	t.Helper()
	d, err := b.List(t.Context(), at(name))
	must(t, err)
	defer d.Close()
	var all []backend.Info
	for {
		some, err := d.Next(1)
		all = append(all, some...)
		if err == io.EOF {
			slices.SortFunc(all, func(a, b backend.Info) int { return strings.Compare(a.Name, b.Name) })
			return all
		}
		must(t, err)
	}
}

func listed(t *testing.T, b backend.Backend, name string) string {
	t.Helper()
	var names []string
	for _, i := range list(t, b, name) {
		if !i.IsDir() {
			i.Name += "!"
		}
		names = append(names, i.Name)
	}
	return strings.Join(names, " ")
}

func put(t *testing.T, b backend.Backend, name string) error {
	t.Helper()
	f, err := b.Open(t.Context(), at(name), backend.How{Write: true, Create: true})
	if err != nil {
		return err
	}
	return f.Close()
}

func TestNew(t *testing.T) {
	b := disk(t, t.TempDir())
	root := mount.Mount{Backend: b}
	for name, mounts := range map[string][]mount.Mount{
		"no root":       {{Path: at("/m"), Backend: b}},
		"nothing":       {},
		"twice":         {root, {Path: at("/m"), Backend: b}, {Path: at("/m"), Backend: b}},
		"reserved":      {root, {Path: at("/.gatehouse"), Backend: b}},
		"below it":      {root, {Path: at("/m/.Gatehouse/x"), Backend: b}},
		"senseless":     {{Backend: b, Sync: "sometimes"}},
		"root is twice": {root, root},
	} {
		if _, err := mount.New(mounts...); err == nil {
			t.Errorf("%s: was taken", name)
		}
	}
}

func TestOf(t *testing.T) {
	tree, _, _, _ := three(t)
	for p, want := range map[string][2]string{
		"/": {"/", "/"}, "/a/b": {"/", "/a/b"}, "/m": {"/m", "/"}, "/m/x": {"/m", "/x"}, "/mm": {"/", "/mm"},
		"/far": {"/", "/far"}, "/far/off": {"/", "/far/off"}, "/far/off/n/x": {"/far/off/n", "/x"},
	} {
		m, rel := tree.Of(at(p))
		if got := [2]string{m.Path.String(), rel.String()}; got != want {
			t.Errorf("%s: got %v, want %v", p, got, want)
		}
	}
	var paths []string
	for _, m := range tree.Mounts() {
		paths = append(paths, m.Path.String())
	}
	if want := []string{"/", "/far/off/n", "/m"}; !slices.Equal(paths, want) {
		t.Errorf("mounts: got %q, want %q", paths, want)
	}
}

func TestMountPointsAppear(t *testing.T) {
	tree, root, m, n := three(t)
	must(t, put(t, tree, "/m/x"))
	must(t, put(t, tree, "/a"))
	for name, want := range map[string]string{
		"/": "a! far m", "/far": "off", "/far/off": "n", "/far/off/n": "", "/m": "x!",
	} {
		if got := listed(t, tree, name); got != want {
			t.Errorf("%s lists %q, want %q", name, got, want)
		}
	}
	for _, p := range []string{"/m", "/far", "/far/off", "/far/off/n"} {
		i, err := tree.Stat(t.Context(), at(p))
		if err != nil || !i.IsDir() || i.Name != at(p).Base() {
			t.Errorf("stat %s: got %+v, %v, want a folder of that name", p, i, err)
		}
		if s, err := tree.Space(t.Context(), at(p)); err != nil || s.Bytes <= 0 {
			t.Errorf("space of %s: got %+v, %v", p, s, err)
		}
		must(t, tree.Sync(t.Context(), at(p)))
		if props, err := tree.Properties(t.Context(), at(p)); err != nil || len(props) != 0 {
			t.Errorf("properties of %s: got %v, %v", p, props, err)
		}
	}
	// What stands on disk where a mount is, is behind it.
	must(t, os.WriteFile(root+"/m", []byte("hidden"), 0o600))
	must(t, os.Symlink("/etc", root+"/far"))
	for name, want := range map[string]string{"/": "a! far m", "/m": "x!", "/far": "off", "/far/off": "n"} {
		if got := listed(t, tree, name); got != want {
			t.Errorf("with something behind it %s lists %q, want %q", name, got, want)
		}
	}
	if i, err := tree.Stat(t.Context(), at("/far")); err != nil || !i.IsDir() {
		t.Errorf("stat of a folder with a link behind it: got %v, %v, want a folder", i.Mode, err)
	}
	for _, dir := range []string{m, n} {
		if entries, err := os.ReadDir(dir); err != nil || len(entries) > 1 {
			t.Errorf("%s holds %v, %v", dir, entries, err)
		}
	}
}

// A folder that is there only because it leads to a mount can be used as any
// other: it is made when it is first needed.
func TestShellsAreMade(t *testing.T) {
	uses := map[string]func(*mount.Table) error{
		"create":  func(b *mount.Table) error { return put(t, b, "/far/off/x") },
		"mkdir":   func(b *mount.Table) error { return b.Mkdir(t.Context(), at("/far/off/x")) },
		"symlink": func(b *mount.Table) error { return b.Symlink(t.Context(), "y", at("/far/off/x")) },
		"rename":  func(b *mount.Table) error { return b.Rename(t.Context(), at("/a"), at("/far/off/x"), false) },
		"link":    func(b *mount.Table) error { return b.Link(t.Context(), at("/a"), at("/far/off/x")) },
		"place": func(b *mount.Table) error {
			must(t, b.Mounts()[0].Backend.Mkdir(t.Context(), at("/.gatehouse")))
			must(t, b.Mounts()[0].Backend.Mkdir(t.Context(), at("/.gatehouse/x")))
			return b.Place(t.Context(), at("/.gatehouse/x"), at("/far/off/x"), false)
		},
	}
	for name, use := range uses {
		t.Run(name, func(t *testing.T) {
			tree, root, _, _ := three(t)
			must(t, put(t, tree, "/a"))
			must(t, use(tree))
			if got := strings.ReplaceAll(listed(t, tree, "/far/off"), "!", ""); got != "n x" {
				t.Errorf("the folder lists %q, want n and x", got)
			}
			if _, err := os.Lstat(root + "/far/off/x"); err != nil {
				t.Error(err)
			}
		})
	}
	tree, root, _, _ := three(t)
	mode := fs.FileMode(0o700)
	must(t, tree.SetAttr(t.Context(), at("/far/off"), backend.Attr{Mode: &mode}))
	if i, err := os.Stat(root + "/far/off"); err != nil || i.Mode().Perm() != mode {
		t.Errorf("after chmod: %v, %v, want a folder with that mode", i, err)
	}
	if err := put(t, tree, "/far/none/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("create beside the way: got %v, want fs.ErrNotExist", err)
	}
	if _, err := tree.Open(t.Context(), at("/far/none"), backend.How{Read: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open: got %v, want fs.ErrNotExist", err)
	}
}

func TestMountPointsStay(t *testing.T) {
	tree, _, _, _ := three(t)
	must(t, put(t, tree, "/a"))
	must(t, tree.Mkdir(t.Context(), at("/d")))
	ctx := t.Context()
	for _, p := range []string{"/m", "/far", "/far/off", "/far/off/n", "/"} {
		inside := at(p).Append(at("/inside"))
		_, open := tree.Open(ctx, at(p), backend.How{Read: true})
		_, create := tree.Open(ctx, at(p), backend.How{Write: true, Create: true})
		_, exclusive := tree.Open(ctx, at(p), backend.How{Write: true, Create: true, Exclusive: true})
		for what, c := range map[string]struct{ got, want error }{
			"remove":          {tree.Remove(ctx, at(p)), backend.ErrBusy},
			"rmdir":           {tree.RemoveDir(ctx, at(p)), backend.ErrBusy},
			"rename":          {tree.Rename(ctx, at(p), at("/new"), false), backend.ErrBusy},
			"rename inside":   {tree.Rename(ctx, at(p), inside, false), fs.ErrInvalid},
			"rename onto":     {tree.Rename(ctx, at("/a"), at(p), false), fs.ErrExist},
			"rename over":     {tree.Rename(ctx, at("/a"), at(p), true), backend.ErrBusy},
			"folder over":     {tree.Rename(ctx, at("/d"), at(p), true), backend.ErrBusy},
			"mkdir":           {tree.Mkdir(ctx, at(p)), fs.ErrExist},
			"symlink":         {tree.Symlink(ctx, "x", at(p)), fs.ErrExist},
			"link onto":       {tree.Link(ctx, at("/a"), at(p)), fs.ErrExist},
			"link":            {tree.Link(ctx, at(p), at("/new")), backend.ErrIsDir},
			"open":            {open, backend.ErrIsDir},
			"create":          {create, backend.ErrIsDir},
			"create anew":     {exclusive, fs.ErrExist},
			"may be new":      {tree.Admits(at(p)), fs.ErrExist},
			"take":            {tree.Take(ctx, at(p), at("/.gatehouse/x")), backend.ErrBusy},
			"place":           {tree.Place(ctx, at("/.gatehouse/x"), at(p), false), fs.ErrExist},
			"place, replaces": {tree.Place(ctx, at("/.gatehouse/x"), at(p), true), backend.ErrIsDir},
		} {
			if p == "/" && what == "rename" {
				c.want = fs.ErrInvalid // into itself
			}
			if !errors.Is(c.got, c.want) {
				t.Errorf("%s of %s: got %v, want %v", what, p, c.got, c.want)
			}
		}
	}
	if got := listed(t, tree, "/"); got != "a! d far m" {
		t.Errorf("the root lists %q", got)
	}
}

func TestAcrossMounts(t *testing.T) {
	tree, _, _, _ := three(t)
	must(t, put(t, tree, "/a"))
	must(t, put(t, tree, "/m/b"))
	ctx := t.Context()
	for _, c := range [][2]string{{"/a", "/m/a"}, {"/m/b", "/b"}, {"/m/b", "/far/off/n/b"}} {
		for what, err := range map[string]error{
			"rename":           tree.Rename(ctx, at(c[0]), at(c[1]), false),
			"rename, replaces": tree.Rename(ctx, at(c[0]), at(c[1]), true),
			"link":             tree.Link(ctx, at(c[0]), at(c[1])),
		} {
			le := (*os.LinkError)(nil)
			if !errors.Is(err, backend.ErrCrossMount) || !errors.As(err, &le) || le.Old != c[0] || le.New != c[1] {
				t.Errorf("%s %v: got %v, want ErrCrossMount with both paths", what, c, err)
			}
		}
	}
	must(t, tree.Rename(ctx, at("/m/b"), at("/m/c"), false))
	if got := listed(t, tree, "/m"); got != "c!" {
		t.Errorf("/m lists %q, want c", got)
	}
}

// away is a store that does not answer.
type away struct{ backend.Backend }

var errAway = errors.New("away")

func (away) Stat(context.Context, path.Path) (backend.Info, error) { return backend.Info{}, errAway }
func (away) List(context.Context, path.Path) (backend.Dir, error)  { return nil, errAway }
func (away) Close() error                                          { return errAway }

func TestStoreAway(t *testing.T) {
	tree := table(t, mount.Mount{Backend: disk(t, t.TempDir())}, mount.Mount{Path: at("/m"), Backend: away{}})
	if got := listed(t, tree, "/"); got != "m" {
		t.Errorf("the root lists %q, want the mount point all the same", got)
	}
	if _, err := tree.List(t.Context(), at("/m")); !errors.Is(err, errAway) {
		t.Errorf("list: got %v, want the store's error", err)
	}
	if err := tree.Close(); !errors.Is(err, errAway) {
		t.Errorf("close: got %v, want the store's error", err)
	}
}

type poor struct{ backend.Backend }

func (poor) Capabilities() backend.Capabilities { return backend.Capabilities{RandomWrite: true} }

func TestCapabilitiesAreThoseOfAll(t *testing.T) {
	rich := disk(t, t.TempDir())
	if got := table(t, mount.Mount{Backend: rich}).Capabilities(); got != rich.Capabilities() {
		t.Errorf("one mount: got %+v, want its own", got)
	}
	tree := table(t, mount.Mount{Backend: rich}, mount.Mount{Path: at("/m"), Backend: poor{rich}})
	if got, want := tree.Capabilities(), (backend.Capabilities{RandomWrite: true}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	must(t, rich.Close())
}

func TestClashes(t *testing.T) {
	top := t.TempDir()
	for _, dir := range []string{"/data/files", "/config", "/srv/a/b", "/srv/ab", "/bind"} {
		must(t, os.MkdirAll(top+dir, 0o755))
	}
	must(t, os.Symlink(top+"/srv/a", top+"/link"))
	private := []mount.Folder{{Key: "data", Dir: top + "/data"}, {Key: "config", Dir: top + "/config"}}
	for name, c := range map[string]struct {
		dirs []string
		want int
	}{
		"beside each other":         {[]string{"/srv/a", "/srv/ab", "/data/files"}, 0},
		"the same":                  {[]string{"/srv/a", "/srv/a"}, 1},
		"the same, spelt otherwise": {[]string{"/srv/a", "/srv/x/../a/"}, 1},
		"through a link":            {[]string{"/srv/a", "/link"}, 1},
		"in it through a link":      {[]string{"/link/b", "/srv/a"}, 1},
		"in it":                     {[]string{"/srv/a/b", "/srv/a"}, 1},
		"above it":                  {[]string{"/srv/a", "/srv/a/b"}, 1},
		"not there yet":             {[]string{"/srv/new/x", "/srv/new/y"}, 0},
		"the same, not there yet":   {[]string{"/srv/new/x", "/srv/new/x"}, 1},
		"in it, not there yet":      {[]string{"/srv/new/x/y", "/srv/new"}, 1},
		"not there yet, in a link":  {[]string{"/link/new/x", "/srv/a/new"}, 1},
		"the data":                  {[]string{"/data"}, 1},
		"holds data and config":     {[]string{""}, 2},
		"above all, and one in it":  {[]string{"/", "/srv/a"}, 3},
	} {
		var mounted []mount.Folder
		for i, dir := range c.dirs {
			mounted = append(mounted, mount.Folder{Key: fmt.Sprintf("mounts[%d].dir", i), Dir: top + dir})
		}
		clashes, err := mount.Clashes(mounted, private)
		if err != nil || len(clashes) != c.want {
			t.Errorf("%s: got %v, %v, want %d", name, clashes, err, c.want)
		}
		for _, clash := range clashes {
			if !strings.HasPrefix(clash.Key, "mounts[") || !strings.Contains(clash.Why, top) {
				t.Errorf("%s: %+v does not say which", name, clash)
			}
		}
	}
	if os.Getuid() != 0 || unix.Mount(top+"/srv/a", top+"/bind", "", unix.MS_BIND, "") != nil {
		t.Skip("cannot make bind mounts")
	}
	defer func() { must(t, unix.Unmount(top+"/bind", 0)) }()
	clashes, err := mount.Clashes([]mount.Folder{{"a", top + "/srv/a"}, {"b", top + "/bind"}}, nil)
	if err != nil || len(clashes) != 1 {
		t.Errorf("a bind mount: got %v, %v, want a clash", clashes, err)
	}
}

// What only appears in a folder, and what is reserved, is not asked for through
// it: the folder of the store below may hold something else by that name.
func TestPropertiesOfWhatAppears(t *testing.T) {
	tree, root, _, _ := three(t)
	for _, name := range []string{"m", ".gatehouse", "a", ".Gatehouse"} {
		must(t, os.MkdirAll(root+"/"+name, 0o755))
	}
	d, err := tree.List(t.Context(), at("/"))
	must(t, err)
	for name, hidden := range map[string]bool{"m": true, ".gatehouse": true, ".Gatehouse": true, "a": false} {
		if props, err := d.Properties(name); (err != nil) != hidden {
			t.Errorf("%s: %q, %v", name, props, err)
		}
	}
	must(t, d.Close())
}
