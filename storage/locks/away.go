package locks

import (
	"errors"

	"gatehouse/policy/path"
	"gatehouse/storage/state"
)

// Share has a View tell, while the store is away, of the locks that this node last
// knew: for who reads. Whoever changes anything still asks. away says, at no cost,
// when asking is of no use.
func (t *Table) Share(away func() bool) { t.away = away }

// isAway reports whether asking the store is of no use now.
func (t *Table) isAway() bool { return t.away != nil && t.away() }

// forgives reports whether what was last known is told in the place of an error.
func (t *Table) forgives(err error) bool { return t.away != nil && errors.Is(err, state.ErrAway) }

// last is what was last known of the locks, but for those that have run out by this
// node's clock since: nothing else tells while the store is away.
func (s *scope) last() *snapshot {
	known := s.known.Load()
	if known == nil {
		return newSnapshot(0, nil)
	}
	now := s.now()
	var over []string
	for _, l := range known.locks {
		if !now.Before(l.Expires) {
			over = append(over, l.Token)
		}
	}
	if len(over) == 0 {
		return known
	}
	return known.with(known.generation, nil, over...)
}

// lastWithin is what was last known of the locks on p and below it, on every mount.
func (t *Table) lastWithin(p path.Path) []Lock {
	var found []*Lock
	for _, s := range t.known() {
		found = append(found, s.last().within(p)...)
	}
	return values(newSnapshot(0, found).locks)
}
