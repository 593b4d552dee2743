package local

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

func temporary(t *testing.T) (*Backend, string) {
	t.Helper()
	dir := t.TempDir()
	b, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b, dir
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// NFS and most of FUSE have no RENAME_NOREPLACE: what is done there instead is
// asked here of a file system that has it.
func TestRenameWithoutTheKernelsHelp(t *testing.T) {
	b, dir := temporary(t)
	write(t, dir+"/a", "a")
	write(t, dir+"/b", "b")
	for _, d := range []string{"/d", "/e", "/e/full"} {
		if err := os.Mkdir(dir+d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	keep := func(from, to string) error {
		m, err := b.move(t.Context(), path.MustParse(from), path.MustParse(to), unix.O_PATH)
		if err != nil {
			t.Fatal(err)
		}
		defer m.close()
		if isDir(m.from, m.name) {
			return m.keepFolder()
		}
		return m.keepFile()
	}
	for _, c := range [][2]string{{"/a", "/b"}, {"/a", "/d"}, {"/d", "/a"}, {"/d", "/e"}, {"/e", "/d"}} {
		if err := keep(c[0], c[1]); !errors.Is(err, unix.EEXIST) {
			t.Errorf("rename %v: got %v, want EEXIST", c, err)
		}
	}
	for _, c := range [][2]string{{"/a", "/e/moved"}, {"/e", "/f"}} {
		if err := keep(c[0], c[1]); err != nil {
			t.Errorf("rename %v: %v", c, err)
		}
	}
	got, err := os.ReadFile(dir + "/f/moved")
	if err != nil || string(got) != "a" {
		t.Errorf("the moved file holds %q, %v", got, err)
	}
	if _, err := os.Stat(dir + "/f/full"); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(dir + "/b"); err != nil || string(got) != "b" {
		t.Errorf("the other file holds %q, %v", got, err)
	}
}

func TestRenameWithoutTheKernelsHelpIsWonOnce(t *testing.T) {
	b, dir := temporary(t)
	const movers = 8
	names := "abcdefgh"
	for i := range movers {
		if i%2 == 0 {
			write(t, dir+"/"+names[i:i+1], "")
		} else if err := os.Mkdir(dir+"/"+names[i:i+1], 0o700); err != nil {
			t.Fatal(err)
		}
	}
	var won atomic.Int32
	var wg sync.WaitGroup
	for i := range movers {
		wg.Go(func() {
			m, err := b.move(t.Context(), path.MustParse(names[i:i+1]), path.MustParse("/to"), unix.O_PATH)
			if err != nil {
				t.Error(err)
				return
			}
			defer m.close()
			do := m.keepFile
			if i%2 == 1 {
				do = m.keepFolder
			}
			if err := do(); err == nil {
				won.Add(1)
			} else if !errors.Is(err, unix.EEXIST) && !errors.Is(err, unix.ENOTEMPTY) {
				t.Errorf("rename: %v", err)
			}
		})
	}
	wg.Wait()
	entries, err := os.ReadDir(dir)
	if err != nil || won.Load() != 1 || len(entries) != movers {
		t.Errorf("%d got the name, %d entries are left (%v), want 1 and %d", won.Load(), len(entries), err, movers)
	}
}

// No file system that folds names can be counted on here; one that has the
// other spelling too looks the same.
func TestFolds(t *testing.T) {
	b, dir := temporary(t)
	if folds, err := b.folds(t.Context(), path.MustParse("/probe-x")); folds || err != nil {
		t.Errorf("got %v, %v, want that nothing is folded", folds, err)
	}
	write(t, dir+"/PROBE-X", "")
	if folds, err := b.folds(t.Context(), path.MustParse("/probe-x")); !folds || err != nil {
		t.Errorf("got %v, %v, want that the other spelling is found", folds, err)
	}
}

func TestCauses(t *testing.T) {
	for errno, want := range map[unix.Errno]error{
		unix.ENOSPC: backend.ErrNoSpace, unix.EDQUOT: backend.ErrNoSpace, unix.EFBIG: backend.ErrNoSpace,
		unix.EACCES: fs.ErrPermission, unix.EPERM: fs.ErrPermission, unix.EROFS: fs.ErrPermission,
		unix.EXDEV: backend.ErrCrossMount, unix.ELOOP: backend.ErrLink, unix.ENXIO: backend.ErrSpecial,
		unix.ENAMETOOLONG: path.ErrTooLong, unix.EIO: unix.EIO,
	} {
		wrapped := &fs.PathError{Op: "x", Path: "/machine", Err: os.NewSyscallError("x", errno)}
		if got := cause(wrapped); !errors.Is(got, want) {
			t.Errorf("%v: got %v, want %v", errno, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x01\x01a\x02bc"))
	f.Add([]byte("\x01\x01a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, in []byte) {
		props, err := decode(in)
		if err != nil {
			return
		}
		again, err := decode(encode(props))
		if err != nil || len(again) != len(props) {
			t.Fatalf("%q, written and read again, is %q (%v)", props, again, err)
		}
		for name, value := range props {
			if string(again[name]) != string(value) {
				t.Errorf("%q was %q and is %q", name, value, again[name])
			}
		}
	})
}
