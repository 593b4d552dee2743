package protocoltest

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gatehouse/storage/mount"
)

// OnDisk is where a tree path is on the machine. What is done there is what
// somebody with a shell on the machine does: no front end, guard or quota sees it.
func (w *World) OnDisk(tree string) string {
	for at, dir := range w.mounted {
		if rest, ok := strings.CutPrefix(tree, at); ok && (rest == "" || rest[0] == '/') {
			return filepath.Join(dir, rest)
		}
	}
	return filepath.Join(w.Dir, tree)
}

// Write writes a file on disk, with the folders on the way.
func (w *World) Write(tree, content string) {
	w.t.Helper()
	w.must(os.MkdirAll(filepath.Dir(w.OnDisk(tree)), 0o750))
	w.must(os.WriteFile(w.OnDisk(tree), []byte(content), 0o640))
}

// Mkdir makes a folder on disk, with those on the way.
func (w *World) Mkdir(tree string) {
	w.t.Helper()
	w.must(os.MkdirAll(w.OnDisk(tree), 0o750))
}

// Link makes a symbolic link on disk.
func (w *World) Link(target, tree string) {
	w.t.Helper()
	w.must(os.Symlink(target, w.OnDisk(tree)))
}

// Read reads a file on disk; ok is false where there is none.
func (w *World) Read(tree string) (content string, ok bool) {
	w.t.Helper()
	b, err := os.ReadFile(w.OnDisk(tree))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false
	}
	w.must(err)
	return string(b), true
}

// Files is everything below a tree path, on disk, by its path from there:
// contents of files, "-> target" for links, nothing of folders. The gateway's
// reserved folder is left out.
func (w *World) Files(tree string) map[string]string {
	w.t.Helper()
	return Files(w.t, w.OnDisk(tree))
}

// Staged is what lies in the reserved folder: nothing, where no upload goes on.
func (w *World) Staged() map[string]string {
	w.t.Helper()
	return Files(w.t, filepath.Join(w.Dir, mount.Reserved, "staging"))
}

// nothingStaged is Staged for who waits: it reads no content.
func (w *World) nothingStaged() bool {
	w.t.Helper()
	nothing := true
	err := filepath.WalkDir(filepath.Join(w.Dir, mount.Reserved, "staging"), func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil && !e.IsDir() {
			nothing = false
			return fs.SkipAll
		}
		return err
	})
	w.must(err)
	return nothing
}

type failer interface {
	Helper()
	Fatal(...any)
}

// Files is World.Files for any folder of the machine. What goes away while it
// looks is left out.
func Files(t failer, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && p != dir {
			return nil
		}
		if err != nil {
			return err
		}
		rel := strings.TrimPrefix(p, dir)
		switch {
		case e.IsDir() && rel == "/"+mount.Reserved:
			return fs.SkipDir
		case e.Type() == fs.ModeSymlink:
			target, err := os.Readlink(p)
			found[rel] = "-> " + target
			return err
		case e.Type().IsRegular():
			content, err := os.ReadFile(p)
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			found[rel] = string(content)
			return err
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
