package guard_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/quota"
)

// Two nodes do everything at once to a few files, in two quotas. Whatever comes
// between, the limits hold, and in the end the figures are those of the disk, or are
// known to be in doubt and those of the disk once they were counted.
func TestNodesAtOnce(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			atOnce(t, seed, 6, 40, change)
		})
	}
}

// A few things at once, of which most leave no doubt: the figures are exact at once.
func TestNodesAtOnceWithoutDoubt(t *testing.T) {
	const runs = 24
	var doubted atomic.Int32
	t.Run("runs", func(t *testing.T) {
		for seed := range uint64(runs) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				if atOnce(t, seed, 2, 8, changeFile) {
					doubted.Add(1)
				}
			})
		}
	})
	if n := doubted.Load(); n > runs*2/3 {
		t.Errorf("%d of %d runs ended in doubt", n, runs)
	}
}

func atOnce(t *testing.T, seed uint64, users, changes int, do func(*user, *rand.Rand) error) (doubted bool) {
	n := newTwoNodes(t)
	n.rough = true
	n.folder("/home/ann/x/d")
	n.folder("/home/ann/y/d")
	quotas := []string{"/home/ann/x", "/home/ann/y"}
	const bytes, files = 3000, 12
	for _, p := range quotas {
		n.limit(p, bytes, files)
	}
	var all sync.WaitGroup
	for i := range users {
		w := []*world{n.world, n.there}[i%2]
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		u := w.user("ann", uploads([]policy.Uploads{policy.InPlace, policy.Atomic}[random.IntN(2)]))
		all.Go(func() {
			for range changes {
				if err := do(u, random); err != nil && !expected(err) {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for _, p := range quotas {
		if got := n.measure(p); got.Bytes > bytes || got.Files > files {
			t.Errorf("%s holds %+v", p, got)
		}
	}
	return n.settle(quotas...)
}

// expected are the refusals that others at work may cause.
func expected(err error) bool {
	for _, one := range []error{
		backend.ErrInUse, quota.ErrExceeded, fs.ErrNotExist, fs.ErrExist, fs.ErrInvalid, backend.ErrIsDir, backend.ErrNotDir,
		backend.ErrNotEmpty, backend.ErrUnsupported, guard.ErrChanged,
	} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}

// change does one thing to the files that all work on.
func change(u *user, random *rand.Rand) error {
	ctx := u.w.t.Context()
	name := func() string {
		dir := []string{"/x", "/x/d", "/y", "/y/d"}[random.IntN(4)]
		return dir + "/" + []string{"a", "b", "c"}[random.IntN(3)]
	}
	p := name()
	switch random.IntN(6) {
	case 0:
		return u.Rename(ctx, tp(p), tp(name()), guard.Replace(random.IntN(3)))
	case 1:
		return u.Link(ctx, tp(p), tp(name()))
	case 2: // trees
		from, to := []string{"/x/d", "/y/d"}[random.IntN(2)], []string{"/x/e", "/y/e"}[random.IntN(2)]
		if err := u.Rename(ctx, tp(from), tp(to), guard.ReplaceAny); err != nil {
			return err
		}
		return u.Rename(ctx, tp(to), tp(from), guard.ReplaceAny)
	case 3:
		if err := u.RemoveAll(ctx, tp([]string{"/x/d", "/y/d"}[random.IntN(2)])); err != nil {
			return err
		}
		return u.Mkdir(ctx, tp([]string{"/x/d", "/y/d"}[random.IntN(2)]), 0)
	}
	return changeFile(u, random)
}

// changeFile does one thing to one file, or two of one quota.
func changeFile(u *user, random *rand.Rand) error {
	ctx := u.w.t.Context()
	dir := []string{"/x", "/x/d", "/y", "/y/d"}[random.IntN(4)]
	name := func() string { return dir + "/" + []string{"a", "b", "c"}[random.IntN(3)] }
	p := name()
	content := string(make([]byte, random.IntN(700)))
	switch random.IntN(9) {
	case 0, 1, 2:
		return u.upload(p, content)
	case 3: // append, or write within
		f, err := u.Open(ctx, tp(p), guard.Open{Read: true, Write: true})
		if err != nil {
			return err
		}
		for range random.IntN(3) + 1 {
			if _, err = f.WriteAt([]byte(content), random.Int64N(900)); err != nil {
				break
			}
		}
		return errors.Join(err, f.Close())
	case 4, 5:
		return u.Remove(ctx, tp(p))
	case 6:
		return u.Rename(ctx, tp(p), tp(name()), guard.Replace(random.IntN(3)))
	case 7:
		return u.Copy(ctx, tp(p), tp(name()), guard.CopyHow{Replace: guard.Replace(random.IntN(3))})
	}
	size := random.Int64N(900)
	return u.SetAttr(ctx, tp(p), backend.Attr{Size: &size})
}
