package index

import (
	"iter"

	"gatehouse/policy/path"
)

// homes count the homes at a folder and below it, for each folder that has any:
// whether a home overlaps another is told without looking at every account.
type homes map[path.Path]homeCount

type homeCount struct{ at, below int32 }

func (h homes) add(home path.Path, by int32) {
	h.count(home, homeCount{at: by})
	for above := range home.Above() {
		if above != home {
			h.count(above, homeCount{below: by})
		}
	}
}

func (h homes) count(folder path.Path, by homeCount) {
	now := h[folder]
	now.at, now.below = now.at+by.at, now.below+by.below
	if now == (homeCount{}) {
		delete(h, folder)
		return
	}
	h[folder] = now
}

// in counts the homes at a folder and below it.
func (h homes) in(folder path.Path) int {
	c := h[folder]
	return int(c.at) + int(c.below)
}

// above counts the homes that a folder lies in, other than at it.
func (h homes) above(folder path.Path) int {
	found := 0
	for above := range folder.Above() {
		if above != folder {
			found += int(h[above].at)
		}
	}
	return found
}

// HomesIn yields the accounts, but for the one with this id, whose homes are a
// folder or in it, in no order.
func (x *Index) HomesIn(folder path.Path, but string) iter.Seq[*Entry] {
	return x.homes(but, func(h homes) int { return h.in(folder) }, folder.Contains)
}

// HomesAround yields the accounts, but for the one with this id, whose homes are
// above a folder, in no order.
func (x *Index) HomesAround(folder path.Path, but string) iter.Seq[*Entry] {
	return x.homes(but, func(h homes) int { return h.above(folder) }, func(home path.Path) bool {
		return home != folder && home.Contains(folder)
	})
}

// homes looks through all accounts only where the count says that there is
// something to be found.
func (x *Index) homes(but string, count func(homes) int, fits func(path.Path) bool) iter.Seq[*Entry] {
	return func(yield func(*Entry) bool) {
		x.mu.RLock()
		left := count(x.relations.homes)
		if e, ok := x.accounts[but]; ok && fits(e.Account.Home) {
			left--
		}
		x.mu.RUnlock()
		if left <= 0 {
			return
		}
		for _, e := range x.All() {
			if e.Account.ID != but && fits(e.Account.Home) && !yield(e) {
				return
			}
		}
	}
}
