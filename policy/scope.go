package policy

import (
	"slices"

	"gatehouse/policy/path"
)

// Scoped returns e as far as a credential's scope goes. Every change is refused
// with RuleReadOnly where the scope only reads, and what lies outside its folder
// with RuleFolder; the folders that lead there remain as shells, and what the
// account sees, roots and names, stays as it is. Scoped never widens, and scopes
// add up.
func (e Effective) Scoped(s Scope) Effective {
	if s.Folder != nil && s.Folder.IsRoot() {
		s.Folder = nil
	}
	if !s.ReadOnly && s.Folder == nil {
		return e
	}
	r := *e.get()
	r.whole, r.scope = e.get(), s
	r.grants = make([]heldGrant, 0, len(r.whole.grants))
	for i := range r.whole.grants {
		if h, ok := s.narrow(&r.whole.grants[i]); ok {
			r.grants = append(r.grants, h)
		}
	}
	return Effective{&r}
}

// Scopes returns what narrows e, the outermost first; none where nothing does.
func (e Effective) Scopes() []Scope {
	var list []Scope
	for r := e.get(); r.whole != nil; r = r.whole {
		list = append(list, r.scope)
	}
	slices.Reverse(list)
	return list
}

// Whole returns e without the scopes that narrow it.
func (e Effective) Whole() Effective {
	r := e.get()
	for r.whole != nil {
		r = r.whole
	}
	return Effective{r}
}

// narrow is what the scope leaves of a grant.
func (s Scope) narrow(h *heldGrant) (heldGrant, bool) {
	n := *h
	if s.Folder != nil {
		x, ok := h.extent().meet(extent{*s.Folder, true})
		if !ok {
			return heldGrant{}, false
		}
		n.Path, n.Recursive = x.top, x.recursive
	}
	if s.ReadOnly {
		n.gives &= ReadOnly | speaks
		n.Permissions &= ReadOnly
	}
	return n, true
}

// refuses says what a scope has against what the account may do at p.
func (s Scope) refuses(p path.Path) Decision {
	if s.Folder != nil && !s.Folder.Contains(p) {
		return Decision{Rule: RuleFolder, Because: "the credential is for " + s.Folder.String() + " only"}
	}
	return Decision{Rule: RuleReadOnly, Because: "the credential is read-only"}
}
