package policy

import (
	"cmp"
	"slices"

	"gatehouse/policy/path"
)

// A CutGrant is a grant that gives less than it says.
type CutGrant struct {
	GrantOrigin
	// To says in words to what it was cut, Left is what is left of it.
	To   string  `json:"to"`
	Left []Grant `json:"left"`
}

type cutGrant struct {
	heldGrant
	to      string
	because string
	left    []Grant
}

// Cut returns what e has of a grant: the grant itself where e has all of it,
// nothing where it has none, and the parts that it has otherwise. It never
// widens: each part gives on each path only what both give there.
func (e Effective) Cut(g Grant) []Grant { return cutTo(g, e.get().grants) }

// cutOwn is Cut to what e has otherwise than through other people's personal
// groups: what is lent may not be given away.
func (e Effective) cutOwn(g Grant) []Grant {
	return cutTo(g, slices.DeleteFunc(slices.Clone(e.get().grants), heldGrant.isLent))
}

// has reports whether e may give g away whole.
func (e Effective) has(g Grant) bool {
	left := e.cutOwn(g)
	return len(left) == 1 && left[0] == g
}

// An extent is the part of the tree that a grant speaks of.
type extent struct {
	top       path.Path
	recursive bool
}

// meet returns what two extents have in common. That of two folders of which
// one is not covered with what is below it is left out, though one may hold the
// other as a file: grants are on folders.
func (x extent) meet(y extent) (extent, bool) {
	switch {
	case x.top == y.top:
		return extent{x.top, x.recursive && y.recursive}, true
	case x.recursive && x.top.Contains(y.top):
		return y, true
	case y.recursive && y.top.Contains(x.top):
		return x, true
	}
	return extent{}, false
}

func (g Grant) extent() extent { return extent{g.Path, g.Recursive} }

func cutTo(g Grant, have []heldGrant) []Grant {
	gives := g.Permissions.expand() & Full
	var parts []Grant
	for i := range have {
		x, ok := g.extent().meet(have[i].extent())
		if p := gives & have[i].gives & Full; ok && p != 0 {
			part := g
			part.Path, part.Recursive, part.Permissions = x.top, x.recursive, p
			parts = append(parts, part)
		}
	}
	parts = tidy(parts)
	for i, part := range parts {
		switch {
		case part.Path == g.Path && part.Recursive == g.Recursive && part.Permissions == gives:
			return []Grant{g}
		case part.Path != g.Path:
			parts[i].At = ""
		}
	}
	return parts
}

// tidy puts parts in order, makes one of those of one extent, and leaves out
// those that others include.
func tidy(parts []Grant) []Grant {
	slices.SortStableFunc(parts, func(a, b Grant) int {
		return cmp.Or(a.Path.Compare(b.Path), compareBool(b.Recursive, a.Recursive))
	})
	merged := parts[:0]
	for _, part := range parts {
		if last := len(merged) - 1; last >= 0 && merged[last].extent() == part.extent() {
			merged[last].Permissions |= part.Permissions
			continue
		}
		merged = append(merged, part)
	}
	var kept []Grant
	var above []Grant // the recursive ones that hold the present path, from the top
	for _, part := range merged {
		for len(above) > 0 && !above[len(above)-1].Path.Contains(part.Path) {
			above = above[:len(above)-1]
		}
		var given Permissions
		for _, g := range above {
			given |= g.Permissions
		}
		if given.Has(part.Permissions) {
			continue
		}
		if kept = append(kept, part); part.Recursive {
			above = append(above, part)
		}
	}
	return kept
}

// cut replaces those of the grants that it is told by what the others have of
// them, and notes which gave more.
func (r *resolved) cut(to string, have []heldGrant, which func(*heldGrant) bool) {
	kept := make([]heldGrant, 0, len(r.grants))
	for i := range r.grants {
		h := &r.grants[i]
		if !which(h) {
			kept = append(kept, *h)
			continue
		}
		left := cutTo(h.Grant, have)
		if len(left) == 1 && left[0] == h.Grant {
			kept = append(kept, *h)
			continue
		}
		r.note(*h, to, left)
		for _, part := range left {
			kept = append(kept, h.part(part, to))
		}
	}
	r.grants = kept
}

// note keeps what was cut. What was cut once is cut again part by part; what is
// left of it is then what is left of each.
func (r *resolved) note(h heldGrant, to string, left []Grant) {
	because := h.because + ", cut to " + to
	r.cuts = append(r.cuts, cutGrant{h, to, because, left})
}

// part is h as far as it goes after a cut. It still appears by the name, and as
// the folder, that it was given for.
func (h heldGrant) part(g Grant, to string) heldGrant {
	p := h
	p.Path, p.Recursive, p.Permissions, p.CutTo = g.Path, g.Recursive, g.Permissions, to
	p.gives = g.Permissions.held()
	p.because = p.describe() + ", cut to " + to
	p.shell = "leads to what is given: " + p.because
	return p
}

// Cuts returns the grants that give less than they say, and why.
func (e Effective) Cuts() []CutGrant {
	cuts := e.get().cuts
	list := make([]CutGrant, 0, len(cuts))
	for _, c := range cuts {
		list = append(list, CutGrant{c.GrantOrigin, c.to, notNil(c.left)})
	}
	return list
}
