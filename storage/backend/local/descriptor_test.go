package local

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// The number of a closed file is the next one's: who still has the closed file must
// not reach the other through it.
func TestClosedFileReachesNoOther(t *testing.T) {
	b, dir := temporary(t)
	open := func(name string) backend.File {
		f, err := b.Open(t.Context(), path.MustParse(name), backend.How{Read: true, Write: true, Create: true})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for name, before := range map[string]func(f backend.File){
		"plain":               func(backend.File) {},
		"as the kernel's one": func(f backend.File) { _ = f.OS() },
	} {
		t.Run(name, func(t *testing.T) {
			f := open("/f")
			before(f)
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
			other := open("/other")
			defer other.Close()
			_, written := f.WriteAt([]byte("x"), 0)
			_, read := f.ReadAt(make([]byte, 1), 0)
			_, described := f.Stat()
			for what, err := range map[string]error{
				"write": written, "read": read, "stat": described,
				"truncate": f.Truncate(5), "sync": f.Sync(), "close": f.Close(),
			} {
				if !errors.Is(err, os.ErrClosed) {
					t.Errorf("%s: got %v, want os.ErrClosed", what, err)
				}
			}
			if f.OS() != nil {
				t.Error("it has a file of the kernel's")
			}
			if info, err := os.Stat(dir + "/other"); err != nil || info.Size() != 0 {
				t.Errorf("the other file: %v, %v", info, err)
			}
		})
	}
}

// A store that hangs keeps nobody from closing, and what is closed from being used
// anew; the number is given back when the last who uses it comes back.
func TestCloseWhileAReaderHangs(t *testing.T) {
	var ends [2]int
	if err := unix.Pipe2(ends[:], unix.O_NONBLOCK|unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(ends[0])
	d := descriptor{fd: ends[1]}
	for range 2 {
		if _, err := d.hold(); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.close(); err != nil {
		t.Error(err)
	}
	if err := d.close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed again: %v", err)
	}
	if _, err := d.hold(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("used again: %v", err)
	}
	var b [1]byte
	d.release()
	if _, err := unix.Read(ends[0], b[:]); err != unix.EAGAIN {
		t.Errorf("in use, the other end sees %v, want EAGAIN", err)
	}
	d.release()
	if n, err := unix.Read(ends[0], b[:]); n != 0 || err != nil {
		t.Errorf("no longer in use, the other end sees %d, %v, want its end", n, err)
	}
}

// Closing ends all use, and reaches nobody else's file.
func TestCloseWhileInUse(t *testing.T) {
	b, _ := temporary(t)
	f, err := b.Open(t.Context(), path.MustParse("/f"), backend.How{Read: true, Write: true, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				if _, err := f.WriteAt([]byte("content"), 0); err != nil {
					if !errors.Is(err, os.ErrClosed) {
						t.Error(err)
					}
					return
				}
				_ = f.OS()
			}
		})
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

// What is renamed and synced at once obeys the rules of Rename.
func TestRenameSync(t *testing.T) {
	b, dir := temporary(t)
	write(t, dir+"/a", "a")
	write(t, dir+"/b", "b")
	if err := os.Mkdir(dir+"/d", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("d", dir+"/link"); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		from, to string
		replace  bool
		want     error
	}{
		{"/a", "/b", false, fs.ErrExist},
		{"/a", "/missing/a", false, fs.ErrNotExist},
		{"/a", "/link/a", false, backend.ErrLink},
		{"/a", "/d", true, backend.ErrIsDir},
		{"/d", "/d/in/itself", false, fs.ErrInvalid},
		{"/a", "/b", true, nil},
		{"/b", "/d/c", false, nil},
	} {
		renamed, err := b.RenameSync(t.Context(), path.MustParse(c.from), path.MustParse(c.to), c.replace)
		if !errors.Is(err, c.want) || renamed != (c.want == nil) {
			t.Errorf("%s to %s: %v, %v, want %v", c.from, c.to, renamed, err, c.want)
		}
	}
	if got, err := os.ReadFile(dir + "/d/c"); err != nil || string(got) != "a" {
		t.Errorf("the moved file holds %q, %v", got, err)
	}
}
