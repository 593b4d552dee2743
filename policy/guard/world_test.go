package guard_test

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
	"gatehouse/storage/mount"
	"gatehouse/storage/quota"
	"gatehouse/storage/staging"
	"gatehouse/storage/state/memory"
)

// A world is a tree on a real disk, with everything that a guard works with.
type world struct {
	t      testing.TB
	dir    string // of the mount at /
	tree   *guard.Tree
	mounts *mount.Table
	quotas *quota.Ledger
	locks  *locks.Table
	area   *staging.Area
	site   policy.Site
}

func newWorld(t testing.TB) *world { return newWorldWith(t, nil) }

// newWorldWith mounts further folders of the machine, by their tree paths.
func newWorldWith(t testing.TB, more map[string]string) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	mounts := []mount.Mount{w.mount("/", w.dir)}
	for at, dir := range more {
		mounts = append(mounts, w.mount(at, dir))
	}
	return w.open(mounts...)
}

// open makes all that works with a world's mounts.
func (w *world) open(mounts ...mount.Mount) *world {
	t := w.t
	t.Helper()
	var err error
	w.mounts, err = mount.New(mounts...)
	w.must(err)
	store := memory.New()
	w.area, err = staging.New(t.Context(), w.mounts, "node", "1", 1000)
	w.must(err)
	w.locks = locks.New(store, func(p path.Path) string {
		m, _ := w.mounts.Of(p)
		return m.Path.String()
	})
	w.locks.Alone()
	var tree *guard.Tree
	w.quotas, err = quota.New(t.Context(), store, "node", "1", func(ctx context.Context, p path.Path) (quota.Amount, error) {
		return tree.Walk(ctx, p)
	})
	w.must(err)
	tree = guard.NewTree(guard.TreeConfig{Mounts: w.mounts, Staging: w.area, Quotas: w.quotas, Locks: w.locks})
	w.tree = tree
	t.Cleanup(func() {
		if err := w.quotas.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
		if err := w.mounts.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) mount(at, dir string) mount.Mount {
	w.t.Helper()
	b, err := local.Open(dir, local.Options{})
	w.must(err)
	return mount.Mount{Path: tp(at), Backend: b, Sync: mount.SyncNone}
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func tp(s string) path.Path { return path.MustParse(s) }

// disk is the machine's path of a tree path in the mount at /.
func (w *world) disk(p string) string { return filepath.Join(w.dir, filepath.FromSlash(p)) }

// put makes a file behind the guard's back, with the folders above it.
func (w *world) put(p, content string) {
	w.t.Helper()
	w.folder(filepath.Dir(p))
	w.must(os.WriteFile(w.disk(p), []byte(content), 0o640))
}

func (w *world) folder(p string) {
	w.t.Helper()
	w.must(os.MkdirAll(w.disk(p), 0o750))
}

func (w *world) link(target, p string) {
	w.t.Helper()
	w.must(os.Symlink(target, w.disk(p)))
}

func (w *world) content(p string) string {
	w.t.Helper()
	b, err := os.ReadFile(w.disk(p))
	w.must(err)
	return string(b)
}

func (w *world) exists(p string) bool {
	_, err := os.Lstat(w.disk(p))
	return err == nil
}

// limit sets a quota.
func (w *world) limit(p string, bytes, files int64) {
	w.t.Helper()
	w.must(w.quotas.Set(w.t.Context(), quota.Limit{Folder: tp(p), Amount: quota.Amount{Bytes: bytes, Files: files}}))
}

// checkQuota compares what the ledger says is used with what is on disk.
func (w *world) checkQuota(p string) {
	w.t.Helper()
	u, ok, err := w.quotas.Get(w.t.Context(), tp(p))
	w.must(err)
	if !ok {
		w.t.Fatalf("no quota on %s", p)
	}
	if got, want := u.Used, w.measure(p); got != want {
		w.t.Fatalf("quota of %s: ledger says %+v, disk holds %+v", p, got, want)
	}
}

// measure counts what is on disk, by the machine's own means.
func (w *world) measure(p string) quota.Amount {
	w.t.Helper()
	var sum quota.Amount
	var seen []os.FileInfo
	w.must(filepath.WalkDir(w.disk(p), func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.Name() == mount.Reserved && d.IsDir() {
			return filepath.SkipDir
		}
		info, err := d.Info()
		if err != nil || !info.Mode().IsRegular() {
			return err
		}
		if slices.ContainsFunc(seen, func(o os.FileInfo) bool { return os.SameFile(o, info) }) {
			return nil
		}
		if linked(info) {
			seen = append(seen, info)
		}
		sum.Bytes += info.Size()
		sum.Files++
		return nil
	}))
	return sum
}

// staged lists what lies in the staging folders.
func (w *world) staged() []string {
	w.t.Helper()
	found, err := filepath.Glob(filepath.Join(w.dir, mount.Reserved, "staging", "*", "*"))
	w.must(err)
	return found
}

// A user is an account with a session.
type user struct {
	*guard.FS
	w       *world
	account policy.Account
	scopes  []policy.Scope // of the credential

	mu     sync.Mutex
	events []events.Event
}

// An option changes an account or its session.
type option func(*policy.Account, *guard.Config)

func through(d policy.Door) option {
	return func(_ *policy.Account, c *guard.Config) { c.Door = d }
}

func readOnly(_ *policy.Account, c *guard.Config) {
	c.Effective = c.Effective.Scoped(policy.Scope{ReadOnly: true})
}

func within(p string) option {
	folder := tp(p)
	return func(_ *policy.Account, c *guard.Config) {
		c.Effective = c.Effective.Scoped(policy.Scope{Folder: &folder})
	}
}

func granted(p string, rights policy.Permissions) option {
	return grantedAt(p, rights, "")
}

func grantedAt(p string, rights policy.Permissions, at string) option {
	return func(a *policy.Account, _ *guard.Config) {
		a.Grants = append(a.Grants, policy.Grant{ID: p, Path: tp(p), Permissions: rights, Recursive: true, At: at})
	}
}

func direct(p string, rights policy.Permissions) option {
	return func(a *policy.Account, _ *guard.Config) {
		a.Grants = append(a.Grants, policy.Grant{ID: p, Path: tp(p), Permissions: rights})
	}
}

func root(p string) option {
	return func(a *policy.Account, _ *guard.Config) { r := tp(p); a.Root = &r }
}

func uploads(u policy.Uploads) option {
	return func(a *policy.Account, _ *guard.Config) { a.Uploads = u }
}

func largest(n int64) option {
	return func(a *policy.Account, _ *guard.Config) { a.Limits.LargestUpload = n }
}

// user logs in an account with the home /home/NAME, which is made.
func (w *world) user(name string, options ...option) *user {
	w.t.Helper()
	u := &user{w: w, account: policy.Account{ID: "id-" + name, Name: name, Role: policy.RoleUser, Home: tp("/home/" + name)}}
	c := guard.Config{Door: policy.SFTP, Report: u.note}
	for _, o := range options {
		o(&u.account, &c)
	}
	w.folder(u.account.Home.String())
	u.scopes = c.Effective.Scopes()
	c.Effective = u.effective()
	u.FS = w.tree.FS(c)
	w.t.Cleanup(func() { u.FS.Close(nil) })
	return u
}

// stranger is a user without a home: only grants.
func (w *world) stranger(name string, options ...option) *user {
	w.t.Helper()
	homeless := func(a *policy.Account, _ *guard.Config) {
		a.Home = tp("/nowhere/" + name)
		r := path.Root
		a.Root = &r
	}
	u := w.user(name, append([]option{homeless}, options...)...)
	w.must(os.Remove(w.disk("/nowhere/" + name)))
	w.must(os.Remove(w.disk("/nowhere")))
	return u
}

// GoString keeps the reports of the property tests short.
func (u *user) GoString() string { return u.account.Name + " " + string(u.account.Uploads) }

func (u *user) note(e events.Event) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.events = append(u.events, e)
}

// take returns the events since the last call.
func (u *user) take() []events.Event {
	u.mu.Lock()
	defer u.mu.Unlock()
	all := u.events
	u.events = nil
	return all
}

// change puts a changed account in force.
func (u *user) change(do func(*policy.Account)) {
	do(&u.account)
	u.SetPolicy(u.effective())
}

func (u *user) effective() policy.Effective {
	e := policy.Resolve(u.w.site, nil, u.account)
	for _, s := range u.scopes {
		e = e.Scoped(s)
	}
	return e
}

var newFile = guard.Open{Write: true, Create: true, Truncate: true}

// upload writes a whole file.
func (u *user) upload(p, content string) error {
	f, err := u.Open(u.w.t.Context(), tp(p), newFile)
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(content), 0)
	return errors.Join(err, f.Close())
}

// download reads a whole file.
func (u *user) download(p string) (string, error) {
	f, err := u.Open(u.w.t.Context(), tp(p), guard.Open{Read: true})
	if err != nil {
		return "", err
	}
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 1<<30))
	return string(b), errors.Join(err, f.Close())
}

// names lists a folder.
func (u *user) names(p string) ([]string, error) {
	d, err := u.List(u.w.t.Context(), tp(p))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	names := []string{}
	for {
		some, err := d.Next(3)
		if err == io.EOF {
			slices.Sort(names)
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		for _, i := range some {
			names = append(names, i.Name())
		}
	}
}

// want fails the test where err is not what is wanted.
func (w *world) want(err, want error) {
	w.t.Helper()
	if !errors.Is(err, want) {
		w.t.Fatalf("got error %v, want %v", err, want)
	}
}
