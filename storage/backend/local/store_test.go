package local_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/storage/backend"
	"gatehouse/storage/backend/local"
)

// A full store: every way that asks for more says so with one error.
func TestFullStore(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root for a small file system")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,nr_inodes=10"); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	defer func() { must(t, unix.Unmount(dir, 0)) }()
	b := open(t, dir, local.Options{})
	defer b.Close()
	f, err := b.Open(t.Context(), at("/a"), backend.How{Read: true, Write: true, Create: true})
	must(t, err)
	n, err := f.WriteAt(make([]byte, 1<<20), 0)
	if !errors.Is(err, backend.ErrNoSpace) || n >= 1<<20 {
		t.Errorf("write: got %d, %v, want a short write and ErrNoSpace", n, err)
	}
	if i, err := f.Stat(); err != nil || i.Size != int64(n) {
		t.Errorf("wrote %d, but the file has %d bytes (%v)", n, i.Size, err)
	}
	must(t, f.Close())
	if _, err := f.WriteAt([]byte("x"), math.MaxInt64-1); err == nil {
		t.Error("wrote at the end of the world")
	}
	for i := 0; ; i++ {
		if i == 20 {
			t.Fatal("the store never became full")
		}
		if err := b.Mkdir(t.Context(), at(fmt.Sprint("/", i))); err != nil {
			if !errors.Is(err, backend.ErrNoSpace) {
				t.Errorf("mkdir: got %v, want ErrNoSpace", err)
			}
			break
		}
	}
	space, err := b.Space(t.Context(), at("/"))
	if err != nil || space.FreeBytes != 0 || space.FreeFiles != 0 || space.Files != 10 || space.Bytes != 64<<10 {
		t.Errorf("space: got %+v, %v, want none free of 64 KiB and 10 files", space, err)
	}
}

func TestReadOnlyStore(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root for a read-only mount")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_RDONLY, ""); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	defer func() { must(t, unix.Unmount(dir, 0)) }()
	b := open(t, dir, local.Options{})
	defer b.Close()
	if err := b.Mkdir(t.Context(), at("/d")); !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), "read-only") {
		t.Errorf("mkdir: got %v, want fs.ErrPermission that says why", err)
	}
	if _, err := local.Probe(dir); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("probe: got %v, want fs.ErrPermission", err)
	}
}

// A file system mounted on the machine below the root is part of the tree, but
// nothing can be renamed into it.
func TestForeignFileSystemBelow(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root to mount")
	}
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/m", 0o755))
	if err := unix.Mount("tmpfs", dir+"/m", "tmpfs", 0, ""); err != nil {
		t.Skipf("cannot mount: %v", err)
	}
	defer func() { must(t, unix.Unmount(dir+"/m", 0)) }()
	b := open(t, dir, local.Options{})
	defer b.Close()
	create(t, b, "/a", backend.How{})
	for _, replace := range []bool{false, true} {
		if err := b.Rename(t.Context(), at("/a"), at("/m/a"), replace); !errors.Is(err, backend.ErrCrossMount) {
			t.Errorf("rename: got %v, want ErrCrossMount", err)
		}
	}
	if err := b.Link(t.Context(), at("/a"), at("/m/a")); !errors.Is(err, backend.ErrCrossMount) {
		t.Errorf("link: got %v, want ErrCrossMount", err)
	}
	if err := b.RemoveDir(t.Context(), at("/m")); !errors.Is(err, backend.ErrBusy) {
		t.Errorf("remove: got %v, want ErrBusy", err)
	}
}
