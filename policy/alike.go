package policy

import (
	"slices"

	"gatehouse/policy/path"
)

// Alike reports whether all that stands directly in the folder p may be done the
// same with, whatever its name is: no grant and no closed folder is below p, so
// that nothing counts there but whether it is a folder. Only why something is
// refused may differ. Who lists the folder judges two names, not all.
func (e Effective) Alike(p path.Path) bool {
	r := e.get()
	for i := range r.grants {
		if below(p, r.grants[i].Path) {
			return false
		}
	}
	return !slices.ContainsFunc(r.closed, func(c path.Path) bool { return below(p, c) })
}

func below(p, q path.Path) bool { return p != q && p.Contains(q) }
