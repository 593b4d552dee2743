package guard_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/locks"
	"gatehouse/storage/mount"
	"gatehouse/storage/quota"
	"gatehouse/storage/staging"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// twoNodes are two worlds on one folder and one store, as two processes have them:
// what keeps them apart are the locks of open files, which are of each open.
type twoNodes struct {
	*world
	there *world
	store state.Store
	fence [2]func() error
	lives [2]*life
	dead  *world // a node that was killed
	// rough says that a name may change between two calls of the kernel that are one
	// to the guard: the figure may then be less until it is counted anew.
	rough bool
}

func newTwoNodes(t testing.TB) *twoNodes {
	t.Helper()
	n := &twoNodes{store: memory.New()}
	dir := t.TempDir()
	n.world = n.node(t, dir, 0)
	n.there = n.node(t, dir, 1)
	return n
}

// slow is a store that takes a moment before and after each call, so that others come
// between two of them.
type slow struct{ backend.Backend }

func moment() { time.Sleep(time.Duration(rand.IntN(400)) * time.Microsecond) }

func (s slow) Open(ctx context.Context, p path.Path, how backend.How) (backend.File, error) {
	moment()
	defer moment()
	return s.Backend.Open(ctx, p, how)
}

func (s slow) Stat(ctx context.Context, p path.Path) (backend.Info, error) {
	moment()
	defer moment()
	return s.Backend.Stat(ctx, p)
}

func (s slow) Remove(ctx context.Context, p path.Path) error {
	moment()
	defer moment()
	return s.Backend.Remove(ctx, p)
}

func (s slow) Rename(ctx context.Context, from, to path.Path, replace bool) error {
	moment()
	defer moment()
	return s.Backend.Rename(ctx, from, to, replace)
}

func (s slow) Link(ctx context.Context, from, to path.Path) error {
	moment()
	defer moment()
	return s.Backend.Link(ctx, from, to)
}

// node opens the world of one node.
func (n *twoNodes) node(t testing.TB, dir string, i int) *world {
	t.Helper()
	w := &world{t: t, dir: dir}
	var err error
	m := w.mount("/", dir)
	l := &life{open: make(map[*livingFile]struct{})}
	l.held.Store(true)
	n.lives[i] = l
	m.Backend = slow{living{m.Backend, l}}
	w.mounts, err = mount.New(m)
	w.must(err)
	name := fmt.Sprint("node", i)
	w.area, err = staging.New(t.Context(), w.mounts, name, "1", 1000)
	w.must(err)
	store := reached{n.store, l}
	w.locks = locks.New(store, func(path.Path) string { return "/" })
	w.quotas = n.ledger(t, name, store, func(ctx context.Context, p path.Path) (quota.Amount, error) { return w.tree.Walk(ctx, p) })
	w.quotas.Share(quota.Sharing{Held: func() bool { return l.fence() == nil }})
	w.tree = guard.NewTree(guard.TreeConfig{
		Mounts: w.mounts, Staging: w.area, Quotas: w.quotas, Locks: w.locks,
		Fence: func() error {
			if n.fence[i] != nil {
				return n.fence[i]()
			}
			return l.fence()
		},
	})
	t.Cleanup(func() { w.must(w.mounts.Close()) })
	return w
}

func (n *twoNodes) ledger(t testing.TB, name string, s state.Store, walk quota.Walker) *quota.Ledger {
	t.Helper()
	l, err := quota.New(t.Context(), s, name, "1", walk)
	if err != nil {
		t.Fatal(err)
	}
	l.Share(quota.Sharing{})
	t.Cleanup(func() {
		if err := l.Close(context.WithoutCancel(t.Context())); err != nil && !errors.Is(err, errKilled) {
			t.Error(err)
		}
	})
	return l
}

// limit sets a quota, which both nodes know then.
func (n *twoNodes) limit(p string, bytes, files int64) {
	n.t.Helper()
	n.world.limit(p, bytes, files)
	for {
		if l, ok := n.there.quotas.On(tp(p)); ok && l.Bytes == bytes {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// settle ends both ledgers and compares what they have booked with what is on disk: it
// is never less, more only where the figure is known to be in doubt, and exact once it
// was counted anew. It tells whether one was in doubt.
func (n *twoNodes) settle(folders ...string) (doubted bool) {
	n.t.Helper()
	ctx := context.WithoutCancel(n.t.Context())
	for _, w := range []*world{n.world, n.there} {
		if w != n.dead {
			n.must(w.quotas.Close(ctx))
		}
	}
	for _, p := range folders {
		booked, doubt := n.booked(p)
		want := n.measure(p)
		less := booked.Bytes < want.Bytes || booked.Files < want.Files
		if less && !n.rough || !doubt && booked != want {
			n.t.Errorf("quota of %s: booked %+v, on disk %+v (in doubt: %v)", p, booked, want, doubt)
		}
		doubted = doubted || doubt
	}
	last := n.ledger(n.t, "last", n.store, n.there.tree.Walk)
	for _, p := range folders {
		u, ok, err := last.Get(ctx, tp(p))
		n.must(err)
		if doubted {
			u, err = last.Rescan(ctx, tp(p))
			n.must(err)
		}
		if want := n.measure(p); !ok || u.Used != want {
			n.t.Errorf("quota of %s, counted anew: booked %+v, on disk %+v", p, u.Used, want)
		}
	}
	n.must(last.Close(ctx))
	return doubted
}

// booked is what the store says of a quota, and whether that is in doubt.
func (n *twoNodes) booked(folder string) (used quota.Amount, doubt bool) {
	n.t.Helper()
	ctx := context.WithoutCancel(n.t.Context())
	r, err := n.store.Get(ctx, "quotas", "quota"+folder)
	n.must(err)
	var kept struct{ ID string }
	n.must(json.Unmarshal(r.Value, &kept))
	for name, figure := range map[string]*int64{"bytes": &used.Bytes, "files": &used.Files} {
		v, err := n.store.Count(ctx, "quota:"+kept.ID, state.Lease{Name: name, Holder: "test"})
		n.must(err)
		*figure = v.Used
	}
	_, err = n.store.Get(ctx, "quotas:open", kept.ID+"/doubted")
	return used, err == nil
}

// What nodes do one after the other is exact, whichever does it: nothing is in doubt.
func TestNodesInTurn(t *testing.T) {
	for _, how := range []policy.Uploads{policy.InPlace, policy.Atomic} {
		t.Run(string(how), func(t *testing.T) {
			n := newTwoNodes(t)
			n.folder("/home/ann/d")
			n.limit("/home/ann", 100, 10)
			n.limit("/home/ann/d", 100, 10)
			here, there := n.user("ann", uploads(how)), n.there.user("ann", uploads(how))
			n.must(here.upload("/a", "12345"))
			n.must(there.upload("/a", "123"))
			n.must(here.upload("/b", "1234567890"))
			n.must(there.Rename(t.Context(), tp("/a"), tp("/b"), guard.ReplaceFile))
			n.must(here.upload("/c", "1"))
			n.must(there.Copy(t.Context(), tp("/b"), tp("/c"), guard.CopyHow{Replace: guard.ReplaceFile}))
			n.must(here.Remove(t.Context(), tp("/b")))
			size := int64(1)
			n.must(there.SetAttr(t.Context(), tp("/c"), backend.Attr{Size: &size}))
			n.must(here.upload("/e", "123456"))
			n.must(there.upload("/e", "1234567"))
			if n.settle("/home/ann", "/home/ann/d") {
				t.Error("a figure is in doubt")
			}
		})
	}
}

// What is full for one node has room as soon as another has made some.
func TestRoomMadeElsewhere(t *testing.T) {
	n := newTwoNodes(t)
	n.folder("/home/ann")
	n.limit("/home/ann", 100, 3)
	here, there := n.user("ann"), n.there.user("ann")
	for i := range 4 {
		n.must(here.upload("/a", string(make([]byte, 100))))
		n.want(there.upload("/b", "1"), quota.ErrExceeded)
		n.must(there.Remove(t.Context(), tp("/b"))) // in place it is made before there is no room
		n.must(there.Remove(t.Context(), tp("/a")))
		if err := here.upload("/c", string(make([]byte, 100-i))); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
		n.must(there.Remove(t.Context(), tp("/c")))
	}
	n.settle("/home/ann")
}

// A file that one node writes to in place no other one does; it is removed and
// replaced all the same, and nobody guesses how much that frees.
func TestFileThatAnotherNodeWrites(t *testing.T) {
	n := newTwoNodes(t)
	n.folder("/home/ann")
	n.limit("/home/ann", 1000, 10)
	here, there := n.user("ann"), n.there.user("ann")
	size := int64(1)
	tests := map[string]struct {
		do   func(p string) error
		want error
	}{
		"write in place": {func(p string) error { return there.upload(p, "x") }, backend.ErrInUse},
		"truncate":       {func(p string) error { return there.SetAttr(t.Context(), tp(p), backend.Attr{Size: &size}) }, backend.ErrInUse},
		"link":           {func(p string) error { return there.Link(t.Context(), tp(p), tp(p+"-too")) }, backend.ErrInUse},
		"remove":         {func(p string) error { return there.Remove(t.Context(), tp(p)) }, nil},
		"put a whole file in its place": {func(p string) error {
			f, err := there.Open(t.Context(), tp(p), guard.Open{Write: true, Create: true, Truncate: true, Atomic: true})
			if err != nil {
				return err
			}
			_, err = f.WriteAt([]byte("whole"), 0)
			return errors.Join(err, f.Close())
		}, nil},
		"set its times": {func(p string) error {
			now := time.Now()
			return there.SetAttr(t.Context(), tp(p), backend.Attr{Modified: &now})
		}, nil},
	}
	i := 0
	for name, c := range tests {
		p := fmt.Sprintf("/f%d", i)
		i++
		f, err := here.Open(t.Context(), tp(p), newFile)
		n.must(err)
		_, err = f.WriteAt(make([]byte, 20), 0)
		n.must(err)
		if err := c.do(p); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		_, _ = f.WriteAt(make([]byte, 20), 20)
		_ = f.Close()
		if err := there.upload(p, "x"); err != nil {
			t.Errorf("%s: the file is kept from the other node when it is closed: %v", name, err)
		}
	}
	if !n.settle("/home/ann") {
		t.Error("no figure is in doubt")
	}
}

// A node that may have been declared dead changes nothing, and reads on.
func TestFence(t *testing.T) {
	n := newTwoNodes(t)
	n.put("/home/ann/old", "12345")
	n.limit("/home/ann", 1000, 10)
	u := n.user("ann")
	whole := guard.Open{Write: true, Create: true, Truncate: true, Atomic: true}
	staged, err := u.Open(t.Context(), tp("/staged"), whole)
	n.must(err)
	_, err = staged.WriteAt([]byte("one"), 0)
	n.must(err)
	written, err := u.Open(t.Context(), tp("/written"), newFile)
	n.must(err)
	out := fmt.Errorf("%w: paused", state.ErrAway)
	n.fence[0] = func() error { return out }
	size, now := int64(1), time.Now()
	for name, do := range map[string]func() error{
		"a piece of a staged upload": func() error { _, err := staged.WriteAt([]byte("two"), 3); return err },
		"a piece in place":           func() error { _, err := written.WriteAt([]byte("two"), 0); return err },
		"a size":                     func() error { return written.Truncate(9) },
		"times of an open file":      func() error { return written.SetAttr(backend.Attr{Modified: &now}) },
		"a new file":                 func() error { return u.upload("/new", "") },
		"an old file":                func() error { return u.upload("/old", "1") },
		"remove":                     func() error { return u.Remove(t.Context(), tp("/old")) },
		"remove all":                 func() error { return u.RemoveAll(t.Context(), tp("/old")) },
		"rename":                     func() error { return u.Rename(t.Context(), tp("/old"), tp("/new"), guard.KeepTarget) },
		"copy":                       func() error { return u.Copy(t.Context(), tp("/old"), tp("/new"), guard.CopyHow{}) },
		"mkdir":                      func() error { return u.Mkdir(t.Context(), tp("/d"), 0) },
		"setattr":                    func() error { return u.SetAttr(t.Context(), tp("/old"), backend.Attr{Size: &size}) },
		"property": func() error {
			return u.SetProperties(t.Context(), tp("/old"), map[string][]byte{"a": []byte("b")})
		},
		"lock": func() error { _, _, err := u.Lock(t.Context(), tp("/old"), guard.LockRequest{}); return err },
		"put a whole file in its place": func() error {
			f, err := u.Open(t.Context(), tp("/old"), whole)
			if err == nil {
				err = f.Close()
			}
			return err
		},
	} {
		if err := do(); !errors.Is(err, state.ErrAway) {
			t.Errorf("%s: %v", name, err)
		}
	}
	n.want(staged.Close(), state.ErrAway)
	if got, err := u.download("/old"); got != "12345" || err != nil {
		t.Errorf("reading: %q, %v", got, err)
	}
	_ = written.Close()
	for _, p := range []string{"/staged", "/new", "/d"} {
		if n.exists("/home/ann" + p) {
			t.Errorf("%s is there", p)
		}
	}
	n.fence[0] = nil
	n.must(u.upload("/new", "1"))
	n.settle("/home/ann")
}

// A process stands still in the middle of a piece, and is taken for dead meanwhile: what
// it then writes is taken back, for its room is somebody else's.
func TestPieceOfTheDead(t *testing.T) {
	n := newTwoNodes(t)
	n.folder("/home/ann")
	n.limit("/home/ann", 1000, 10)
	u := n.user("ann")
	f, err := u.Open(t.Context(), tp("/f"), newFile)
	n.must(err)
	_, err = f.WriteAt(make([]byte, 20), 0)
	n.must(err)
	asked := 0
	n.fence[0] = func() error {
		if asked++; asked == 1 {
			return nil
		}
		return fmt.Errorf("%w: dead", state.ErrAway)
	}
	if _, err = f.WriteAt(make([]byte, 50), 10); !errors.Is(err, state.ErrAway) {
		t.Errorf("got %v", err)
	}
	if got := n.content("/home/ann/f"); len(got) != 20 {
		t.Errorf("%d bytes are left", len(got))
	}
	_ = f.Close()
}

// A node that was declared dead wakes up with an upload whose folder another node has
// cleared away: it takes nobody's place any more.
func TestUploadOfTheDead(t *testing.T) {
	n := newTwoNodes(t)
	n.put("/home/ann/f", "old")
	u := n.user("ann", uploads(policy.Atomic))
	for _, p := range []string{"/f", "/new"} {
		f, err := u.Open(t.Context(), tp(p), newFile)
		n.must(err)
		_, err = f.WriteAt([]byte("late"), 0)
		n.must(err)
		n.must(n.there.area.Reap(t.Context(), "node0", "1"))
		if err := f.Close(); err == nil {
			t.Errorf("%s was put in place", p)
		}
	}
	if n.content("/home/ann/f") != "old" || n.exists("/home/ann/new") {
		t.Error("an upload of the dead is in place")
	}
}

// Somebody locks a file over one node while an upload over another is under way: the
// upload does not take its place.
func TestLockOverAnotherNode(t *testing.T) {
	n := newTwoNodes(t)
	n.put("/home/ann/f", "old")
	u, locker := n.user("ann", uploads(policy.Atomic)), n.there.user("ann")
	f, err := u.Open(t.Context(), tp("/f"), newFile)
	n.must(err)
	_, err = f.WriteAt([]byte("new"), 0)
	n.must(err)
	l, _, err := locker.Lock(t.Context(), tp("/f"), guard.LockRequest{})
	n.must(err)
	n.want(f.Close(), locks.ErrLocked)
	if got := n.content("/home/ann/f"); got != "old" {
		t.Errorf("it holds %q", got)
	}
	n.want(locker.Rename(t.Context(), tp("/f"), tp("/g"), guard.KeepTarget), locks.ErrLocked)
	n.must(locker.Unlock(t.Context(), tp("/f"), l.Token))
	n.must(u.upload("/f", "new"))
}
