// Package backendtest is the suite that each backend passes: every promise of
// storage/backend, asked of an empty store.
package backendtest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// Run asks the suite of the backends that open makes. Each is empty.
func Run(t *testing.T, open func(t *testing.T) backend.Backend) {
	RunBelow(t, path.Root, open)
}

// RunBelow is Run below the folder base, which exists and is empty: for trees
// that are made of several backends.
func RunBelow(t *testing.T, base path.Path, open func(t *testing.T) backend.Backend) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := open(t)
			t.Cleanup(func() {
				if err := b.Close(); err != nil {
					t.Errorf("close the backend: %v", err)
				}
			})
			s := &store{T: t, Backend: b, base: base}
			if c.needs != nil && !c.needs(b.Capabilities()) {
				t.Skip("the backend does not claim to do this")
			}
			c.run(s)
		})
	}
}

type testCase struct {
	name  string
	run   func(*store)
	needs func(backend.Capabilities) bool
}

var cases = slices.Concat(fileCases, folderCases, renameCases, linkCases, attrCases, propertyCases, lockCases)

// A store is a backend under test, with the words that the cases are told in.
type store struct {
	*testing.T
	backend.Backend
	base path.Path
}

// at is the path of s, as it is written in the cases, below the base.
func (s *store) at(name string) path.Path { return s.base.Append(path.MustParse(name)) }

func (s *store) open(name string, how backend.How) (backend.File, error) {
	return s.Open(s.Context(), s.at(name), how)
}

func (s *store) mustOpen(name string, how backend.How) backend.File {
	s.Helper()
	f, err := s.open(name, how)
	if err != nil {
		s.Fatalf("open %s: %v", name, err)
	}
	return f
}

// write makes a new file.
func (s *store) write(name, content string) {
	s.Helper()
	f := s.mustOpen(name, backend.How{Write: true, Create: true, Exclusive: true})
	if _, err := f.WriteAt([]byte(content), 0); err != nil {
		s.Fatalf("write %s: %v", name, err)
	}
	s.must("close "+name, f.Close())
}

func (s *store) read(name string) string {
	s.Helper()
	f := s.mustOpen(name, backend.How{Read: true})
	defer f.Close()
	return s.content(f)
}

func (s *store) content(f backend.File) string {
	s.Helper()
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.NewSectionReader(f, 0, 1<<30)); err != nil {
		s.Fatalf("read: %v", err)
	}
	return b.String()
}

func (s *store) holds(name, want string) {
	s.Helper()
	if got := s.read(name); got != want {
		s.Errorf("%s holds %q, want %q", name, got, want)
	}
}

func (s *store) mkdir(names ...string) {
	s.Helper()
	for _, name := range names {
		s.must("mkdir "+name, s.Mkdir(s.Context(), s.at(name)))
	}
}

func (s *store) stat(name string) (backend.Info, error) { return s.Stat(s.Context(), s.at(name)) }

func (s *store) mustStat(name string) backend.Info {
	s.Helper()
	i, err := s.stat(name)
	if err != nil {
		s.Fatalf("stat %s: %v", name, err)
	}
	return i
}

func (s *store) gone(name string) {
	s.Helper()
	if _, err := s.stat(name); !errors.Is(err, fs.ErrNotExist) {
		s.Errorf("stat %s: got %v, want that it does not exist", name, err)
	}
}

func (s *store) rename(from, to string, replace bool) error {
	return s.Rename(s.Context(), s.at(from), s.at(to), replace)
}

// names lists a folder, in order of name.
func (s *store) names(name string) []string {
	s.Helper()
	var names []string
	for _, i := range s.list(name, 7) {
		names = append(names, i.Name)
	}
	slices.Sort(names)
	return names
}

func (s *store) list(name string, piece int) []backend.Info {
	s.Helper()
	d, err := s.List(s.Context(), s.at(name))
	if err != nil {
		s.Fatalf("list %s: %v", name, err)
	}
	defer d.Close()
	var all []backend.Info
	for {
		some, err := d.Next(piece)
		if len(some) > piece {
			s.Fatalf("list %s: %d entries at once, asked for %d", name, len(some), piece)
		}
		all = append(all, some...)
		if err == io.EOF {
			return all
		}
		if err != nil {
			s.Fatalf("list %s: %v", name, err)
		}
	}
}

func (s *store) must(what string, err error) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", what, err)
	}
}

// refused asks for an error that is want, and that names the paths of the tree
// that were asked for, and no other.
func (s *store) refused(what string, err, want error, names ...string) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: got %v, want %v", what, err, want)
		return
	}
	paths := make([]string, len(names))
	for i, name := range names {
		paths[i] = s.at(name).String()
	}
	var pe *fs.PathError
	var le *os.LinkError
	switch {
	case errors.As(err, &le):
		if len(paths) < 2 || le.Old != paths[0] || le.New != paths[1] {
			s.Errorf("%s: the error names %q and %q, want %q", what, le.Old, le.New, paths)
		}
	case errors.As(err, &pe):
		if !slices.Contains(paths, pe.Path) {
			s.Errorf("%s: the error names %q, want %q", what, pe.Path, paths)
		}
	default:
		s.Errorf("%s: %T %v, want *fs.PathError or *os.LinkError", what, err, err)
	}
	if strings.Contains(err.Error(), os.TempDir()+"/") {
		s.Errorf("%s: the error tells a path of the machine: %v", what, err)
	}
}
