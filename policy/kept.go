package policy

import "gatehouse/policy/path"

// Kept is the folder, at the top of each mount, in which the homes of deleted
// accounts are kept.
const Kept = ".kept"

// Closed returns e without any right in these folders, whatever grants say: they
// are for administrators alone. To everybody else they do not exist, and what is
// decided of a whole tree that holds one is decided of the rest of it.
func (e Effective) Closed(folders ...path.Path) Effective {
	if len(folders) == 0 {
		return e
	}
	r := *e.get()
	r.closed = folders
	if r.whole != nil {
		r.whole = Effective{r.whole}.Closed(folders...).in
	}
	return Effective{&r}
}

// shut reports whether p is in a folder that is closed.
func (r *resolved) shut(p path.Path) bool {
	for _, c := range r.closed {
		if c.Contains(p) {
			return true
		}
	}
	return false
}

// opens reports whether the grant holds where a folder is closed.
func (h *heldGrant) opens() bool { return h.Rule == RuleRole }

var deniedKept = Decision{Rule: RuleKept, Because: "what deleted accounts left is for administrators"}
