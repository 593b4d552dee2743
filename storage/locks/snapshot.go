package locks

import (
	"slices"
	"strings"
	"time"

	"gatehouse/policy/path"
)

// A snapshot is the locks of one scope at one generation. It is immutable.
type snapshot struct {
	generation uint64  // revision of the generation record, 0 for none
	locks      []*Lock // by path, then token: a folder right before what is below it
	byPath     map[path.Path][]*Lock
	// stale is when the first of them may have run out: the store is asked then.
	stale time.Time
}

func newSnapshot(generation uint64, locks []*Lock) *snapshot {
	s := &snapshot{generation: generation, locks: locks, byPath: make(map[path.Path][]*Lock, len(locks))}
	slices.SortFunc(s.locks, func(a, b *Lock) int {
		if c := a.Path.Compare(b.Path); c != 0 {
			return c
		}
		return strings.Compare(a.Token, b.Token)
	})
	for _, l := range s.locks {
		s.byPath[l.Path] = append(s.byPath[l.Path], l)
		if s.stale.IsZero() || l.Expires.Before(s.stale) {
			s.stale = l.Expires
		}
	}
	return s
}

// postpone makes the snapshot good until then at least.
func (s *snapshot) postpone(until time.Time) {
	if !s.stale.IsZero() && s.stale.Before(until) {
		s.stale = until
	}
}

// with returns the locks of s without some tokens and with one more lock.
func (s *snapshot) with(generation uint64, added *Lock, removed ...string) *snapshot {
	locks := make([]*Lock, 0, len(s.locks)+1)
	for _, l := range s.locks {
		if !slices.Contains(removed, l.Token) {
			locks = append(locks, l)
		}
	}
	if added != nil {
		locks = append(locks, added)
	}
	return newSnapshot(generation, locks)
}

// covering returns the locks that hold on p, from p upwards.
func (s *snapshot) covering(p path.Path) []*Lock {
	if len(s.locks) == 0 {
		return nil
	}
	var found []*Lock
	for above := range p.Above() {
		for _, l := range s.byPath[above] {
			if l.covers(p) {
				found = append(found, l)
			}
		}
	}
	return found
}

// within returns the locks on p and below it.
func (s *snapshot) within(p path.Path) []*Lock {
	first, _ := slices.BinarySearchFunc(s.locks, p, func(l *Lock, p path.Path) int { return l.Path.Compare(p) })
	end := first
	for end < len(s.locks) && p.Contains(s.locks[end].Path) {
		end++
	}
	return s.locks[first:end]
}

// conflict returns a lock that the new one cannot stand beside, nil for none.
func (s *snapshot) conflict(l *Lock) *Lock {
	for _, m := range s.covering(l.Path) {
		if l.excludes(m) {
			return m
		}
	}
	if !l.Deep {
		return nil
	}
	for _, m := range s.within(l.Path) {
		if l.excludes(m) {
			return m
		}
	}
	return nil
}

// count returns how many locks an account holds.
func (s *snapshot) count(accountID string) int {
	n := 0
	for _, l := range s.locks {
		if l.AccountID == accountID {
			n++
		}
	}
	return n
}

// find returns the lock with this token, nil for none.
func (s *snapshot) find(token string) *Lock {
	i := slices.IndexFunc(s.locks, func(l *Lock) bool { return l.Token == token })
	if i < 0 {
		return nil
	}
	return s.locks[i]
}

// A holder is an account with the tokens that it submits.
type holder struct {
	accountID string
	tokens    []string
}

func (h holder) submits(l *Lock) bool {
	return l.AccountID == h.accountID && slices.Contains(h.tokens, l.Token)
}

// An extent is what of a lock a change touches: a path, or the tree from there.
type extent struct {
	path path.Path
	tree bool
}

// obstacle returns a lock that stands in the way of the change, nil for none.
//
// A lock on the path itself, or deep above it, does (RFC 4918 7); with Tree
// every lock below; with Member those that hold on the folder whose entry it
// is (7.4). It does not where the account submits its token. Of several
// shared locks on the same place it is enough to submit one (6.2): nobody knows
// the tokens of the others.
func (s *snapshot) obstacle(h holder, t Touch) *Lock {
	if len(s.locks) == 0 {
		return nil
	}
	for _, l := range s.covering(t.Path) {
		if !s.permits(h, l, extent{t.Path, t.Tree && l.Deep}) {
			return l
		}
	}
	if t.Member && !t.Path.IsRoot() {
		for _, l := range s.covering(t.Path.Dir()) {
			if !s.permits(h, l, extent{t.Path.Dir(), false}) {
				return l
			}
		}
	}
	if !t.Tree {
		return nil
	}
	for _, l := range s.within(t.Path) {
		if !s.permits(h, l, extent{l.Path, l.Deep}) {
			return l
		}
	}
	return nil
}

// permits reports whether l lets its holder change what of it is touched.
func (s *snapshot) permits(h holder, l *Lock, touched extent) bool {
	if h.submits(l) {
		return true
	}
	if !l.Shared {
		return false
	}
	for _, m := range s.covering(touched.path) {
		if m.Shared && h.submits(m) && (m.Deep || !touched.tree) {
			return true
		}
	}
	return false
}
