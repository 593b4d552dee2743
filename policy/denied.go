package policy

// A question is what was asked of the grants, and what none of them allows.
type question struct {
	op   Operation
	t    Target
	tree bool // of everything at and below t
}

func (q question) of(e Effective) Decision {
	if q.tree {
		return e.DecideTree(q.op, q.t.Path)
	}
	return e.Decide(q.op, q.t)
}

func (q question) meets(h *heldGrant) bool {
	if q.tree {
		return h.coversTree(q.t.Path)
	}
	return h.covers(q.t)
}

// denied names what refuses: the credential's scope where the account may, the
// account's share_links, the cut of a grant that would have given it, else that
// there is no grant.
func (r *resolved) denied(q question) Decision {
	if r.whole == nil && len(r.cuts) == 0 && r.unshared == "" {
		return q.op.denied()
	}
	return r.deniedFor(q)
}

func (r *resolved) deniedFor(q question) Decision {
	if r.whole != nil {
		if d := q.of(Effective{r.whole}); !d.Allowed {
			return d
		}
		return r.scope.refuses(q.t.Path)
	}
	if q.op == OpShare && r.unshared != "" {
		return Decision{Rule: RuleShareLinks, Because: r.unshared}
	}
	for i := range r.cuts {
		c := &r.cuts[i]
		if c.gives&q.op.needs() != 0 && q.meets(&c.heldGrant) {
			return Decision{Rule: RuleCut, Because: c.because}
		}
	}
	return q.op.denied()
}

// unshare takes the right to share where the account makes no share links.
func (r *resolved) unshare() {
	switch {
	case r.account.Role == RoleGuest:
		r.unshared = "guests make no share links"
	case r.account.ShareLinks == Deny:
		r.unshared = "the account's share_links is deny"
	default:
		return
	}
	for i := range r.grants {
		// What gives nothing else still speaks of its path.
		r.grants[i].gives &^= Share
	}
}
