package guard_test

import (
	"context"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/backend/backendtest"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/mount"
	"gatehouse/storage/staging"
)

// An outage is a tree on a disk that may lose power at any moment, with what may
// be found then.
type outage struct {
	*world
	power *backendtest.Power
	sync  string
	user  *user
	// may is what can be found under each name of the home: what was promised,
	// and what is under way.
	may map[string][]string
	// loose are names that are written in place just now.
	loose map[string]bool
	doing deed
	wrong int
	fail  func(format string, args ...any)
}

// A deed is a change that is acknowledged when do returns.
type deed struct {
	what string
	do   func(u *user) error
	// after is what stands under the names then; gone where nothing does.
	after map[string]string
	// moved is what may stand under names that came with others.
	moved map[string][]string
	// always says that the mount's always promises it, and close does not.
	always bool
	// from and to are of a rename: at no time there is nothing at either.
	from, to string
	// inPlace are written where they stand: until it is acknowledged anything may be.
	inPlace []string
}

const (
	gone   = "nothing"
	folded = "a folder"
)

func holding(text string) string { return fmt.Sprintf("%q", text) }

// A joined disk renames and makes durable in one call, between the two parts of
// which power may fail all the same.
type joined struct{ *backendtest.Power }

func (d joined) RenameSync(ctx context.Context, from, to path.Path, replace bool) (renamed bool, err error) {
	if err := d.Rename(ctx, from, to, replace); err != nil {
		return false, err
	}
	return true, d.Sync(ctx, to.Dir())
}

func newOutage(t *testing.T, sync string, how policy.Uploads) *outage {
	t.Helper()
	o := &outage{world: &world{t: t, dir: t.TempDir()}, sync: sync, may: map[string][]string{}, loose: map[string]bool{}, fail: t.Errorf}
	b, err := local.Open(o.dir, local.Options{})
	o.must(err)
	o.power, err = backendtest.NewPower(b)
	o.must(err)
	o.site.Symlinks = policy.Allow
	o.open(mount.Mount{Path: tp("/"), Backend: joined{o.power}, Sync: sync})
	o.user = o.world.user("ann", uploads(how))
	for name, text := range map[string]string{"/old": "old", "/older": "older", "/d/in": "in"} {
		o.put("/home/ann"+name, text)
		o.may[name] = []string{holding(text)}
	}
	o.may["/d"] = []string{folded}
	o.must(o.power.Settle())
	o.power.Then = func() { o.look("in the middle of") }
	return o
}

// plays makes one change after the other, and cuts the power after each step.
func (o *outage) plays(deeds ...deed) {
	o.t.Helper()
	for _, d := range deeds {
		o.doing = d
		for name, is := range d.after {
			o.may[name] = append(slices.Clone(o.before(name)), is)
		}
		for name, any := range d.moved {
			o.may[name] = slices.Concat(o.before(name), any)
		}
		for _, name := range d.inPlace {
			o.loose[name] = true
		}
		if err := d.do(o.user); err != nil {
			o.lost("%s: %v", d.what, err)
			return
		}
		if o.sync == mount.SyncAlways || o.sync == mount.SyncClose && !d.always {
			for name, is := range d.after {
				o.may[name] = []string{is}
			}
			maps.Copy(o.may, d.moved)
			clear(o.loose)
		}
		o.look("after")
		if o.wrong > 0 {
			return
		}
	}
}

func (o *outage) lost(format string, args ...any) {
	o.wrong++
	o.fail(format, args...)
}

func (o *outage) before(name string) []string {
	if is := o.may[name]; is != nil {
		return is
	}
	return []string{gone}
}

// look cuts the power: what is found must be what may be.
func (o *outage) look(when string) {
	if o.sync == mount.SyncNone || o.wrong > 0 {
		return
	}
	names, err := o.power.Names()
	o.must(err)
	for kept, found := range map[string]map[string]backendtest.Survivor{"what it must": o.power.Least(), "every name": names} {
		tree := o.home(o.restarted(found))
		if d := o.doing; d.from != "" && tree[d.from] == "" && tree[d.to] == "" {
			o.lost("the power fails %s %q, and the disk has kept %s: it is at neither", when, d.what, kept)
		}
		for _, name := range slices.Sorted(maps.Keys(o.may)) {
			is, ok := tree[name]
			if !ok {
				is = gone
			}
			if !slices.Contains(o.may[name], is) && !o.loose[name] {
				o.lost("the power fails %s %q, and the disk has kept %s: %s is %s, want %s", when, o.doing.what, kept, name, is, o.may[name])
			}
			delete(tree, name)
		}
		if len(tree) > 0 {
			o.lost("the power fails %s %q, and the disk has kept %s: %v are there as well", when, o.doing.what, kept, tree)
		}
	}
}

// home is what there is for the account.
func (o *outage) home(found map[string]backendtest.Survivor) map[string]string {
	tree := map[string]string{}
	for p, s := range found {
		name, ok := strings.CutPrefix(p, "/home/ann/")
		if !ok {
			continue
		}
		tree["/"+name] = shown(s)
	}
	return tree
}

// shown is a survivor with what attributes and properties it has been given.
func shown(s backendtest.Survivor) string {
	is := s.String()
	if s.Mode.IsRegular() && s.Mode != 0 && s.Mode != local.DefaultFileMode {
		is += fmt.Sprintf(" %#o", s.Mode)
	}
	if !s.Modified.IsZero() && s.Modified.Year() < 2010 {
		is += " of old"
	}
	if color := s.Properties["{x}color"]; color != nil {
		is += " in " + string(color)
	}
	return is
}

// restarted is what there is once the gateway has come up again. Only what was
// put aside comes back then.
func (o *outage) restarted(found map[string]backendtest.Survivor) map[string]backendtest.Survivor {
	if !slices.ContainsFunc(slices.Collect(maps.Keys(found)), func(p string) bool { return strings.HasSuffix(p, ".origin") }) {
		return found
	}
	b, err := local.Open(o.t.TempDir(), local.Options{})
	o.must(err)
	for _, p := range slices.Sorted(maps.Keys(found)) {
		o.must(revive(o.t, b, p, found[p]))
	}
	table, err := mount.New(mount.Mount{Path: tp("/"), Backend: b, Sync: mount.SyncNone})
	o.must(err)
	area, err := staging.New(o.t.Context(), table, "node", "2", 10)
	o.must(err)
	if left := area.Left(); len(left) > 0 {
		o.lost("the start after the power failed in the middle of %q left %v", o.doing.what, left)
	}
	again, err := backendtest.NewPower(b)
	o.must(err)
	defer again.Close()
	return again.Least()
}

// revive puts a survivor on a disk.
func revive(t testing.TB, b backend.Backend, p string, s backendtest.Survivor) error {
	ctx, at := t.Context(), tp(p)
	switch {
	case s.Link != "":
		return b.Symlink(ctx, s.Link, at)
	case s.Mode.IsDir():
		if err := b.Mkdir(ctx, at); err != nil {
			return err
		}
	default:
		f, err := b.Open(ctx, at, backend.How{Write: true, Create: true, Exclusive: true})
		if err != nil {
			return err
		}
		if _, err := f.WriteAt([]byte(s.Text), 0); err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
	}
	if len(s.Properties) > 0 {
		if err := b.SetProperties(ctx, at, s.Properties); err != nil {
			return err
		}
	}
	if mode := s.Mode.Perm(); mode != 0 && s.Mode.Type() == 0 && mode != fs.FileMode(local.DefaultFileMode) {
		if err := b.SetAttr(ctx, at, backend.Attr{Mode: &mode}); err != nil {
			return err
		}
	}
	if s.Modified.IsZero() || s.Modified.Year() >= 2010 {
		return nil
	}
	return b.SetAttr(ctx, at, backend.Attr{Modified: &s.Modified})
}
