package guard_test

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"gatehouse/policy/guard"
	"gatehouse/storage/quota"
)

// The model: what a tree under quotas is to its users. It knows nothing of
// reservations, staging or open files; it says what must come out.
type model struct {
	nodes  map[string]*inode // by path; the root is not in it
	quotas map[string]quota.Amount
}

// An inode is a folder (nil data) or a file, which may have several names.
type inode struct {
	dir  bool
	data []byte
}

var (
	errModel    = errors.New("refused")
	errExceeded = errors.New("no room")
)

func newModel() *model {
	return &model{nodes: map[string]*inode{}, quotas: map[string]quota.Amount{}}
}

// clone copies files too, and says which copy is which.
func (m *model) clone() *model {
	c := &model{nodes: map[string]*inode{}, quotas: maps.Clone(m.quotas)}
	copies := map[*inode]*inode{}
	for p, n := range m.nodes {
		if copies[n] == nil {
			copies[n] = &inode{dir: n.dir, data: slices.Clone(n.data)}
		}
		c.nodes[p] = copies[n]
	}
	return c
}

// copies keeps the files themselves.
func (m *model) copies() *model {
	return &model{nodes: maps.Clone(m.nodes), quotas: maps.Clone(m.quotas)}
}

func inside(folder, p string) bool {
	return folder == "/" || p == folder || strings.HasPrefix(p, folder+"/")
}

func (m *model) isDir(p string) bool { return p == "/" || m.nodes[p] != nil && m.nodes[p].dir }

func (m *model) parentOK(p string) bool { return m.isDir(filepath.Dir(p)) }

func (m *model) below(p string) []string {
	var found []string
	for q := range m.nodes {
		if q != p && inside(p, q) {
			found = append(found, q)
		}
	}
	slices.Sort(found)
	return found
}

func (m *model) used(folder string) quota.Amount {
	var sum quota.Amount
	seen := map[*inode]bool{}
	for p, n := range m.nodes {
		if n.dir || seen[n] || !inside(folder, p) {
			continue
		}
		seen[n] = true
		sum.Bytes += int64(len(n.data))
		sum.Files++
	}
	return sum
}

func (m *model) above(p string) []string {
	var found []string
	for q := range m.quotas {
		if inside(q, p) {
			found = append(found, q)
		}
	}
	slices.Sort(found)
	return found
}

// within is nil where the step from before to m passes no limit. A limit that
// was passed before refuses growth only.
func (m *model) within(before *model) error {
	for p, limit := range m.quotas {
		now, old := m.used(p), before.used(p)
		if limit.Bytes >= 0 && now.Bytes > limit.Bytes && now.Bytes > old.Bytes ||
			limit.Files >= 0 && now.Files > limit.Files && now.Files > old.Files {
			return errExceeded
		}
	}
	return nil
}

// room is how much a file at p may grow.
func (m *model) room(p string) int {
	room := int64(1 << 40)
	for _, q := range m.above(p) {
		if limit := m.quotas[q].Bytes; limit >= 0 {
			room = min(room, max(0, limit-m.used(q).Bytes))
		}
	}
	return int(room)
}

func (m *model) mkdir(p string) error {
	if m.nodes[p] != nil || !m.parentOK(p) {
		return errModel
	}
	m.nodes[p] = &inode{dir: true}
	return nil
}

// write grows a file as far as there is room, and returns how much it wrote.
func (m *model) write(n *inode, p string, off int, data []byte) (int, error) {
	if len(data) == 0 {
		return 0, nil
	}
	end := off + len(data)
	var err error
	if need := end - len(n.data); need > m.room(p) && need > 0 {
		err = errExceeded
		end = len(n.data) + m.room(p)
	}
	if end <= off {
		return 0, err
	}
	if end > len(n.data) {
		n.data = append(n.data, make([]byte, end-len(n.data))...)
	}
	copy(n.data[off:end], data)
	return end - off, err
}

// open is that of a file in place: what is there is emptied, or a file is made.
func (m *model) open(p string) (*inode, error) {
	n := m.nodes[p]
	if n != nil && n.dir || !m.parentOK(p) {
		return nil, errModel
	}
	if n != nil {
		n.data = nil
		return n, nil
	}
	before := m.clone()
	m.nodes[p] = &inode{}
	if err := m.within(before); err != nil {
		delete(m.nodes, p)
		return nil, err
	}
	return m.nodes[p], nil
}

// put is an upload as a whole: a new file takes the name.
func (m *model) put(p string, data []byte) error {
	if m.isDir(p) || !m.parentOK(p) {
		return errModel
	}
	before := m.clone()
	old := m.nodes[p]
	m.nodes[p] = &inode{data: slices.Clone(data)}
	if err := m.within(before); err != nil {
		if m.nodes[p] = old; old == nil {
			delete(m.nodes, p)
		}
		return err
	}
	return nil
}

func (m *model) remove(p string) error {
	if n := m.nodes[p]; n == nil || n.dir {
		return errModel
	}
	delete(m.nodes, p)
	return nil
}

func (m *model) removeDir(p string, all bool) error {
	if m.nodes[p] == nil || !m.isDir(p) || !all && len(m.below(p)) > 0 {
		return errModel
	}
	for _, q := range m.below(p) {
		delete(m.nodes, q)
	}
	delete(m.nodes, p)
	return nil
}

// mayReplace is the same for rename and copy.
func (m *model) mayReplace(from, to string, r guard.Replace) error {
	src, dst := m.nodes[from], m.nodes[to]
	switch {
	case inside(from, to), inside(to, from), src == nil, !m.parentOK(to):
		return errModel
	case dst == nil, r == guard.ReplaceAny:
		return nil
	case r == guard.KeepTarget, src.dir || dst.dir:
		return errModel
	}
	return nil
}

// crosses reports whether a move changes which quotas are charged.
func (m *model) crosses(from, to string) bool { return !slices.Equal(m.above(from), m.above(to)) }

// limited reports whether a quota stands below p.
func (m *model) limited(p string) bool {
	for q := range m.quotas {
		if q != p && inside(p, q) {
			return true
		}
	}
	return false
}

// opens reports whether what a tree holds is charged as one where it arrives, or
// goes away.
func (m *model) opens(from, to string) bool {
	return !m.isDir(from) && !m.isDir(to) || !m.limited(to)
}

// shares reports a file below p with a name elsewhere.
func (m *model) shares(p string) bool {
	for q, n := range m.nodes {
		if n.dir || !inside(p, q) {
			continue
		}
		for o, other := range m.nodes {
			if other == n && !inside(p, o) {
				return true
			}
		}
	}
	return false
}

func (m *model) rename(from, to string, r guard.Replace) error {
	if err := m.mayReplace(from, to, r); err != nil {
		return err
	}
	if _, stands := m.quotas[from]; m.isDir(from) && (stands || m.limited(from)) || !m.opens(from, to) {
		return errModel
	}
	before, saved := m.clone(), m.copies()
	if m.crosses(from, to) && m.shares(from) {
		return errModel
	}
	m.clear(to)
	for _, q := range append(m.below(from), from) {
		m.nodes[to+strings.TrimPrefix(q, from)] = m.nodes[q]
		delete(m.nodes, q)
	}
	err := m.within(before)
	if err != nil {
		*m = *saved
	}
	return err
}

// clear takes away what a move or copy replaces.
func (m *model) clear(to string) {
	for _, q := range m.below(to) {
		delete(m.nodes, q)
	}
	delete(m.nodes, to)
}

func (m *model) copy(from, to string, r guard.Replace, shallow bool) error {
	if err := m.mayReplace(from, to, r); err != nil {
		return err
	}
	if !m.opens(from, to) {
		return errModel
	}
	before, saved := m.clone(), m.copies()
	m.clear(to)
	list := []string{from}
	if !shallow {
		list = append(list, m.below(from)...)
	}
	for _, q := range list {
		n := m.nodes[q]
		m.nodes[to+strings.TrimPrefix(q, from)] = &inode{dir: n.dir, data: slices.Clone(n.data)}
	}
	err := m.within(before)
	if err != nil {
		*m = *saved
	}
	return err
}

func (m *model) link(from, to string) error {
	n := m.nodes[from]
	if n == nil || n.dir || m.nodes[to] != nil || !m.parentOK(to) || inside(from, to) || inside(to, from) || m.crosses(from, to) {
		return errModel
	}
	m.nodes[to] = n
	return nil
}

func (m *model) nameOf(n *inode) string {
	for p, o := range m.nodes {
		if o == n {
			return p
		}
	}
	return ""
}
