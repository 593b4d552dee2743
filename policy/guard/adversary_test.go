package guard_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
)

// An adversary on the machine swaps a folder for a link, out of the root and
// into another account's home, during thousands of operations of each kind.
// Nothing there is ever read, written, listed or changed.
func TestSwappedLinks(t *testing.T) {
	rounds := 12
	if testing.Short() {
		rounds = 5
	}
	for name, target := range map[string]func(w *world, outside string) string{
		"out of the root":       func(_ *world, outside string) string { return outside },
		"absolute to another":   func(w *world, _ string) string { return w.disk("/home/bob") },
		"relative to another":   func(*world, string) string { return "../bob" },
		"out by a long climb":   func(_ *world, outside string) string { return strings.Repeat("../", 40) + outside },
		"to another's by a hop": func(*world, string) string { return "hop" },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.site.Symlinks = policy.Allow
			outside := t.TempDir()
			victims := []string{outside, w.disk("/home/bob")}
			w.folder("/home/bob")
			for _, v := range victims {
				w.must(os.WriteFile(filepath.Join(v, "old"), []byte("secret"), 0o644))
				w.must(os.WriteFile(filepath.Join(v, "only-there"), []byte("secret"), 0o644))
				w.must(os.Mkdir(filepath.Join(v, "void"), 0o755))
				w.must(os.Mkdir(filepath.Join(v, "tree"), 0o755))
				w.must(os.WriteFile(filepath.Join(v, "tree", "leaf"), []byte("secret"), 0o644))
			}
			var before []string
			for _, v := range victims {
				before = append(before, snapshot(t, v))
			}
			u := w.user("ann")
			w.link("../bob", "/home/ann/hop")
			stop := swap(t, w.disk("/home/ann/x"), target(w, outside))
			for _, o := range operations() {
				for range rounds {
					refresh(w)
					_ = o.do(t.Context(), u, "/x")
					spy(t, u)
				}
			}
			stop()
			for i, v := range victims {
				if after := snapshot(t, v); after != before[i] {
					t.Fatalf("changed:\n%s\nwas\n%s", after, before[i])
				}
			}
			for _, left := range w.staged() {
				if strings.HasSuffix(left, ".file") || strings.HasSuffix(left, ".tree") {
					t.Fatalf("left in staging: %q", left)
				}
			}
		})
	}
}

// refresh makes what the operations work on, in the folder that is swapped,
// wherever it is just now.
func refresh(w *world) {
	for _, dir := range []string{"/home/ann/x", "/home/ann/x.real"} {
		if info, err := os.Lstat(w.disk(dir)); err != nil || !info.IsDir() {
			continue
		}
		d, err := os.OpenRoot(w.disk(dir))
		if err != nil {
			continue
		}
		if i, err := d.Lstat("."); err == nil && i.IsDir() && sameFolder(w, d) {
			_ = d.WriteFile("old", []byte("ab"), 0o644)
			_ = d.Mkdir("void", 0o755)
			_ = d.Mkdir("tree", 0o755)
			_ = d.WriteFile("tree/leaf", []byte("leaf"), 0o644)
			_ = d.RemoveAll("new")
		}
		_ = d.Close()
	}
}

// sameFolder makes sure that the test itself was not fooled by the adversary.
func sameFolder(w *world, d *os.Root) bool {
	_, err := d.Lstat("only-there")
	return errors.Is(err, fs.ErrNotExist)
}

// spy reads and lists, and fails where it sees what is a secret.
func spy(t *testing.T, u *user) {
	t.Helper()
	if f, err := u.Open(t.Context(), tp("/x/old"), guard.Open{Read: true}); err == nil {
		b, _ := io.ReadAll(io.NewSectionReader(f, 0, 100))
		if string(b) == "secret" {
			t.Fatal("read a secret")
		}
		_ = f.Close()
	}
	names, _ := u.names("/x")
	if slices.Contains(names, "only-there") {
		t.Fatalf("listed a secret: %q", names)
	}
	if _, err := u.Stat(t.Context(), tp("/x/only-there")); err == nil {
		t.Fatal("a secret was described")
	}
}

// swap puts a link in the place of a folder and back, until it is stopped.
func swap(t *testing.T, dir, target string) (stop func()) {
	t.Helper()
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, dir+".link"); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			_ = os.Rename(dir, dir+".real")
			_ = os.Rename(dir+".link", dir)
			_ = os.Rename(dir, dir+".link")
			_ = os.Rename(dir+".real", dir)
			select {
			case <-done:
				return
			default:
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}
