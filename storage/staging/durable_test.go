package staging_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/mount"
	"gatehouse/storage/staging"
)

// A noted backend notes in which order things become durable.
type noted struct {
	backend.Backend
	done *[]string
	fail error // of Sync of a folder that users make
}

func (n noted) Open(ctx context.Context, p path.Path, how backend.How) (backend.File, error) {
	f, err := n.Backend.Open(ctx, p, how)
	return notedFile{f, n.done}, err
}

func (n noted) Rename(ctx context.Context, from, to path.Path, replace bool) error {
	*n.done = append(*n.done, "rename to "+anonymous(to))
	return n.Backend.Rename(ctx, from, to, replace)
}

func (n noted) Remove(ctx context.Context, p path.Path) error {
	*n.done = append(*n.done, "remove "+anonymous(p))
	return n.Backend.Remove(ctx, p)
}

func (n noted) Sync(ctx context.Context, p path.Path) error {
	*n.done = append(*n.done, "sync "+anonymous(p))
	if n.fail != nil && !p.IsRoot() && !strings.HasPrefix(p.String(), "/"+mount.Reserved) {
		return n.fail
	}
	return n.Backend.Sync(ctx, p)
}

type notedFile struct {
	backend.File
	done *[]string
}

func (f notedFile) Sync() error {
	*f.done = append(*f.done, "sync file")
	return f.File.Sync()
}

func anonymous(p path.Path) string {
	if s := p.String(); !strings.HasPrefix(s, "/"+mount.Reserved) {
		return s
	}
	return "staging " + strings.TrimLeft(p.Base(), "0123456789abcdefghijklmnopqrstuvwxyz-")
}

func durable(t *testing.T, sync string, fail error) (*site, *[]string) {
	t.Helper()
	s := &site{T: t, dir: t.TempDir()}
	b, err := local.Open(s.dir, local.Options{})
	s.must(err)
	done := new([]string)
	s.table, err = mount.New(mount.Mount{Backend: noted{b, done, fail}, Sync: sync})
	s.must(err)
	t.Cleanup(func() { s.must(s.table.Close()) })
	s.area = s.start("1", 10)
	return s, done
}

// The content must be on disk before the name is, and the name before anybody
// hears of it: else a loss of power leaves an empty file under it, or nothing.
func TestDurableInOrder(t *testing.T) {
	for sync, want := range map[string][]string{
		"":               {"sync file", "rename to /d/f", "sync /d"},
		mount.SyncClose:  {"sync file", "rename to /d/f", "sync /d"},
		mount.SyncAlways: {"sync file", "rename to /d/f", "sync /d"},
		mount.SyncNone:   {"rename to /d/f"},
	} {
		s, done := durable(t, sync, nil)
		s.put("/d/x", "")
		*done = nil
		s.must(s.stage("/d/f", "content").Commit(t.Context(), true))
		if !slices.Equal(*done, want) {
			t.Errorf("sync %q: %q, want %q", sync, *done, want)
		}
	}
}

// What says where it stood must be on disk before it is moved away, and gone
// from disk before the first of it is removed.
func TestAsideDurableInOrder(t *testing.T) {
	s, done := durable(t, mount.SyncClose, nil)
	s.put("/d/f", "old")
	*done = nil
	old, err := s.area.PutAside(t.Context(), at("/d/f"))
	s.must(err)
	s.must(old.Drop())
	want := []string{"sync file", "sync staging ", "rename to staging .aside", "remove staging .origin", "sync staging ", "remove staging .aside"}
	if !slices.Equal(*done, want) {
		t.Errorf("put aside and dropped: %q, want %q", *done, want)
	}
	old, err = s.area.PutAside(t.Context(), at("/d"))
	s.must(err)
	*done = nil
	s.must(old.Restore())
	if want := []string{"rename to /d", "sync /", "remove staging .origin", "sync staging "}; !slices.Equal(*done, want) {
		t.Errorf("restored: %q, want %q", *done, want)
	}
}

// Where staging stands must be on disk before what is put aside there is.
func TestStagingStands(t *testing.T) {
	for sync, want := range map[string][]string{
		mount.SyncClose: {"sync /", "sync staging .gatehouse", "sync staging "},
		mount.SyncNone:  nil,
	} {
		s, done := durable(t, sync, nil)
		if !slices.Equal(*done, want) {
			t.Errorf("sync %q: %q at the first start, want %q", sync, *done, want)
		}
		*done = nil
		s.start("2", 10)
		if got := slices.DeleteFunc(*done, func(d string) bool { return strings.HasPrefix(d, "remove") }); sync == mount.SyncClose && !slices.Equal(got, want[2:]) {
			t.Errorf("sync %q: %q at the second start", sync, got)
		}
	}
}

func TestInPlaceButNotDurable(t *testing.T) {
	broken := errors.New("the disk is broken")
	s, _ := durable(t, mount.SyncClose, broken)
	s.put("/d/x", "")
	err := s.stage("/d/f", "content").Commit(t.Context(), false)
	if !errors.Is(err, staging.ErrNotDurable) || !errors.Is(err, broken) || !strings.Contains(fmt.Sprint(err), " /d/f:") {
		t.Errorf("commit: got %v, want ErrNotDurable of /d/f with its reason", err)
	}
	s.holds(map[string]string{"/d/x": "", "/d/f": "content"})
}

// Whoever claims a name goes on with the upload where somebody else was faster, and
// hears what stands there in the end.
func TestClaimKeepsTheUploadWhereSomethingCame(t *testing.T) {
	s := newSite(t, plain)
	u := s.stage("/a", "mine")
	s.put("/a", "theirs")
	if err := u.Claim(t.Context()); !errors.Is(err, fs.ErrExist) {
		t.Fatalf("claim: got %v, want fs.ErrExist", err)
	}
	if _, ok := u.Placed(); ok {
		t.Error("something was put in place")
	}
	s.holds(map[string]string{"/a": "theirs"})
	_, err := u.File.WriteAt([]byte("more"), 4)
	s.must(err)
	s.must(u.Commit(t.Context(), true))
	s.holds(map[string]string{"/a": "minemore"})
	if info, ok := u.Placed(); !ok || info.Size != 8 {
		t.Errorf("in place: %+v, %v", info, ok)
	}
	s.nothingStaged()
	if err := u.Claim(t.Context()); !errors.Is(err, staging.ErrClosed) {
		t.Errorf("once more: got %v, want ErrClosed", err)
	}
}
