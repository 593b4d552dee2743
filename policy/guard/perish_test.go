package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/locks"
	"gatehouse/storage/quota"
	"gatehouse/storage/state"
)

var errKilled = errors.New("the process is dead")

// A life is a process: once it is killed nothing of it reaches the disk or the store,
// and the kernel closes what it had open.
type life struct {
	mu   sync.RWMutex // read-locked by each call of the system
	over bool
	open map[*livingFile]struct{}
	held atomic.Bool // whether it is heard of
	// next is what others do right before the next such call.
	next map[string]func()
	// files guards open.
	files sync.Mutex
}

func (l *life) does(do func() error) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.over {
		return errKilled
	}
	return do()
}

// come lets others do what they do right before a call.
func (l *life) come(call string) {
	if do := l.next[call]; do != nil {
		delete(l.next, call)
		do()
	}
}

func (l *life) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.over = true
	for _, f := range slices.Collect(maps.Keys(l.open)) {
		f.end()
	}
}

func (l *life) fence() error {
	if !l.held.Load() {
		return fmt.Errorf("%w: not heard of", state.ErrAway)
	}
	return nil
}

// living is the disk as a process has it.
type living struct {
	backend.Backend
	life *life
}

func (b living) Open(ctx context.Context, p path.Path, how backend.How) (f backend.File, err error) {
	err = b.life.does(func() error {
		f, err = b.Backend.Open(ctx, p, how)
		if err != nil {
			return err
		}
		open := &livingFile{File: f, life: b.life, at: p}
		b.life.files.Lock()
		defer b.life.files.Unlock()
		b.life.open[open] = struct{}{}
		f = open
		return nil
	})
	return f, err
}

func (b living) Mkdir(ctx context.Context, p path.Path) error {
	return b.life.does(func() error { return b.Backend.Mkdir(ctx, p) })
}

func (b living) Remove(ctx context.Context, p path.Path) error {
	b.life.come("take " + p.String())
	return b.life.does(func() error { return b.Backend.Remove(ctx, p) })
}

func (b living) RemoveDir(ctx context.Context, p path.Path) error {
	return b.life.does(func() error { return b.Backend.RemoveDir(ctx, p) })
}

func (b living) Rename(ctx context.Context, from, to path.Path, replace bool) error {
	b.life.come("take " + from.String())
	b.life.come("place " + to.String())
	return b.life.does(func() error { return b.Backend.Rename(ctx, from, to, replace) })
}

func (b living) Link(ctx context.Context, from, to path.Path) error {
	return b.life.does(func() error { return b.Backend.Link(ctx, from, to) })
}

func (b living) SetAttr(ctx context.Context, p path.Path, a backend.Attr) error {
	return b.life.does(func() error { return b.Backend.SetAttr(ctx, p, a) })
}

type livingFile struct {
	backend.File
	life   *life
	at     path.Path
	mu     sync.Mutex // guards what follows
	locks  []func() error
	closed bool
}

func (f *livingFile) OS() *os.File { return nil }

func (f *livingFile) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.life.does(func() error { n, err = f.File.WriteAt(p, off); return err })
	return n, err
}

func (f *livingFile) Truncate(size int64) error {
	return f.life.does(func() error { return f.File.Truncate(size) })
}

func (f *livingFile) SetAttr(a backend.Attr) error {
	return f.life.does(func() error { return f.File.SetAttr(a) })
}

func (f *livingFile) Lock() (func() error, error) {
	f.life.come("lock " + f.at.String())
	unlock, err := f.File.(backend.Locker).Lock()
	if err != nil {
		return nil, err
	}
	once := sync.OnceValue(unlock)
	f.mu.Lock()
	f.locks = append(f.locks, once)
	f.mu.Unlock()
	f.life.mu.RLock()
	defer f.life.mu.RUnlock()
	if f.life.over {
		_ = once()
		return nil, errKilled
	}
	return once, nil
}

func (f *livingFile) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return nil
	}
	f.closed = true
	return f.File.Close()
}

// end is what the kernel does for the dead.
func (f *livingFile) end() {
	f.mu.Lock()
	locks := f.locks
	f.mu.Unlock()
	for _, unlock := range locks {
		_ = unlock()
	}
	_ = f.Close()
}

// reached is the store as a process reaches it.
type reached struct {
	state.Store
	life *life
}

func (s reached) Apply(ctx context.Context, b state.Batch) (r state.Result, err error) {
	err = s.life.does(func() error { r, err = s.Store.Apply(ctx, b); return err })
	return r, err
}

func (s reached) Count(ctx context.Context, scope string, op state.CounterOp) (v state.CounterValue, err error) {
	err = s.life.does(func() error { v, err = s.Store.Count(ctx, scope, op); return err })
	return v, err
}

// bury has the second node settle what the first left when it was killed.
func (n *twoNodes) bury() {
	n.t.Helper()
	ctx := context.WithoutCancel(n.t.Context())
	n.lives[0].kill()
	n.dead = n.world
	n.must(n.there.area.Reap(ctx, "node0", "1"))
	n.must(n.there.quotas.Bury(ctx, "node0", "1"))
}

// Two nodes change everything at once, in place and as a whole, over names and trees in
// two quotas. Now and then one is not heard of, and in the end one is killed in the
// middle of it all, and buried by the other. The figures are never too small, and those
// of the disk once they were counted; nothing is left of the dead one's uploads.
func TestNodesThatDie(t *testing.T) {
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			n := newTwoNodes(t)
			n.rough = true
			n.folder("/home/ann/x/d")
			n.folder("/home/ann/y/d")
			limited := []string{"/home/ann/x", "/home/ann/y"}
			for _, p := range limited {
				n.limit(p, 5000, 20)
			}
			done := make(chan struct{})
			var lapses, all sync.WaitGroup
			lapses.Go(func() { n.lapse(rand.New(rand.NewPCG(seed, 99)), done) })
			for i := range 6 {
				w := []*world{n.world, n.there}[i%2]
				random := rand.New(rand.NewPCG(seed, uint64(i)))
				u := w.user("ann", uploads([]policy.Uploads{policy.InPlace, policy.Atomic}[random.IntN(2)]))
				all.Go(func() {
					for step := range 40 {
						if i == 0 && step == 20 {
							n.lives[0].kill()
						}
						if err := changeOrLock(u, random); err != nil && !survivable(err) {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			close(done)
			lapses.Wait()
			n.bury()
			n.settle(limited...)
			if left := n.staged(); len(left) > 0 {
				t.Errorf("staged: %v", left)
			}
		})
	}
}

// lapse has nodes not heard of, now and then.
func (n *twoNodes) lapse(random *rand.Rand, done chan struct{}) {
	for {
		select {
		case <-done:
			n.lives[0].held.Store(true)
			n.lives[1].held.Store(true)
			return
		case <-time.After(time.Duration(random.IntN(20)) * time.Millisecond):
			n.lives[random.IntN(2)].held.Store(random.IntN(3) > 0)
		}
	}
}

func survivable(err error) bool {
	for _, one := range []error{quota.ErrAway, state.ErrAway, errKilled, fs.ErrClosed, locks.ErrLocked, locks.ErrNoLock} {
		if errors.Is(err, one) {
			return true
		}
	}
	return expected(err)
}

func changeOrLock(u *user, random *rand.Rand) error {
	if random.IntN(8) > 0 {
		return change(u, random)
	}
	p := tp([]string{"/x/a", "/y/b", "/x/d"}[random.IntN(3)])
	l, _, err := u.Lock(u.w.t.Context(), p, guard.LockRequest{Deep: true, Timeout: time.Minute})
	if err != nil {
		return err
	}
	return u.Unlock(u.w.t.Context(), p, l.Token)
}

// Everybody uploads files of their own, while others move the folders that they are in
// from one quota to another and back, and one node is killed. Whatever was acknowledged
// is there, whole, and once.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	for seed := range uint64(2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			n := newTwoNodes(t)
			n.rough = true
			for _, p := range []string{"/home/ann/x/d", "/home/ann/y", "/home/ann/x/e"} {
				n.folder(p)
			}
			n.limit("/home/ann/x", 1<<20, 1000)
			n.limit("/home/ann/y", 1<<20, 1000)
			var all sync.WaitGroup
			var mu sync.Mutex
			promised := map[string]string{}
			for i := range 6 {
				w := []*world{n.world, n.there}[i%2]
				random := rand.New(rand.NewPCG(seed, uint64(i)))
				u := w.user("ann", uploads([]policy.Uploads{policy.InPlace, policy.Atomic}[i/2%2]))
				all.Go(func() {
					for step := range 30 {
						if i == 0 && step == 25 {
							n.lives[0].kill()
						}
						if i > 3 {
							if err := moveAbout(u, random); err != nil && !survivable(err) {
								t.Error(err)
							}
							continue
						}
						name := fmt.Sprintf("%d-%d", i, step)
						content := strings.Repeat(name+" ", random.IntN(100)+1)
						err := u.upload([]string{"/x/d/", "/y/d/", "/x/e/", "/y/e/"}[random.IntN(4)]+name, content)
						if err != nil && !survivable(err) {
							t.Error(err)
						}
						if err == nil {
							mu.Lock()
							promised[name] = content
							mu.Unlock()
						}
					}
				})
			}
			all.Wait()
			n.bury()
			n.settle("/home/ann/x", "/home/ann/y")
			found := map[string][]string{}
			n.must(filepath.WalkDir(n.disk("/home"), func(p string, e fs.DirEntry, err error) error {
				if err != nil || e.IsDir() {
					return err
				}
				b, err := os.ReadFile(p)
				found[e.Name()] = append(found[e.Name()], string(b))
				return err
			}))
			for name, content := range promised {
				if got := found[name]; len(got) != 1 || got[0] != content {
					t.Errorf("%s was acknowledged, and %d are there", name, len(got))
				}
			}
			if len(promised) == 0 {
				t.Error("nothing was acknowledged")
			}
		})
	}
}

// moveAbout moves a folder from one quota to another.
func moveAbout(u *user, random *rand.Rand) error {
	name := []string{"/d", "/e"}[random.IntN(2)]
	from, to := "/x"+name, "/y"+name
	if random.IntN(2) == 0 {
		from, to = to, from
	}
	return u.Rename(u.w.t.Context(), tp(from), tp(to), guard.KeepTarget)
}

// A local user of the shared tree puts links to what is outside in the place of folders,
// while two nodes work there: nothing outside is seen or changed.
func TestLinksThatALocalUserPlants(t *testing.T) {
	n := newTwoNodes(t)
	n.site.Symlinks = policy.Allow
	n.there.site.Symlinks = policy.Allow
	outside := t.TempDir()
	for _, name := range []string{"a", "b", "c"} {
		n.must(os.WriteFile(filepath.Join(outside, name), []byte("secret"), 0o600))
	}
	for _, p := range []string{"/home/ann/x/d", "/home/ann/y/d"} {
		n.folder(p)
	}
	done := make(chan struct{})
	var planter, all sync.WaitGroup
	planter.Go(func() {
		for {
			for _, p := range []string{"/home/ann/x/d", "/home/ann/y/d", "/home/ann/x/a"} {
				_ = os.Rename(n.disk(p), n.disk(p)+".away")
				_ = os.Symlink(outside, n.disk(p))
				time.Sleep(time.Millisecond)
				if i, err := os.Lstat(n.disk(p)); err == nil && i.Mode().Type() == fs.ModeSymlink {
					_ = os.Remove(n.disk(p))
				}
				_ = os.Rename(n.disk(p)+".away", n.disk(p))
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	for i := range 4 {
		w := []*world{n.world, n.there}[i%2]
		random := rand.New(rand.NewPCG(7, uint64(i)))
		u := w.user("ann", uploads([]policy.Uploads{policy.InPlace, policy.Atomic}[i/2]))
		all.Go(func() {
			for range 80 {
				_ = change(u, random) // whatever the local user makes of it
				if got, err := u.download("/x/d/a"); err == nil && strings.Contains(got, "secret") {
					t.Error("what is outside was read")
				}
				if names, err := u.names("/x"); err == nil && slices.Contains(names, ".gatehouse") {
					t.Error("the gateway's own folder is shown")
				}
			}
		})
	}
	all.Wait()
	close(done)
	planter.Wait()
	left, err := os.ReadDir(outside)
	n.must(err)
	if len(left) != 3 {
		t.Errorf("outside there is now %v", left)
	}
	for _, e := range left {
		if b, err := os.ReadFile(filepath.Join(outside, e.Name())); err != nil || string(b) != "secret" {
			t.Errorf("outside %s was changed", e.Name())
		}
	}
}
