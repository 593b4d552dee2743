package local

import (
	"context"
	"crypto/rand"
	"errors"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// A Report is what an administrator should know of a folder that is, or is to
// be, mounted.
type Report struct {
	// FoldsCase says that names which differ in case alone are one there.
	FoldsCase bool
	// Properties says that files can carry properties (extended attributes).
	Properties bool
	// ByName says that the kernel does not let us use openat2(2): names are
	// resolved one by one, as safely, but slower.
	ByName    bool
	FreeBytes int64
}

// Probe finds out by trying: it makes a folder in dir, within the reserved one
// where that is there, and removes it. An error says that dir cannot be used.
func Probe(dir string) (Report, error) {
	b, err := Open(dir, Options{})
	if err != nil {
		return Report{}, err
	}
	r, err := b.probe(context.Background())
	return r, errors.Join(err, b.Close())
}

func (b *Backend) probe(ctx context.Context) (Report, error) {
	r := Report{ByName: b.byName}
	space, err := b.Space(ctx, path.Root)
	if err != nil {
		return r, err
	}
	r.FreeBytes = space.FreeBytes
	in := path.MustParse(backend.Reserved)
	if i, err := b.Stat(ctx, in); err != nil || !i.IsDir() {
		in = path.Root
	}
	probe := in.Append(path.MustParse("probe-" + strings.ToLower(rand.Text())))
	if err := b.Mkdir(ctx, probe); err != nil {
		return r, err
	}
	r.Properties = b.SetProperties(ctx, probe, map[string][]byte{"probe": nil}) == nil
	r.FoldsCase, err = b.folds(ctx, probe)
	return r, errors.Join(err, b.RemoveDir(ctx, probe))
}

func (b *Backend) folds(ctx context.Context, probe path.Path) (bool, error) {
	dir, name, err := b.parent(ctx, probe)
	if err != nil {
		return false, pathError("stat", probe, err)
	}
	defer unix.Close(dir)
	var st unix.Stat_t
	err = unix.Fstatat(dir, strings.ToUpper(name), &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return false, nil
	}
	return err == nil, pathError("stat", probe, err)
}

// searched bounds how many entries Unreachable looks at.
const searched = 100_000

// Unreachable names special files below dir, relative to it, which no client
// sees: at most limit of them, of the first 100,000 entries. The reserved folder
// is left out, and so is what cannot be looked into.
func Unreachable(ctx context.Context, dir string, limit int) ([]string, error) {
	b, err := Open(dir, Options{})
	if err != nil {
		return nil, err
	}
	s := &search{backend: b, limit: limit, todo: []path.Path{path.Root}}
	for len(s.todo) > 0 && s.looked < searched && len(s.found) < limit {
		next := s.todo[0]
		s.todo = s.todo[1:]
		if err := s.look(ctx, next); err != nil && ctx.Err() != nil {
			return s.found, errors.Join(ctx.Err(), b.Close())
		}
	}
	return s.found, b.Close()
}

type search struct {
	backend *Backend
	limit   int
	looked  int
	found   []string
	todo    []path.Path
}

func (s *search) look(ctx context.Context, folder path.Path) error {
	d, err := s.backend.List(ctx, folder)
	if err != nil {
		return err
	}
	defer d.Close()
	for s.looked < searched {
		some, err := d.Next(500)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		for _, i := range some {
			s.note(folder, i)
		}
	}
	return nil
}

func (s *search) note(folder path.Path, i backend.Info) {
	s.looked++
	p, err := folder.Join(i.Name)
	switch {
	case err != nil, folder.IsRoot() && i.Name == backend.Reserved:
	case i.IsDir():
		s.todo = append(s.todo, p)
	case i.IsSpecial() && len(s.found) < s.limit:
		s.found = append(s.found, relative(p))
	}
}
