package local_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/storage/backend"
	"gatehouse/storage/backend/local"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t *testing.T, b *local.Backend, name string, how backend.How) {
	t.Helper()
	how.Write, how.Create = true, true
	f, err := b.Open(t.Context(), at(name), how)
	must(t, err)
	must(t, f.Close())
}

// A FIFO without a partner makes open(2) wait for ever, and opening a device
// may do anything.
func TestSpecialFilesAreNeverOpened(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			b := open(t, dir, local.Options{Resolve: way})
			defer b.Close()
			names := []string{"fifo", "socket"}
			must(t, unix.Mkfifo(dir+"/fifo", 0o600))
			l, err := new(net.ListenConfig).Listen(t.Context(), "unix", dir+"/socket")
			must(t, err)
			defer l.Close()
			if os.Getuid() == 0 && unix.Mknod(dir+"/null", unix.S_IFCHR|0o666, int(unix.Mkdev(1, 3))) == nil {
				names = append(names, "null")
			}
			for _, name := range names {
				p := at("/" + name)
				for _, how := range []backend.How{
					{Read: true}, {Write: true}, {Read: true, Write: true},
					{Write: true, Create: true}, {Write: true, Truncate: true},
				} {
					if f, err := b.Open(t.Context(), p, how); !errors.Is(err, backend.ErrSpecial) {
						t.Errorf("open %s with %+v: got %v, %v, want ErrSpecial", name, how, f, err)
					}
				}
				mode := fs.FileMode(0o777)
				checks := map[string]error{
					"chmod":         b.SetAttr(t.Context(), p, backend.Attr{Mode: &mode}),
					"truncate":      b.SetAttr(t.Context(), p, backend.Attr{Size: new(int64)}),
					"setproperties": b.SetProperties(t.Context(), p, map[string][]byte{"a": nil}),
					"link":          b.Link(t.Context(), p, at("/hard")),
				}
				for what, err := range checks {
					if !errors.Is(err, backend.ErrSpecial) {
						t.Errorf("%s of %s: got %v, want ErrSpecial", what, name, err)
					}
				}
				i, err := b.Stat(t.Context(), p)
				if err != nil || !i.IsSpecial() {
					t.Errorf("stat of %s: got %v, %v, want a special file", name, i.Mode, err)
				}
				must(t, b.Remove(t.Context(), p))
			}
		})
	}
}

// sendfile and copy_file_range want a file in the usual, blocking state.
func TestKernelFileIsBlocking(t *testing.T) {
	b := open(t, t.TempDir(), local.Options{})
	defer b.Close()
	f, err := b.Open(t.Context(), at("/a"), backend.How{Read: true, Write: true, Create: true})
	must(t, err)
	defer f.Close()
	raw, err := f.OS().SyscallConn()
	must(t, err)
	must(t, raw.Control(func(fd uintptr) {
		flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0)
		if err != nil || flags&unix.O_NONBLOCK != 0 {
			t.Errorf("flags %#x, %v, want no O_NONBLOCK", flags, err)
		}
		if flags, err := unix.FcntlInt(fd, unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor flags %#x, %v, want close-on-exec", flags, err)
		}
	}))
}

func TestDamagedProperties(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, local.Options{})
	defer b.Close()
	if !b.Capabilities().Properties {
		t.Skip("no extended attributes here")
	}
	create(t, b, "/a", backend.How{})
	for _, value := range []string{"\x02", "\x01\x05ab", "\x01\x01a", "\x01\x01a\xff\xff\xff\xff\xff\xff\xff\xff\x01", "junk"} {
		must(t, unix.Setxattr(dir+"/a", "user.gatehouse.properties", []byte(value), 0))
		if props, err := b.Properties(t.Context(), at("/a")); err == nil {
			t.Errorf("%q was read as %q", value, props)
		}
	}
	must(t, b.SetProperties(t.Context(), at("/a"), map[string][]byte{"x": []byte("1")}))
	if props, err := b.Properties(t.Context(), at("/a")); err != nil || string(props["x"]) != "1" {
		t.Errorf("after setting them anew: got %q, %v", props, err)
	}
}

func TestTimesOutOfRange(t *testing.T) {
	b := open(t, t.TempDir(), local.Options{})
	defer b.Close()
	create(t, b, "/a", backend.How{})
	for _, when := range []time.Time{{}, time.Unix(1<<40, 0), time.Unix(-1<<40, 0)} {
		if err := b.SetAttr(t.Context(), at("/a"), backend.Attr{Modified: &when}); err != nil && !errors.Is(err, fs.ErrInvalid) {
			t.Errorf("%v: got %v, want success or fs.ErrInvalid", when, err)
		}
	}
}

// A folder of 100,000 entries is listed without holding them all.
func TestListLargeFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const files = 100_000
	dir := t.TempDir()
	fd, err := unix.Open(dir, unix.O_PATH, 0)
	must(t, err)
	defer unix.Close(fd)
	must(t, os.WriteFile(dir+"/0", nil, 0o600))
	for i := range files - 1 { // links are cheap, but one file has 65,000 at most
		if i%50_000 == 49_999 {
			must(t, os.WriteFile(fmt.Sprint(dir, "/", i+1), nil, 0o600))
			continue
		}
		must(t, unix.Linkat(fd, fmt.Sprint(i/50_000*50_000), fd, fmt.Sprint(i+1), 0))
	}
	b := open(t, dir, local.Options{})
	defer b.Close()
	d, err := b.List(t.Context(), at("/"))
	must(t, err)
	defer d.Close()
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	count := 0
	for {
		some, err := d.Next(500)
		count += len(some)
		if err == io.EOF {
			break
		}
		must(t, err)
		if count == files/2 {
			runtime.GC()
			runtime.ReadMemStats(&now)
		}
	}
	if count != files {
		t.Errorf("listed %d entries, want %d", count, files)
	}
	if grown := int64(now.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("half way the heap has grown by %d bytes", grown)
	}
}

func TestProbe(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		r, err := local.Probe(dir)
		must(t, err)
		b := open(t, dir, local.Options{})
		if want := b.Capabilities().Properties; r.FoldsCase || r.Properties != want || r.FreeBytes <= 0 {
			t.Errorf("got %+v, want that it folds nothing and has room, and properties: %v", r, want)
		}
		must(t, b.Close())
		if got := names(t, dir); len(got) > 1 {
			t.Errorf("the probe left %q behind", got)
		}
		must(t, os.MkdirAll(dir+"/.gatehouse", 0o700))
	}
	if got := names(t, dir+"/.gatehouse"); len(got) != 0 {
		t.Errorf("the probe left %q behind", got)
	}
	if _, err := local.Probe(dir + "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("probe of nothing: got %v, want fs.ErrNotExist", err)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	must(t, err)
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestUnreachable(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"/a/b", "/.gatehouse", "/sub/.gatehouse"} {
		must(t, os.MkdirAll(dir+sub, 0o755))
	}
	for _, name := range []string{"/fifo", "/a/b/fifo", "/.gatehouse/fifo", "/sub/.gatehouse/fifo"} {
		must(t, unix.Mkfifo(dir+name, 0o600))
	}
	must(t, os.Symlink("/dev", dir+"/link"))
	must(t, os.WriteFile(dir+"/file", nil, 0o600))
	got, err := local.Unreachable(t.Context(), dir, 10)
	must(t, err)
	slices.Sort(got)
	if want := []string{"a/b/fifo", "fifo", "sub/.gatehouse/fifo"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	got, err = local.Unreachable(t.Context(), dir, 2)
	if err != nil || len(got) != 2 {
		t.Errorf("at most two: got %q, %v", got, err)
	}
}

func TestOpenWhatIsNoFolder(t *testing.T) {
	dir := t.TempDir()
	must(t, os.WriteFile(dir+"/file", nil, 0o600))
	for name, want := range map[string]error{"/none": fs.ErrNotExist, "/file": backend.ErrNotDir} {
		if _, err := local.Open(dir+name, local.Options{}); !errors.Is(err, want) {
			t.Errorf("open %s: got %v, want %v", name, err, want)
		}
	}
}

// After Close the number of the root's descriptor may be another file's.
func TestClosedBackendTouchesNothing(t *testing.T) {
	b := open(t, t.TempDir(), local.Options{})
	must(t, b.Close())
	elsewhere := t.TempDir()
	for range 50 { // takes up the number that became free
		f, err := os.Open(elsewhere)
		must(t, err)
		defer f.Close()
	}
	if err := b.Mkdir(context.Background(), at("/d")); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("mkdir: got %v, want fs.ErrClosed", err)
	}
	if entries, _ := os.ReadDir(elsewhere); len(entries) != 0 {
		t.Errorf("a closed backend made %v", entries)
	}
}

func TestNoDescriptorLeaks(t *testing.T) {
	count := func() int {
		entries, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(entries)
	}
	for name, way := range ways {
		a := newArena(t, way)
		for _, op := range operations {
			op(t, a)
		}
		before := count()
		for range 20 {
			for _, op := range operations {
				op(t, a)
			}
			_, _ = a.Stat(t.Context(), at("/d/none/deeper"))
			_, _ = a.Stat(t.Context(), at("/out/f"))
			_, _ = a.List(t.Context(), at("/d/f"))
			_, _ = a.Open(t.Context(), at("/d"), backend.How{Read: true})
			_ = a.Link(t.Context(), at("/d"), at("/x"))
			_ = a.Rename(t.Context(), at("/d/f"), at("/out/f"), false)
		}
		if after := count(); after > before {
			t.Errorf("%s: %d descriptors open, before it were %d", name, after, before)
		}
	}
}

func TestErrorsTellNoPathOfTheMachine(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, local.Options{})
	defer b.Close()
	create(t, b, "/a", backend.How{})
	f, err := b.Open(t.Context(), at("/a"), backend.How{Read: true})
	must(t, err)
	defer f.Close()
	_, write := f.WriteAt([]byte("x"), 0)
	_, read := f.ReadAt(make([]byte, 1), -1)
	_, list := b.List(t.Context(), at("/a"))
	for _, err := range []error{write, read, list, f.Truncate(1), b.Mkdir(t.Context(), at("/a"))} {
		if err == nil || strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "/proc") {
			t.Errorf("got %v, want an error with tree paths alone", err)
		}
	}
	names := []string{"/a"}
	if pe := (*fs.PathError)(nil); !errors.As(write, &pe) || !slices.Contains(names, pe.Path) {
		t.Errorf("got %v, want an error of /a", write)
	}
}
