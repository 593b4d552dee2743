package staging_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

func TestPutAside(t *testing.T) {
	for name, target := range map[string]string{"file": "/d/x", "tree": "/d"} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, plain)
			s.put("/d/x", "old")
			s.put("/y", "y")
			old, err := s.area.PutAside(t.Context(), at(target))
			s.must(err)
			s.holds(map[string]string{"/y": "y"})
			s.must(old.Restore())
			s.holds(map[string]string{"/d/x": "old", "/y": "y"})
			s.nothingStaged()

			old, err = s.area.PutAside(t.Context(), at(target))
			s.must(err)
			s.must(old.Drop())
			s.must(old.Drop())
			s.holds(map[string]string{"/y": "y"})
			s.nothingStaged()
		})
	}
}

func TestPutAsideWhatIsNotThere(t *testing.T) {
	s := newSite(t, plain)
	for target, want := range map[string]error{
		"/none": fs.ErrNotExist, "/far": backend.ErrBusy, "/": backend.ErrBusy, "/.gatehouse": fs.ErrNotExist,
	} {
		if _, err := s.area.PutAside(t.Context(), at(target)); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", target, err, want)
		}
	}
	s.nothingStaged()
}

// Somebody else has taken the name meanwhile: neither is lost.
func TestRestoreWhereSomethingCame(t *testing.T) {
	s := newSite(t, plain)
	long := "/" + strings.Repeat("ä", 125) + "12345"
	for range 2 {
		for _, p := range []string{"/x", long} {
			s.put(p, "old")
			old, err := s.area.PutAside(t.Context(), at(p))
			s.must(err)
			s.put(p, "new")
			s.must(old.Restore())
			if err := old.Restore(); err == nil {
				t.Error("restored twice")
			}
			s.must(old.Drop())
		}
	}
	s.holds(map[string]string{
		"/x": "new", "/x (restored)": "old", "/x (restored 2)": "old",
		long: "new", "/" + strings.Repeat("ä", 122) + " (restored)": "old", "/" + strings.Repeat("ä", 121) + " (restored 2)": "old",
	})
	s.nothingStaged()
}

// The gateway is killed between putting aside and what was to come after: the
// user's old data must be found where it was, or beside it.
func TestAsideComesBackAfterCrash(t *testing.T) {
	s := newSite(t, plain)
	s.put("/d/x", "old")
	s.put("/e/x", "old")
	s.put("/f/sub/x", "old")
	s.put("/file", "old")
	s.put("/other", "old")
	for _, p := range []string{"/d", "/e", "/f/sub", "/file", "/other"} {
		_, err := s.area.PutAside(t.Context(), at(p))
		s.must(err)
	}
	s.put("/e/y", "new") // somebody makes the name anew
	s.put("/other", "new")
	s.must(os.Rename(s.dir+"/f", s.dir+"/g")) // the folder it stood in is called otherwise by now
	s.start("2", 10)
	s.holds(map[string]string{
		"/d/x": "old", "/e/y": "new", "/e (restored)/x": "old", "/f/sub/x": "old", "/file": "old",
		"/other": "new", "/other (restored)": "old",
	})
	s.nothingStaged()
}

// What cannot come back, because a link or a file stands where its folder was,
// is kept until it can.
func TestAsideIsKeptWhereItCannotComeBack(t *testing.T) {
	s := newSite(t, plain)
	outside := t.TempDir()
	s.put("/d/x", "old")
	_, err := s.area.PutAside(t.Context(), at("/d/x"))
	s.must(err)
	s.must(os.Remove(s.dir + "/d"))
	s.must(os.Symlink(outside, s.dir+"/d"))
	if left := s.restart("2").Left(); len(left) != 1 {
		t.Errorf("left: %v, want one error", left)
	}
	if entries, _ := os.ReadDir(outside); len(entries) != 0 {
		t.Errorf("through a link came %v", entries)
	}
	s.must(os.Remove(s.dir + "/d"))
	s.start("3", 10)
	s.holds(map[string]string{"/d/x": "old"})
	s.nothingStaged()
}

// shut is a store that lets nobody look into a folder that its owner has shut.
type shut struct{ backend.Backend }

func (b shut) List(ctx context.Context, p path.Path) (backend.Dir, error) {
	if i, err := b.Stat(ctx, p); err == nil && i.Mode.Perm()&0o500 != 0o500 {
		return nil, &fs.PathError{Op: "list", Path: p.String(), Err: fs.ErrPermission}
	}
	return b.Backend.List(ctx, p)
}

func TestDropFolderThatIsShut(t *testing.T) {
	s := newSite(t, func(b backend.Backend) backend.Backend { return shut{b} })
	s.put("/d/shut/x", "old")
	s.must(os.Chmod(s.dir+"/d/shut", 0))
	old, err := s.area.PutAside(t.Context(), at("/d"))
	s.must(err)
	s.must(old.Drop())
	s.holds(map[string]string{})
	s.nothingStaged()
}

// A tree that is as deep as paths go has longer paths where it lies aside.
func TestDropDeepTree(t *testing.T) {
	s := newSite(t, plain)
	s.put("/deep/x", "")
	dir, err := unix.Open(s.dir+"/deep", unix.O_PATH, 0)
	s.must(err)
	name := strings.Repeat("n", 200)
	for range 40 { // 8,000 bytes: deeper than any path can say
		s.must(unix.Mkdirat(dir, name, 0o700))
		next, err := unix.Openat(dir, name, unix.O_PATH, 0)
		s.must(err)
		s.must(unix.Close(dir))
		dir = next
	}
	s.must(unix.Mkfifoat(dir, "fifo", 0o600))
	s.must(unix.Close(dir))
	old, err := s.area.PutAside(t.Context(), at("/deep"))
	s.must(err)
	s.must(old.Drop())
	s.holds(map[string]string{})
	entries, err := os.ReadDir(s.dir + "/.gatehouse/staging/node-a-1")
	s.must(err)
	if len(entries) != 0 {
		t.Errorf("left behind: %v", entries)
	}
}
