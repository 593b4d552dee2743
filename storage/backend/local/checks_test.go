package local

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// The root is there: nothing can be made in its place.
func TestRootIsThere(t *testing.T) {
	b, dir := temporary(t)
	write(t, dir+"/f", "f")
	if err := b.Symlink(t.Context(), "f", path.Root); !errors.Is(err, fs.ErrExist) {
		t.Errorf("symlink: %v", err)
	}
	if err := b.Link(t.Context(), path.MustParse("/f"), path.Root); !errors.Is(err, fs.ErrExist) {
		t.Errorf("link: %v", err)
	}
}

// A rename moves links themselves. Where the target is a link to the very file
// that moves, following it would take both for one and lose the content.
func TestRenameFollowsNoLink(t *testing.T) {
	for name, prepare := range map[string]struct{ link, onto string }{
		"of a file onto a link to it":      {"", "from"},
		"of a link to a folder to a file":  {"folder", ""},
		"of a link that leads nowhere":     {"missing", ""},
		"of a link to the file it goes to": {"to", ""},
	} {
		t.Run(name, func(t *testing.T) {
			b, dir := temporary(t)
			if err := os.Mkdir(dir+"/folder", 0o755); err != nil {
				t.Fatal(err)
			}
			for name, target := range map[string]string{"/from": prepare.link, "/to": prepare.onto} {
				if target == "" {
					write(t, dir+name, "content of "+name)
				} else if err := os.Symlink(target, dir+name); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Rename(t.Context(), path.MustParse("/from"), path.MustParse("/to"), true); err != nil {
				t.Fatal(err)
			}
			if _, err := os.Lstat(dir + "/from"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("it is still there: %v", err)
			}
			if prepare.link != "" {
				if got, err := os.Readlink(dir + "/to"); got != prepare.link {
					t.Errorf("the link says %q, %v", got, err)
				}
			} else if got, err := os.ReadFile(dir + "/to"); string(got) != "content of /from" {
				t.Errorf("the file holds %q, %v", got, err)
			}
		})
	}
}

func TestLinkIsNoFolder(t *testing.T) {
	b, dir := temporary(t)
	if err := errors.Join(os.Mkdir(dir+"/folder", 0o755), os.Symlink("folder", dir+"/link")); err != nil {
		t.Fatal(err)
	}
	top, err := b.at(path.Root, unix.O_PATH|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(top)
	if !isDir(top, "folder") || isDir(top, "link") {
		t.Error("a link is taken for what it leads to")
	}
	if isLink(top, "folder") || !isLink(top, "link") {
		t.Error("a link is not known as one")
	}
}

// What takes back a file leaves alone what has its name by now, even where that
// leads to the file.
func TestTakeBackOnlyTheFile(t *testing.T) {
	b, dir := temporary(t)
	write(t, dir+"/f", "f")
	fd, err := b.at(path.MustParse("/f"), unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(os.Rename(dir+"/f", dir+"/g"), os.Symlink("g", dir+"/f")); err != nil {
		t.Fatal(err)
	}
	b.takeBack(path.MustParse("/f"), fd)
	if _, err := os.Readlink(dir + "/f"); err != nil {
		t.Error("somebody's link is gone")
	}
	b.takeBack(path.MustParse("/g"), fd)
	if _, err := os.Lstat(dir + "/g"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
}

// The owner of new links is set on the link, never on what it leads to.
func TestOwnerOfLinks(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may give files away")
	}
	dir, owner := t.TempDir(), 4321
	write(t, dir+"/f", "f")
	b, err := Open(dir, Options{UID: &owner, GID: &owner})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if err := b.Symlink(t.Context(), "f", path.MustParse("/l")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]int{"/f": 0, "/l": owner} {
		i, err := b.Stat(t.Context(), path.MustParse(name))
		if err != nil || i.UID != want || i.GID != want {
			t.Errorf("%s belongs to %d:%d, %v, want %d", name, i.UID, i.GID, err, want)
		}
	}
}

// Whatever resolves names, the last one is never followed.
func TestNoWayFollowsTheLast(t *testing.T) {
	for _, way := range []Resolve{ByKernel, ByName} {
		dir := t.TempDir()
		write(t, dir+"/f", "f")
		if err := os.Symlink("f", dir+"/l"); err != nil {
			t.Fatal(err)
		}
		b, err := Open(dir, Options{Resolve: way})
		if err != nil {
			t.Fatal(err)
		}
		for _, how := range []backend.How{{Read: true}, {Write: true}, {Write: true, Create: true}} {
			if f, err := b.Open(t.Context(), path.MustParse("/l"), how); !errors.Is(err, backend.ErrLink) {
				t.Errorf("%v, %+v: %v, %v", way, how, f, err)
			}
		}
		if err := b.SetProperties(t.Context(), path.MustParse("/l"), map[string][]byte{"a": nil}); !errors.Is(err, backend.ErrLink) {
			t.Errorf("%v: %v", way, err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}
