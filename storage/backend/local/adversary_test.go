package local_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/backend/local"
)

// An adversary with access to the disk swaps a folder for a link, back and
// forth, while thousands of operations go through it: a link out of the root,
// and one to another account's folder beside it. Nothing that the links lead
// to is ever read, listed, written, changed or removed.
func TestAdversarySwapsLinks(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newArena(t, way)
			stop := a.swap(t)
			defer stop()
			for what, op := range operations {
				// A swap is a few microseconds, so each operation meets many.
				for range 1500 {
					op(t, a)
				}
				if t.Failed() {
					t.Fatalf("%s went through a link", what)
				}
			}
		})
	}
}

// An arena is a root with the folder d, which is now a folder, now a link; the
// same names are inside it and where the links lead.
type arena struct {
	*local.Backend
	root, outside, victim string
	before                map[string]string
}

const secret, own = "secret", "own"

func newArena(t *testing.T, way local.Resolve) *arena {
	t.Helper()
	top := t.TempDir()
	a := &arena{root: top + "/root", outside: top + "/outside", victim: top + "/root/victim"}
	for dir, content := range map[string]string{a.root + "/d": own, a.outside: secret, a.victim: secret} {
		for _, sub := range []string{"/sub", "/empty"} {
			if err := os.MkdirAll(dir+sub, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for _, file := range []string{"/f", "/g", "/sub/f"} {
			if err := os.WriteFile(dir+file, []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.Symlink("../outside", a.root+"/out"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("victim", a.root+"/aside"); err != nil {
		t.Fatal(err)
	}
	a.Backend = open(t, a.root, local.Options{Resolve: way})
	a.before = a.forbidden(t)
	t.Cleanup(func() {
		if now := a.forbidden(t); fmt.Sprint(now) != fmt.Sprint(a.before) {
			t.Errorf("what the links lead to has changed:\nfrom %v\nto   %v", a.before, now)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

// forbidden is everything about what the links lead to.
func (a *arena) forbidden(t *testing.T) map[string]string {
	t.Helper()
	all := make(map[string]string)
	for _, dir := range []string{a.outside, a.victim} {
		err := filepath.Walk(dir, func(p string, i os.FileInfo, err error) error {
			if err != nil {
				return err
			}
			var st unix.Stat_t
			if err := unix.Lstat(p, &st); err != nil {
				return err
			}
			text := ""
			if i.Mode().IsRegular() {
				b, err := os.ReadFile(p)
				if err != nil {
					return err
				}
				text = string(b)
			}
			n, _ := unix.Lgetxattr(p, "user.gatehouse.properties", nil)
			all[p] = fmt.Sprint(i.Mode(), i.ModTime(), st.Nlink, st.Uid, n, text)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// swap exchanges d with one link and the other until it is stopped.
func (a *arena) swap(t *testing.T) (stop func()) {
	t.Helper()
	root, err := unix.Open(a.root, unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			link := []string{"out", "aside"}[i%2]
			for range 2 {
				if err := unix.Renameat2(root, "d", root, link, unix.RENAME_EXCHANGE); err != nil {
					t.Errorf("the adversary: %v", err)
					return
				}
			}
		}
	})
	return func() {
		cancel()
		wg.Wait()
		_ = unix.Close(root)
	}
}

func at(s string) path.Path { return path.MustParse(s) }

// operations go through d; whether they succeed does not matter. What they
// read must be their own.
var operations = map[string]func(*testing.T, *arena){
	"read": func(t *testing.T, a *arena) {
		for _, p := range []string{"/d/f", "/d/sub/f"} {
			f, err := a.Open(t.Context(), at(p), backend.How{Read: true})
			if err != nil {
				continue
			}
			buf := make([]byte, 10)
			if n, _ := f.ReadAt(buf, 0); string(buf[:n]) == secret {
				t.Errorf("read %q through a link", buf[:n])
			}
			_ = f.Close()
		}
	},
	"write": func(t *testing.T, a *arena) {
		for _, how := range []backend.How{{Write: true}, {Write: true, Create: true}, {Write: true, Create: true, Exclusive: true}} {
			for _, p := range []string{"/d/f", "/d/new", "/d/sub/new"} {
				if f, err := a.Open(t.Context(), at(p), how); err == nil {
					_, _ = f.WriteAt([]byte("own"), 0)
					_ = f.Close()
				}
			}
		}
		_ = a.Remove(t.Context(), at("/d/new"))
		_ = a.Remove(t.Context(), at("/d/sub/new"))
	},
	"truncate": func(t *testing.T, a *arena) {
		if f, err := a.Open(t.Context(), at("/d/f"), backend.How{Write: true, Truncate: true}); err == nil {
			_, _ = f.WriteAt([]byte(own), 0)
			_ = f.Close()
		}
		size := int64(len(own))
		_ = a.SetAttr(t.Context(), at("/d/f"), backend.Attr{Size: &size})
	},
	"list": func(t *testing.T, a *arena) {
		d, err := a.List(t.Context(), at("/d"))
		if err != nil {
			return
		}
		defer d.Close()
		some, _ := d.Next(100)
		for _, i := range some {
			if i.IsRegular() && i.Size == int64(len(secret)) {
				t.Errorf("listed %+v through a link", i)
			}
		}
	},
	"stat": func(t *testing.T, a *arena) {
		for _, p := range []string{"/d/f", "/d/sub/f", "/d/g"} {
			if i, err := a.Stat(t.Context(), at(p)); err == nil && i.Size == int64(len(secret)) {
				t.Errorf("described %+v through a link", i)
			}
		}
	},
	"folders": func(t *testing.T, a *arena) {
		_ = a.Mkdir(t.Context(), at("/d/made"))
		_ = a.Mkdir(t.Context(), at("/d/sub/made"))
		_ = a.RemoveDir(t.Context(), at("/d/made"))
		_ = a.RemoveDir(t.Context(), at("/d/sub/made"))
		_ = a.RemoveDir(t.Context(), at("/d/empty"))
		_ = a.Mkdir(t.Context(), at("/d/empty"))
	},
	"remove": func(t *testing.T, a *arena) {
		_ = a.Remove(t.Context(), at("/d/g"))
		_ = a.Remove(t.Context(), at("/d/sub/f"))
		_ = a.RemoveDir(t.Context(), at("/d/sub"))
		_ = a.Mkdir(t.Context(), at("/d/sub"))
		for _, p := range []string{"/d/g", "/d/sub/f"} {
			if f, err := a.Open(t.Context(), at(p), backend.How{Write: true, Create: true}); err == nil {
				_, _ = f.WriteAt([]byte(own), 0)
				_ = f.Close()
			}
		}
	},
	"rename": func(t *testing.T, a *arena) {
		for _, replace := range []bool{false, true} {
			_ = a.Rename(t.Context(), at("/d/f"), at("/d/sub/moved"), replace)
			_ = a.Rename(t.Context(), at("/d/sub/moved"), at("/d/f"), replace)
			_ = a.Rename(t.Context(), at("/d/g"), at("/mine"), replace)
			_ = a.Rename(t.Context(), at("/mine"), at("/d/g"), replace)
			_ = a.Rename(t.Context(), at("/d/sub"), at("/d/bus"), replace)
			_ = a.Rename(t.Context(), at("/d/bus"), at("/d/sub"), replace)
		}
	},
	"links": func(t *testing.T, a *arena) {
		_ = a.Symlink(t.Context(), "x", at("/d/link"))
		if target, err := a.Readlink(t.Context(), at("/d/link")); err == nil && target != "x" {
			t.Errorf("read the link %q", target)
		}
		_ = a.Remove(t.Context(), at("/d/link"))
		_ = a.Link(t.Context(), at("/d/f"), at("/d/hard"))
		_ = a.Remove(t.Context(), at("/d/hard"))
		_ = a.Link(t.Context(), at("/d/sub/f"), at("/hard"))
		if i, err := a.Stat(t.Context(), at("/hard")); err == nil && i.Size == int64(len(secret)) {
			t.Error("linked a file through a link")
		}
		_ = a.Remove(t.Context(), at("/hard"))
	},
	"attributes": func(t *testing.T, a *arena) {
		mode, then := os.FileMode(0o600), time.Unix(1, 0)
		for _, p := range []string{"/d", "/d/f", "/d/sub", "/d/sub/f"} {
			if p != "/d" {
				mode = 0o700
			}
			_ = a.SetAttr(t.Context(), at(p), backend.Attr{Mode: &mode, Modified: &then, Accessed: &then})
			mode = 0o755
			_ = a.SetAttr(t.Context(), at(p), backend.Attr{Mode: &mode})
		}
	},
	"properties": func(t *testing.T, a *arena) {
		for _, p := range []string{"/d", "/d/f", "/d/sub/f"} {
			_ = a.SetProperties(t.Context(), at(p), map[string][]byte{"x": []byte("1")})
			_, _ = a.Properties(t.Context(), at(p))
		}
	},
	"space and sync": func(t *testing.T, a *arena) {
		_, _ = a.Space(t.Context(), at("/d/sub"))
		_ = a.Sync(t.Context(), at("/d/sub"))
	},
}

// The operations above mean something only if they mostly work where nobody
// interferes, and the swaps are really met.
func TestAdversaryIsMet(t *testing.T) {
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			a := newArena(t, way)
			stop := a.swap(t)
			defer stop()
			outcomes := make(map[string]int)
			for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
				_, err := a.Stat(t.Context(), at("/d/f"))
				switch {
				case err == nil:
					outcomes["ok"]++
				case strings.Contains(err.Error(), backend.ErrLink.Error()):
					outcomes["link"]++
				default:
					t.Fatalf("stat: %v", err)
				}
				if outcomes["ok"] > 100 && outcomes["link"] > 100 {
					return
				}
			}
			t.Errorf("outcomes: %v, want both often", outcomes)
		})
	}
}
