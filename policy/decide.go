package policy

import (
	"slices"

	"gatehouse/policy/path"
)

// needs tells which rights an operation asks for; one of them is enough.
func (op Operation) needs() Permissions {
	switch op {
	case OpStat:
		return speaks
	case OpList:
		return List
	case OpRead:
		return Read
	case OpCreate:
		return Create
	case OpWrite:
		return Write
	case OpDelete:
		return Delete
	case OpShare:
		return Share
	}
	return 0
}

// denied is what no grant allows. The texts are made once: a listing asks for
// every entry of a folder.
func (op Operation) denied() Decision {
	switch op {
	case OpStat:
		return Decision{Rule: RuleNoGrant, Because: "no grant speaks of the path"}
	case OpList:
		return Decision{Rule: RuleNoGrant, Because: "no grant gives list on the path"}
	case OpRead:
		return Decision{Rule: RuleNoGrant, Because: "no grant gives read on the path"}
	case OpCreate:
		return Decision{Rule: RuleNoGrant, Because: "no grant gives create on the path"}
	case OpWrite:
		return Decision{Rule: RuleNoGrant, Because: "no grant gives write on the path"}
	case OpDelete:
		return Decision{Rule: RuleNoGrant, Because: "no grant gives delete on the path"}
	case OpShare:
		return Decision{Rule: RuleNoGrant, Because: "no grant gives share on the path"}
	}
	return Decision{Rule: RuleNoGrant, Because: "no such operation"}
}

// Decide reports whether e permits op on t. Grants add up and nothing denies,
// so the order of grants never matters; what no grant allows is denied. The
// decision names the grant that decided. Rule RuleShell says that t is visible
// only because it is a folder on the way to a granted path.
func (e Effective) Decide(op Operation, t Target) Decision {
	r := e.get()
	grants, needs, shut := r.grants, op.needs(), r.shut(t.Path)
	for i := range grants {
		if g := &grants[i]; g.gives&needs != 0 && g.covers(t) && (!shut || g.opens()) {
			return Decision{Allowed: true, Rule: g.Rule, Because: g.because}
		}
	}
	if shut {
		return deniedKept
	}
	if op == OpStat && t.Folder {
		for i := range grants {
			if g := &grants[i]; g.gives != 0 && t.Path.Contains(g.Path) && !r.shut(g.Path) {
				return Decision{Allowed: true, Rule: RuleShell, Because: g.shell}
			}
		}
	}
	return r.denied(question{op, t, false})
}

// DecideTree reports whether e permits op on p and on everything that is or
// could be below it.
func (e Effective) DecideTree(op Operation, p path.Path) Decision {
	r := e.get()
	grants, needs, shut := r.grants, op.needs(), r.shut(p)
	for i := range grants {
		if g := &grants[i]; g.gives&needs != 0 && g.coversTree(p) && (!shut || g.opens()) {
			return Decision{Allowed: true, Rule: g.Rule, Because: g.because}
		}
	}
	if shut {
		return deniedKept
	}
	return r.denied(question{op, Target{Path: p, Folder: true}, true})
}

// Permissions returns the rights that e gives on t.
func (e Effective) Permissions(t Target) Permissions {
	shut := e.get().shut(t.Path)
	return e.sum(func(g *heldGrant) bool { return g.covers(t) && (!shut || g.opens()) })
}

// TreePermissions returns the rights that e gives on p and on all below it.
func (e Effective) TreePermissions(p path.Path) Permissions {
	shut := e.get().shut(p)
	return e.sum(func(g *heldGrant) bool { return g.coversTree(p) && (!shut || g.opens()) })
}

// reachable returns the rights that e gives on p or on anything below it.
func (e Effective) reachable(p path.Path) Permissions {
	return e.sum(func(g *heldGrant) bool { return g.touchesTree(p) })
}

// sum adds up what those grants give.
func (e Effective) sum(which func(*heldGrant) bool) Permissions {
	var all Permissions
	grants := e.get().grants
	for i := range grants {
		if which(&grants[i]) {
			all |= grants[i].gives
		}
	}
	return all & Full
}

// Leads returns the names in the folder p that are granted paths or lead to
// one, sorted: what an empty shell shows.
func (e Effective) Leads(p path.Path) []string {
	var names []string
	r := e.get()
	for _, g := range r.grants {
		rel, ok := p.Rel(g.Path)
		if !ok || g.gives == 0 || r.shut(g.Path) {
			continue
		}
		for name := range rel.Names() {
			names = append(names, name)
			break
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// MayMakeLinks decides whether clients may make symbolic links.
func (e Effective) MayMakeLinks() Decision {
	r := e.get()
	for s := r; s.whole != nil; s = s.whole {
		if s.scope.ReadOnly {
			return Decision{Rule: RuleReadOnly, Because: "the credential is read-only"}
		}
	}
	if r.site.Symlinks == Allow {
		return Decision{Allowed: true, Rule: RuleSymlinks, Because: "site symlinks is allow"}
	}
	return Decision{Rule: RuleSymlinks, Because: "site symlinks is deny"}
}
