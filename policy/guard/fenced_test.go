package guard_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/mount"
	"gatehouse/storage/state"
)

// A node that was declared dead writes over nothing: what a piece adds to a file could be
// taken back, what stood where it goes could not.
func TestTheDeadWriteOverNothing(t *testing.T) {
	n := newTwoNodes(t)
	n.put("/home/ann/f", "content")
	u := n.user("ann")
	f, err := u.Open(t.Context(), tp("/f"), guard.Open{Write: true})
	n.must(err)
	n.fence[0] = func() error { return fmt.Errorf("%w: dead", state.ErrAway) }
	if _, err := f.WriteAt([]byte("BAD"), 2); !errors.Is(err, state.ErrAway) {
		t.Errorf("got %v", err)
	}
	if got := n.content("/home/ann/f"); got != "content" {
		t.Errorf("the file holds %q", got)
	}
	_ = f.Close()
}

// What is staged is held to the locks when it begins and when it takes its place: one
// that somebody had in between, as an editor has while it saves, costs nobody an upload
// of hours.
func TestAStagedUploadOutlivesALockInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.put("/share/f", "old")
		holder, other := w.stranger("holder", granted("/share", policy.Full)), w.stranger("other", granted("/share", policy.Full))
		f, err := other.Open(t.Context(), tp("/share/f"), guard.Open{Write: true, Truncate: true, Atomic: true})
		w.must(err)
		l, _, err := holder.Lock(t.Context(), tp("/share/f"), guard.LockRequest{Timeout: time.Hour})
		w.must(err)
		time.Sleep(2 * time.Second)
		_, err = f.WriteAt([]byte("new"), 0)
		w.must(err)
		w.must(holder.Unlock(t.Context(), tp("/share/f"), l.Token))
		w.must(f.Close())
		if got := w.content("/share/f"); got != "new" {
			t.Errorf("the file holds %q", got)
		}
	})
}

// Properties are read through a listing that is open: not through one that was closed, or
// whose session has ended.
func TestPropertiesThroughAClosedListing(t *testing.T) {
	for name, end := range map[string]func(u *user, d *guard.Dir) error{
		"the listing": func(_ *user, d *guard.Dir) error { return d.Close() },
		"the session": func(u *user, _ *guard.Dir) error { u.FS.Close(nil); return nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.put("/home/ann/f", "content")
			u := w.user("ann")
			w.must(u.SetProperties(t.Context(), tp("/f"), map[string][]byte{"a": []byte("b")}))
			d, err := u.List(t.Context(), tp("/"))
			w.must(err)
			defer d.Close()
			some, err := d.Next(1)
			w.must(err)
			if props, err := d.Properties(t.Context(), some[0]); err != nil || string(props["a"]) != "b" {
				t.Fatalf("got %q, %v", props, err)
			}
			w.must(end(u, d))
			if props, err := d.Properties(t.Context(), some[0]); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("got %q, %v", props, err)
			}
		})
	}
}

// Who reads what was seen, and nothing else, is told where another file stands there now.
func TestReadUnderACondition(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/f", "seen")
	u := w.user("ann")
	info, err := u.Stat(t.Context(), tp("/f"))
	w.must(err)
	f, err := u.Open(t.Context(), tp("/f"), guard.Open{Read: true, Match: info.ETag()})
	w.must(err)
	w.must(f.Close())
	w.must(u.whole("/f", "another", ""))
	_, err = u.Open(t.Context(), tp("/f"), guard.Open{Read: true, Match: info.ETag()})
	w.want(err, guard.ErrChanged)
}

// Of two nodes on a store that keeps no locks neither could keep a file to itself: to write
// in place is refused with the reason, and whole files arrive.
func TestInPlaceWithoutLocks(t *testing.T) {
	w := newWorld(t)
	m := w.mount("/", w.dir)
	m.Backend = keyless{m.Backend}
	mounts, err := mount.New(m)
	w.must(err)
	t.Cleanup(func() { w.must(mounts.Close()) })
	w.tree = guard.NewTree(guard.TreeConfig{
		Mounts: mounts, Staging: w.area, Quotas: w.quotas, Locks: w.locks, Fence: func() error { return nil },
	})
	u := w.user("ann")
	w.put("/home/ann/f", "old")
	_, err = u.Open(t.Context(), tp("/f"), guard.Open{Write: true})
	if unsupported := (*guard.UnsupportedError)(nil); !errors.As(err, &unsupported) {
		t.Errorf("got %v", err)
	}
	w.must(u.whole("/f", "new", ""))
	if got := w.content("/home/ann/f"); got != "new" {
		t.Errorf("it holds %q", got)
	}
}

// keyless is a store that keeps no locks.
type keyless struct{ backend.Backend }

func (k keyless) Open(ctx context.Context, p path.Path, how backend.How) (backend.File, error) {
	f, err := k.Backend.Open(ctx, p, how)
	if err != nil {
		return nil, err
	}
	return struct{ backend.File }{f}, nil
}
