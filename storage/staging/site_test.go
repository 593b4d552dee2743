package staging_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/mount"
	"gatehouse/storage/staging"
)

func at(s string) path.Path { return path.MustParse(s) }

// A site is a tree of two mounts on disk, with staging.
type site struct {
	*testing.T
	dir, far string // on disk: /, and /far
	table    *mount.Table
	area     *staging.Area
}

func newSite(t *testing.T, wrap func(backend.Backend) backend.Backend) *site {
	t.Helper()
	s := &site{T: t, dir: t.TempDir(), far: t.TempDir()}
	s.table = s.mounted(wrap)
	s.area = s.start("1", 10)
	return s
}

func plain(b backend.Backend) backend.Backend { return b }

func (s *site) mounted(wrap func(backend.Backend) backend.Backend) *mount.Table {
	s.Helper()
	var mounts []mount.Mount
	for p, dir := range map[string]string{"/": s.dir, "/far": s.far} {
		b, err := local.Open(dir, local.Options{})
		if err != nil {
			s.Fatal(err)
		}
		mounts = append(mounts, mount.Mount{Path: at(p), Backend: wrap(b)})
	}
	table, err := mount.New(mounts...)
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() {
		if err := table.Close(); err != nil {
			s.Error(err)
		}
	})
	return table
}

// start is the node coming up in a new epoch.
func (s *site) start(epoch string, max int) *staging.Area {
	s.Helper()
	a, err := staging.New(s.Context(), s.table, "node-a", epoch, max)
	if err != nil {
		s.Fatal(err)
	}
	for _, err := range a.Left() {
		s.Error(err)
	}
	return a
}

// restart is start for those who expect that something is left.
func (s *site) restart(epoch string) *staging.Area {
	s.Helper()
	a, err := staging.New(s.Context(), s.table, "node-a", epoch, 10)
	if err != nil {
		s.Fatal(err)
	}
	return a
}

func (s *site) create(target string) *staging.Upload {
	s.Helper()
	u, err := s.area.Create(s.Context(), at(target), backend.How{})
	if err != nil {
		s.Fatal(err)
	}
	return u
}

func (s *site) stage(target, content string) *staging.Upload {
	s.Helper()
	u := s.create(target)
	if _, err := u.File.WriteAt([]byte(content), 0); err != nil {
		s.Fatal(err)
	}
	return u
}

func (s *site) put(name, content string) {
	s.Helper()
	if err := os.MkdirAll(filepath.Dir(filepath.Join(s.dir, name)), 0o755); err != nil {
		s.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(content), 0o644); err != nil {
		s.Fatal(err)
	}
}

func (s *site) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// contents is all that is on a mount's disk: what users see, and what lies
// below the reserved folder.
func contents(t *testing.T, dir string) (seen, hidden map[string]string) {
	t.Helper()
	seen, hidden = make(map[string]string), make(map[string]string)
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := os.ReadFile(p)
		rel := strings.TrimPrefix(p, dir)
		if strings.HasPrefix(rel, "/"+mount.Reserved) {
			hidden[rel] = string(content)
		} else {
			seen[rel] = string(content)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return seen, hidden
}

func (s *site) holds(want map[string]string) {
	s.Helper()
	seen, _ := contents(s.T, s.dir)
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		s.Errorf("the tree holds %v, want %v", seen, want)
	}
}

func (s *site) nothingStaged() {
	s.Helper()
	for _, dir := range []string{s.dir, s.far} {
		if _, hidden := contents(s.T, dir); len(hidden) != 0 {
			s.Errorf("still staged: %v", hidden)
		}
	}
}
