package local

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// What fails gives back what it had opened: nothing closes a plain descriptor that
// was forgotten.
func TestFailuresLeaveNothingOpen(t *testing.T) {
	b, dir := temporary(t)
	write(t, dir+"/f", "content")
	for _, err := range []error{
		os.Mkdir(dir+"/d", 0o700), os.Symlink("nowhere", dir+"/dangling"), unix.Mkfifo(dir+"/fifo", 0o600),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	p := path.MustParse
	all := backend.How{Read: true, Write: true, Create: true}
	only := backend.How{Write: true, Create: true, Exclusive: true}
	failures := []func() error{}
	for _, name := range []string{"/d", "/dangling", "/fifo", "/f/x", "/missing/x"} {
		failures = append(failures,
			func() error { _, err := b.Open(t.Context(), p(name), all); return err },
			func() error { _, err := b.Open(t.Context(), p(name), only); return err },
			func() error {
				_, err := b.RenameSync(t.Context(), p("/d"), p(name).Append(p("/a/b")), false)
				return err
			},
			func() error { _, err := b.RenameSync(t.Context(), p(name).Append(p("/a")), p("/f"), true); return err },
		)
	}
	for _, name := range []string{"/f", "/dangling", "/fifo", "/missing"} {
		failures = append(failures, func() error { _, err := b.List(t.Context(), p(name)); return err })
	}
	failures = append(failures, func() error { return b.SetProperties(t.Context(), p("/fifo"), nil) })
	before := descriptors(t, dir)
	for i, fail := range failures {
		if err := fail(); err == nil {
			t.Errorf("%d does not fail", i)
		}
	}
	if after := descriptors(t, dir); after != before {
		t.Errorf("%d are open, %d were before", after, before)
	}
}

// descriptors counts what is open in dir.
func descriptors(t *testing.T, dir string) (n int) {
	t.Helper()
	links, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(links) == 0 {
		t.Skip("there is no /proc here")
	}
	for _, link := range links {
		at, err := os.Readlink(link)
		if rel, outside := filepath.Rel(dir, at); err == nil && outside == nil && filepath.IsLocal(rel) {
			n++
		}
	}
	return n
}
