// Package mount joins several backends into one tree. It answers for tree
// paths what a backend answers for its own, and keeps the gateway's reserved
// folder, .gatehouse at the top of each mount, out of reach and out of sight.
package mount

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// Reserved is the name of the gateway's own folder at the top of a mount. It is
// reserved however its letters are cased: a file system that folds names would
// find it under each.
const Reserved = backend.Reserved

// ErrReserved is the refusal to make something under the reserved name; it is
// an fs.ErrInvalid. What is there already does not exist (fs.ErrNotExist).
var ErrReserved = fmt.Errorf("%w: the name is the gateway's own", fs.ErrInvalid)

// What Mount.Sync can say.
const (
	SyncNone   = "none"   // nothing is forced to disk
	SyncClose  = "close"  // what is stored under a name is durable, whoever puts it there; the default
	SyncAlways = "always" // so is every other change: what is gone stays gone
)

// A Mount is a backend at a place of the tree.
type Mount struct {
	Path    path.Path
	Backend backend.Backend
	// Sync says what is made durable before it is acknowledged: none, close or always. Empty is close.
	Sync string
}

// Durable reports whether what is stored is to be on disk before it is acknowledged.
func (m Mount) Durable() bool { return m.Sync != SyncNone }

// A Table is the whole tree. It implements backend.Backend over tree paths:
// longest prefix wins; a mount point appears as a folder in the one above it;
// removing or renaming one is backend.ErrBusy, renaming across backend.ErrCrossMount.
// Folders on the way to a mount point appear too, and are made where they are
// first used. It is immutable and safe for concurrent use.
type Table struct {
	mounts []Mount
	at     map[path.Path]Mount
	ways   map[path.Path][]string // above a mount point: the names that lead on
	since  time.Time
}

var _ backend.Backend = (*Table)(nil)

// New joins mounts; one of them is at the root, none is mounted twice.
func New(mounts ...Mount) (*Table, error) {
	t := &Table{
		mounts: slices.Clone(mounts),
		at:     make(map[path.Path]Mount, len(mounts)),
		ways:   make(map[path.Path][]string),
		since:  time.Now(),
	}
	slices.SortFunc(t.mounts, func(a, b Mount) int { return strings.Compare(a.Path.String(), b.Path.String()) })
	for _, m := range t.mounts {
		if err := t.add(m); err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.Path, err)
		}
	}
	if _, ok := t.at[path.Root]; !ok {
		return nil, errors.New("nothing is mounted at /")
	}
	return t, nil
}

func (t *Table) add(m Mount) error {
	if _, twice := t.at[m.Path]; twice {
		return errors.New("something else is mounted there")
	}
	for name := range m.Path.Names() {
		if strings.EqualFold(name, Reserved) {
			return ErrReserved
		}
	}
	switch m.Sync {
	case "", SyncNone, SyncClose, SyncAlways:
	default:
		return fmt.Errorf("sync is %q, want none, close or always", m.Sync)
	}
	t.at[m.Path] = m
	for p := m.Path; !p.IsRoot(); p = p.Dir() {
		if !slices.Contains(t.ways[p.Dir()], p.Base()) {
			t.ways[p.Dir()] = append(t.ways[p.Dir()], p.Base())
		}
	}
	return nil
}

// Of returns the mount that holds p, and p as its backend knows it.
func (t *Table) Of(p path.Path) (m Mount, rel path.Path) {
	if len(t.mounts) == 1 {
		return t.mounts[0], p
	}
	for above := range p.Above() {
		if m, ok := t.at[above]; ok {
			rel, _ = above.Rel(p)
			return m, rel
		}
	}
	panic("mount: a table without a root") // New makes none
}

// Mounts returns all mounts, sorted by path.
func (t *Table) Mounts() []Mount { return slices.Clone(t.mounts) }

// Capabilities are those that all mounts have; Of tells those of one.
func (t *Table) Capabilities() backend.Capabilities {
	all := backend.Capabilities{RandomWrite: true, AtomicRename: true, Symlinks: true, HardLinks: true, Properties: true}
	for _, m := range t.mounts {
		c := m.Backend.Capabilities()
		all.RandomWrite = all.RandomWrite && c.RandomWrite
		all.AtomicRename = all.AtomicRename && c.AtomicRename
		all.Symlinks = all.Symlinks && c.Symlinks
		all.HardLinks = all.HardLinks && c.HardLinks
		all.Properties = all.Properties && c.Properties
	}
	return all
}

// Close closes every backend.
func (t *Table) Close() error {
	var errs []error
	for _, m := range t.mounts {
		errs = append(errs, m.Backend.Close())
	}
	return errors.Join(errs...)
}

// A place is where a tree path leads.
type place struct {
	Mount
	tree, rel path.Path
	point     bool // a mount point
	way       bool // above a mount point, or one
}

func (t *Table) place(p path.Path) place {
	m, rel := t.Of(p)
	_, leads := t.ways[p]
	return place{Mount: m, tree: p, rel: rel, point: rel.IsRoot(), way: leads || rel.IsRoot()}
}

// existing finds what may be there already; what is reserved is not.
func (t *Table) existing(ctx context.Context, op string, p path.Path) (place, error) {
	if err := ctx.Err(); err != nil {
		return place{}, pathError(op, p, err)
	}
	at := t.place(p)
	if isReserved(at.rel) {
		return place{}, pathError(op, p, fs.ErrNotExist)
	}
	return at, nil
}

// fresh finds the place for something new.
func (t *Table) fresh(ctx context.Context, op string, p path.Path) (place, error) {
	if at := t.place(p); isReserved(at.rel) && at.rel.Dir().IsRoot() {
		return place{}, pathError(op, p, ErrReserved)
	}
	return t.existing(ctx, op, p)
}

func isReserved(rel path.Path) bool {
	for name := range rel.Names() {
		return strings.EqualFold(name, Reserved)
	}
	return false
}
