package policy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"gatehouse/policy/path"
)

// A GrantOrigin is a grant that holds, and where it comes from.
type GrantOrigin struct {
	Grant
	Origin string `json:"origin"`
	Rule   Rule   `json:"rule"` // role | home | grant
	// CutTo says, of what is left of a grant that gives less than it says, why.
	CutTo string `json:"cut_to,omitempty"`
}

// heldGrant has what a decision needs worked out before it is asked for.
type heldGrant struct {
	gives Permissions // first, next to the path: both are read for every grant
	GrantOrigin
	because string
	shell   string // because, of a folder on the way
	// shows is the folder that appears by the grant's name: its path, whatever
	// was cut off it since.
	shows path.Path
	group string // id of the group, "" where none gives it
	lent  bool   // by a personal group
}

func (h heldGrant) isLent() bool { return h.lent }

// Grants returns every grant that holds, with its origin: the role's, the
// home's, the account's own, then the groups'.
func (e Effective) Grants() []GrantOrigin {
	held := e.get().grants
	list := make([]GrantOrigin, 0, len(held))
	for _, g := range held {
		list = append(list, g.GrantOrigin)
	}
	return list
}

func resolveGrants(own Account, groups []Group) []heldGrant {
	var held []heldGrant
	if own.Role == RoleAdmin {
		held = append(held, hold(RuleRole, OriginRole, Grant{Path: path.Root, Permissions: Full, Recursive: true}))
	}
	// A home that was never set is the zero path, which is the whole tree: it
	// gives nothing.
	if !own.Home.IsRoot() {
		held = append(held, hold(RuleHome, OriginHome, Grant{Path: own.Home, Permissions: Full, Recursive: true}))
	}
	for _, g := range sortGrants(own.Grants) {
		held = append(held, hold(RuleGrant, OriginAccount, g))
	}
	for _, group := range groups {
		for _, g := range sortGrants(group.Grants) {
			h := hold(RuleGrant, groupOrigin(group), g)
			h.group, h.lent = group.ID, group.Personal()
			held = append(held, h)
		}
	}
	return held
}

// sortGrants puts grants in an order that depends on nothing but themselves.
func sortGrants(grants []Grant) []Grant {
	sorted := slices.Clone(grants)
	slices.SortFunc(sorted, func(a, b Grant) int {
		return cmp.Or(
			a.Path.Compare(b.Path),
			strings.Compare(a.At, b.At),
			strings.Compare(a.ID, b.ID),
			cmp.Compare(a.Permissions, b.Permissions),
			compareBool(a.Recursive, b.Recursive),
		)
	})
	return sorted
}

func compareBool(a, b bool) int {
	if a == b {
		return 0
	}
	if a {
		return 1
	}
	return -1
}

func hold(rule Rule, origin string, g Grant) heldGrant {
	h := heldGrant{GrantOrigin: GrantOrigin{Grant: g, Origin: origin, Rule: rule}, gives: g.Permissions.held(), shows: g.Path}
	h.because = h.describe()
	h.shell = "leads to what is given: " + h.because
	return h
}

func (h heldGrant) describe() string {
	switch h.Rule {
	case RuleRole:
		return h.Origin + " has full on /"
	case RuleHome:
		return "the owner has full on the home " + h.Path.String()
	}
	below := "and its direct files"
	if h.Recursive {
		below = "and all below"
	}
	id := ""
	if h.ID != "" {
		id = " " + h.ID
	}
	return fmt.Sprintf("grant%s of %s: %s on %s %s", id, h.Origin, h.Permissions, h.Path, below)
}

// covers reports whether the grant speaks of t.
func (h *heldGrant) covers(t Target) bool {
	if h.Recursive {
		return h.Path.Contains(t.Path)
	}
	return h.Path == t.Path || !t.Folder && h.Path.Holds(t.Path)
}

// coversTree reports whether the grant speaks of p and all that could be below.
func (h *heldGrant) coversTree(p path.Path) bool { return h.Recursive && h.Path.Contains(p) }

// touchesTree reports whether the grant speaks of p or of anything below it.
func (h *heldGrant) touchesTree(p path.Path) bool { return h.coversTree(p) || p.Contains(h.Path) }
