package guard

import (
	"cmp"
	"context"
	"errors"
	"math"
	"slices"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/quota"
)

// still is open files kept from growing, while trees are measured and moved.
// Writes that were under way go on: they are charged for already.
type still struct {
	table *files
	byID  map[backend.FileID]*stored
	// lent are the files that are frozen by themselves, where nodes share.
	lent map[backend.FileID]*lent
}

// fileAt is a file that is frozen by itself, open or not.
type fileAt struct {
	id backend.FileID
	at path.Path
}

// freeze keeps still what is open in the trees, and these files. Nobody opens
// more there: the caller holds the names.
func (t *Tree) freeze(ctx context.Context, trees []path.Path, more ...fileAt) (*still, error) {
	var all []*stored
	t.files.each(func(s *stored) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if !s.gone && slices.ContainsFunc(trees, s.within) {
			all = append(all, t.files.use(s.id, s.path))
		}
	})
	for _, f := range more {
		if !slices.ContainsFunc(all, func(s *stored) bool { return s.id == f.id }) {
			all = append(all, t.files.use(f.id, f.at))
		}
	}
	slices.SortFunc(all, func(a, b *stored) int {
		return cmp.Or(cmp.Compare(a.id.Device, b.id.Device), cmp.Compare(a.id.Inode, b.id.Inode))
	})
	st := &still{table: &t.files, byID: make(map[backend.FileID]*stored, len(all)), lent: make(map[backend.FileID]*lent)}
	for i, s := range all {
		if err := s.freeze(ctx); err != nil {
			for _, rest := range all[i:] {
				t.files.leave(rest)
			}
			st.thaw()
			return nil, err
		}
		st.byID[s.id] = s
	}
	for _, f := range more {
		if st.byID[f.id].gone { // another file had this identity until now
			st.thaw()
			return t.freeze(ctx, trees, more...)
		}
	}
	for _, f := range more {
		if err := t.claim(ctx, st, f); err != nil {
			st.thaw()
			return nil, err
		}
	}
	return st, nil
}

// claim keeps a file that is frozen by itself to this node.
func (t *Tree) claim(ctx context.Context, st *still, f fileAt) error {
	if !t.files.shared {
		return nil
	}
	l, err := t.borrow(ctx, st.byID[f.id], f.at)
	if err != nil {
		return err
	}
	st.lent[f.id] = l
	return t.stands(ctx, f.at, f.id)
}

// sure reports that no other node can change what this file gives back.
func (st *still) sure(id backend.FileID) bool {
	l, claimed := st.lent[id]
	return claimed && l.sure()
}

// gone reports that this file, frozen by itself, has no name any more.
func (st *still) gone(id backend.FileID) bool { return st.lent[id].gone() }

// contested reports that another node is changing this file, frozen by itself.
func (st *still) contested(id backend.FileID) bool { return st.lent[id].busy() != nil }

func (s *stored) freeze(ctx context.Context) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.book()
	s.frozen = make(chan struct{})
	return nil
}

// busy reports whether somebody began to write before it was frozen.
func (s *stored) busy() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writing > 0
}

func (st *still) find(id backend.FileID) *stored { return st.byID[id] }

func (st *still) thaw() {
	for _, l := range st.lent {
		l.end()
	}
	clear(st.lent)
	for _, s := range st.byID {
		s.mu.Lock()
		close(s.frozen)
		s.frozen = nil
		s.mu.Unlock()
		st.table.leave(s)
	}
	st.byID = nil
}

// moved makes what lies in from be known, and charged, where it lies now. What another
// node had taken from there before is not.
func (st *still) moved(ctx context.Context, t *Tree, from, to path.Path) {
	ctx = context.WithoutCancel(ctx)
	for _, s := range st.byID {
		s.mu.Lock()
		if s.came(ctx, t, from, to) {
			s.renamed(from, to)
		} else {
			s.unnamed(to)
		}
		s.mu.Unlock()
	}
}

// came reports that the file was moved along, which goes without saying where this node
// is alone. s.mu is held.
func (s *stored) came(ctx context.Context, t *Tree, from, to path.Path) bool {
	if !t.files.shared {
		return true
	}
	return slices.ContainsFunc(append(slices.Clip(s.names), s.path), func(p path.Path) bool {
		rel, ok := from.Rel(p)
		return ok && t.stands(ctx, to.Append(rel), s.id) == nil
	})
}

// replaced says that what stood at p, or below, has that name no more.
func (st *still) replaced(p path.Path) {
	for _, s := range st.byID {
		s.mu.Lock()
		s.unnamed(p)
		s.mu.Unlock()
	}
}

// lose says that what c counted has no name any more.
func (st *still) lose(c *census) {
	for id := range c.open {
		s := st.byID[id]
		s.mu.Lock()
		s.lose()
		s.mu.Unlock()
	}
}

// A census is what a tree holds.
type census struct {
	// alone is files all of whose names are in the tree, shared the others;
	// each counts once.
	alone, shared quota.Amount
	// open is the files among alone that somebody has open.
	open   map[backend.FileID]struct{}
	linked map[backend.FileID]*linked
	find   func(backend.FileID) *stored // nil: nobody has it open
}

// linked is a file with several names.
type linked struct {
	size        int64
	seen, names uint64
}

// count measures the tree at p. Of files that are open it counts what is
// charged for them, which may be more than they hold yet.
func (t *Tree) count(ctx context.Context, p path.Path, find func(backend.FileID) *stored) (*census, error) {
	return t.countUpTo(ctx, p, find, math.MaxInt)
}

// errManyMembers says that a tree was left before all of it was counted.
var errManyMembers = errors.New("the tree holds more than is counted")

// countUpTo is count for a tree of no more than so many members.
func (t *Tree) countUpTo(ctx context.Context, p path.Path, find func(backend.FileID) *stored, most int) (*census, error) {
	c := &census{find: find, open: make(map[backend.FileID]struct{}), linked: make(map[backend.FileID]*linked)}
	err := t.walk(ctx, p, func(_ path.Path, info backend.Info) error {
		if most--; most < 0 {
			return errManyMembers
		}
		c.add(info)
		return nil
	})
	if err != nil {
		return nil, err
	}
	for id, l := range c.linked {
		if l.seen < l.names {
			c.shared = plus(c.shared, quota.Amount{Bytes: l.size, Files: 1})
			continue
		}
		c.addAlone(id, l.size)
	}
	return c, nil
}

func (c *census) add(info backend.Info) {
	if !info.IsRegular() {
		return
	}
	size := c.size(info)
	if info.Links <= 1 {
		c.addAlone(info.ID, size)
		return
	}
	l := c.linked[info.ID]
	if l == nil {
		l = &linked{size: size, names: info.Links}
		c.linked[info.ID] = l
	}
	l.seen++
}

func (c *census) addAlone(id backend.FileID, size int64) {
	c.alone = plus(c.alone, quota.Amount{Bytes: size, Files: 1})
	if c.find(id) != nil {
		c.open[id] = struct{}{}
	}
}

func (c *census) size(info backend.Info) int64 {
	s := c.find(info.ID)
	if s == nil {
		return info.Size
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.known && !s.gone && s.frozen != nil {
		s.known, s.size = true, info.Size
	}
	if !s.known || s.gone {
		return info.Size // it is just being opened, or was another file
	}
	return s.size
}

func (c *census) total() quota.Amount { return plus(c.alone, c.shared) }

func plus(a, b quota.Amount) quota.Amount {
	return quota.Amount{Bytes: a.Bytes + b.Bytes, Files: a.Files + b.Files}
}

func minus(a, b quota.Amount) quota.Amount {
	return quota.Amount{Bytes: a.Bytes - b.Bytes, Files: a.Files - b.Files}
}

func least(a, b quota.Amount) quota.Amount {
	return quota.Amount{Bytes: min(a.Bytes, b.Bytes), Files: min(a.Files, b.Files)}
}

func positive(a quota.Amount) quota.Amount {
	return quota.Amount{Bytes: max(0, a.Bytes), Files: max(0, a.Files)}
}
