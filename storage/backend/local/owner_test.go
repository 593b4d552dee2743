package local_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/storage/backend"
	"gatehouse/storage/backend/local"
)

// The umask is the process's own, so it is asked in one that has another.
func TestModesAndOwnersWhateverTheUmask(t *testing.T) {
	if os.Getenv("LOCAL_TEST_UMASK") == "" {
		for _, mask := range []string{"000", "022", "077", "777"} {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestModesAndOwnersWhateverTheUmask$")
			cmd.Env = append(os.Environ(), "LOCAL_TEST_UMASK="+mask)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("umask %s: %v\n%s", mask, err, out)
			}
		}
		return
	}
	dir := t.TempDir()
	uid, gid, none := 1234, 2345, -1
	if os.Getuid() != 0 {
		uid, gid = os.Getuid(), os.Getgid()
	}
	var mask int
	_, err := fmt.Sscanf(os.Getenv("LOCAL_TEST_UMASK"), "%o", &mask)
	must(t, err)
	unix.Umask(mask)
	for name, c := range map[string]struct {
		options  local.Options
		how      backend.How
		uid, gid int
		file     fs.FileMode
		folder   fs.FileMode
	}{
		"defaults": {local.Options{}, backend.How{}, os.Getuid(), os.Getgid(), 0o640, 0o750},
		"modes":    {local.Options{FileMode: 0o664, DirMode: 0o2775}, backend.How{}, os.Getuid(), os.Getgid(), 0o664, 0o775},
		"mode asked for": {local.Options{FileMode: 0o664}, backend.How{Mode: fs.ModeSetuid | 0o604}, os.Getuid(), os.Getgid(),
			0o604, 0o750},
		"owner": {local.Options{UID: &uid, GID: &gid}, backend.How{}, uid, gid, 0o640, 0o750},
		"group": {local.Options{UID: &none, GID: &gid}, backend.How{}, os.Getuid(), gid, 0o640, 0o750},
	} {
		b := open(t, dir, c.options)
		create(t, b, "/file "+name, c.how)
		must(t, b.Mkdir(t.Context(), at("/folder "+name)))
		f, err := b.Stat(t.Context(), at("/file "+name))
		must(t, err)
		d, err := b.Stat(t.Context(), at("/folder "+name))
		must(t, err)
		if f.Mode != c.file || f.UID != c.uid || f.GID != c.gid {
			t.Errorf("%s: file %v of %d:%d, want %v of %d:%d", name, f.Mode, f.UID, f.GID, c.file, c.uid, c.gid)
		}
		if d.Mode != fs.ModeDir|c.folder || d.UID != c.uid || d.GID != c.gid {
			t.Errorf("%s: folder %v of %d:%d, want %v of %d:%d", name, d.Mode, d.UID, d.GID, c.folder, c.uid, c.gid)
		}
		must(t, b.Close())
	}
}

func TestOwnerAskedForOneFile(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	b := open(t, t.TempDir(), local.Options{})
	defer b.Close()
	uid, gid := 1234, 2345
	create(t, b, "/a", backend.How{UID: &uid, GID: &gid, Mode: 0o666})
	i, err := b.Stat(t.Context(), at("/a"))
	must(t, err)
	if i.UID != uid || i.GID != gid || i.Mode != 0o666 {
		t.Errorf("got %v of %d:%d, want 0666 of %d:%d", i.Mode, i.UID, i.GID, uid, gid)
	}
}

// A folder that somebody on the machine made setgid stays so, and what is made
// in it has its group.
func TestSetgidFoldersStay(t *testing.T) {
	dir := t.TempDir()
	b := open(t, dir, local.Options{})
	defer b.Close()
	must(t, b.Mkdir(t.Context(), at("/shared")))
	must(t, os.Chmod(dir+"/shared", 0o770|fs.ModeSetgid))
	mode := fs.FileMode(0o750)
	must(t, b.SetAttr(t.Context(), at("/shared"), backend.Attr{Mode: &mode}))
	must(t, b.Mkdir(t.Context(), at("/shared/sub")))
	for _, name := range []string{"/shared", "/shared/sub"} {
		i, err := os.Stat(dir + name)
		must(t, err)
		if i.Mode()&fs.ModeSetgid == 0 {
			t.Errorf("%s has mode %v, want setgid", name, i.Mode())
		}
	}
}

// asNobody runs a test of this file as a process without rights, in a folder
// of its own.
func asNobody(t *testing.T, test string) bool {
	t.Helper()
	if os.Getuid() != 0 {
		return true
	}
	bin := t.TempDir()
	must(t, os.Chmod(bin, 0o755))
	must(t, os.Chmod(filepath.Dir(bin), 0o755))
	exe, err := os.ReadFile(os.Args[0])
	must(t, err)
	must(t, os.WriteFile(bin+"/test", exe, 0o755)) //nolint:gosec // it is to be run
	tmp := t.TempDir()
	must(t, os.Chown(tmp, 65534, 65534))
	cmd := exec.CommandContext(t.Context(), bin+"/test", "-test.run="+test, "-test.v")
	cmd.Dir = tmp
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Errorf("as nobody: %v\n%s", err, out)
	}
	return false
}

func TestWholeSuiteWithoutRights(t *testing.T) { asNobody(t, "^TestBackend$") }

func TestStoreRefuses(t *testing.T) {
	if !asNobody(t, "^TestStoreRefuses$") {
		return
	}
	dir := t.TempDir()
	b := open(t, dir, local.Options{})
	defer b.Close()
	create(t, b, "/a", backend.How{})
	must(t, b.Mkdir(t.Context(), at("/d")))
	must(t, os.Chmod(dir+"/a", 0))
	must(t, os.Chmod(dir+"/d", 0o500))
	_, read := b.Open(t.Context(), at("/a"), backend.How{Read: true})
	_, made := b.Open(t.Context(), at("/d/new"), backend.How{Write: true, Create: true})
	for what, err := range map[string]error{
		"read": read, "create": made,
		"mkdir":  b.Mkdir(t.Context(), at("/d/new")),
		"rename": b.Rename(t.Context(), at("/a"), at("/d/a"), false),
	} {
		if !errors.Is(err, fs.ErrPermission) {
			t.Errorf("%s: got %v, want fs.ErrPermission", what, err)
		}
	}
	// An owner that the process may not give: no file is left half made.
	other := 0
	c := open(t, dir, local.Options{UID: &other})
	defer c.Close()
	if _, err := c.Open(t.Context(), at("/theirs"), backend.How{Write: true, Create: true}); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("create for another owner: got %v, want fs.ErrPermission", err)
	}
	if err := c.Mkdir(t.Context(), at("/their folder")); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("mkdir for another owner: got %v, want fs.ErrPermission", err)
	}
	for _, name := range []string{"/theirs", "/their folder"} {
		if _, err := b.Stat(t.Context(), at(name)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was left behind (%v)", name, err)
		}
	}
}
