package policy

import (
	"net/netip"
	"slices"
)

func (a Actor) givesGrants(c change) Verdict {
	return a.givesEach("grants", c.was.Grants, c.is.Grants)
}

// givesEach decides on grants of which those before stood there already.
func (a Actor) givesEach(field string, before, after []Grant) Verdict {
	stood := make([]heldGrant, 0, len(before))
	for _, g := range before {
		stood = append(stood, hold(RuleGrant, OriginAccount, g))
	}
	for _, g := range after {
		left := cutTo(g, stood)
		if len(left) == 1 && left[0] == g || a.Effective.has(g) {
			continue
		}
		return mayNot(RuleGives, field, "the caller does not have %s on %s itself", g.Permissions, g.Path)
	}
	return itsOwn()
}

// givesGroups lets an account into groups that the actor is in, manages or owns,
// as far as it has itself what they give.
func (a Actor) givesGroups(c change) Verdict {
	for _, g := range c.after.get().groups {
		if c.before != nil && c.before.inGroup(g.ID) {
			continue
		}
		if g.Owner != a.account().ID && (g.Personal() || !a.heads(g.ID) && !a.in(g.ID)) {
			return mayNot(RuleGives, "groups", "the caller is not in the group %s, and does not manage it", g.Name)
		}
		if v := a.givesEach("groups", nil, g.Grants); !v.Allowed {
			return v
		}
	}
	return itsOwn()
}

func (e Effective) inGroup(id string) bool {
	return slices.ContainsFunc(e.get().groups, func(g Group) bool { return g.ID == id })
}

func (a Actor) givesDoors(c change) Verdict {
	for _, d := range Doors() {
		had := c.before != nil && c.before.get().door(d).Allowed
		if c.after.get().door(d).Allowed && !had && !a.Effective.get().door(d).Allowed {
			return mayNot(RuleGives, "protocols", "the caller does not have the protocol %s itself", d)
		}
	}
	return itsOwn()
}

func (a Actor) givesLimits(c change) Verdict {
	own, is, was := a.Effective.LimitOrigins(), c.after.LimitOrigins(), []LimitOrigin(nil)
	if c.before != nil {
		was = c.before.LimitOrigins()
	}
	for i, l := range is {
		if looser(l.Value, own[i].Value) && (was == nil || looser(l.Value, was[i].Value)) {
			return mayNot(RuleGives, "limits."+l.Name, "it would be wider than the caller's own, which is %d", own[i].Value)
		}
	}
	return itsOwn()
}

// looser reports whether a limit lets more through than another; 0 is no bound.
func looser(a, b int64) bool { return b != 0 && (a == 0 || a > b) }

func (a Actor) givesQuota(c change) Verdict {
	own, is := a.Effective.HomeQuota(), c.after.HomeQuota()
	was := own
	if c.before != nil {
		was = c.before.HomeQuota()
	}
	switch {
	case wider(is.Bytes, own.Bytes) && wider(is.Bytes, was.Bytes):
		return mayNot(RuleGives, "quota.bytes", "it would be wider than the caller's own, which is %d", *own.Bytes)
	case wider(is.Files, own.Files) && wider(is.Files, was.Files):
		return mayNot(RuleGives, "quota.files", "it would be wider than the caller's own, which is %d", *own.Files)
	}
	return itsOwn()
}

// givesDefaults decides on what a group says where its members say nothing.
func (a Actor) givesDefaults(g Group) Verdict {
	for _, d := range g.Protocols {
		if !a.Effective.get().door(d).Allowed {
			return mayNot(RuleGives, "protocols", "the caller does not have the protocol %s itself", d)
		}
	}
	own, quota := a.Effective.LimitOrigins(), a.Effective.HomeQuota()
	for i, f := range limitFields {
		if v := f.get(g.Limits); v != 0 && looser(max(v, 0), own[i].Value) {
			return mayNot(RuleGives, "limits."+f.name, "it would be wider than the caller's own, which is %d", own[i].Value)
		}
	}
	for name, of := range map[string][2]*int64{"bytes": {g.Quota.Bytes, quota.Bytes}, "files": {g.Quota.Files, quota.Files}} {
		if v := of[0]; v != nil && wider(bounded(*v), of[1]) {
			return mayNot(RuleGives, "quota."+name, "it would be wider than the caller's own, which is %d", *of[1])
		}
	}
	return itsOwn()
}

// wider reports whether a quota's figure allows more than another; nil is no bound.
func wider(a, b *int64) bool { return b != nil && (a == nil || *a > *b) }

// givesAddresses lets an account come only from where it, or the actor without
// any bypass of its own, may come from.
func (a Actor) givesAddresses(c change) Verdict {
	plain := *a.Effective.get()
	plain.account.Bypass = false
	from, to := plain.reach(), c.after.get().reach()
	if c.before != nil {
		from = from.or(c.before.get().reach())
	}
	if !from.holdsAll(to) {
		return mayNot(RuleGives, "allowed_ips", "the account could come from where neither it nor the caller may")
	}
	return itsOwn()
}

// A reach is where an account may come from.
type reach struct {
	anywhere bool
	list     []netip.Prefix
}

// reach is the truth table of site list, account list and bypass once more, as
// networks.
func (r *resolved) reach() reach {
	switch a := r.addresses(); a.From {
	case "account":
		return reach{list: a.Account}
	case "site":
		return reach{list: a.Site}
	case "site or account":
		return reach{list: slices.Concat(a.Site, a.Account)}
	}
	return reach{anywhere: true}
}

func (x reach) or(y reach) reach {
	return reach{x.anywhere || y.anywhere, slices.Concat(x.list, y.list)}
}

// holdsAll reports whether each network of y is in one of x.
func (x reach) holdsAll(y reach) bool {
	if x.anywhere || y.anywhere {
		return x.anywhere
	}
	return !slices.ContainsFunc(y.list, func(p netip.Prefix) bool {
		return !slices.ContainsFunc(x.list, func(q netip.Prefix) bool { return q.Bits() <= p.Bits() && q.Contains(p.Addr()) })
	})
}

// givesFactor lets a delegate ask for a second factor, and not take it away.
func (a Actor) givesFactor(c change) Verdict {
	was, is := c.was.SecondFactor, c.is.SecondFactor
	exempt := func(x Account) bool { return x.Shared || x.SecondFactor.Required == Deny }
	switch {
	case was.WithKey && !is.WithKey:
		return mayNot(RuleAdminField, "second_factor.with_key", "only administrators take it away")
	case was.Required == Allow && is.Required != Allow, is.Required == Deny && was.Required != Deny:
		return mayNot(RuleAdminField, "second_factor.required", "only administrators exempt an account")
	case exempt(c.is) && !exempt(c.was) && c.after.Site().SecondFactor == SecondFactorRequired:
		return mayNot(RuleAdminField, "shared", "it would be exempt from the second factor that the site requires")
	}
	return itsOwn()
}

// givesChoices keeps back what the actor itself is denied.
func (a Actor) givesChoices(c change) Verdict {
	own := a.account()
	for _, f := range []struct {
		field        string
		was, is, own Choice
	}{
		{"share_links", c.was.ShareLinks, c.is.ShareLinks, own.ShareLinks},
		{"desktop_access", c.was.Desktop, c.is.Desktop, own.Desktop},
	} {
		if f.own == Deny && f.is != Deny && (c.before == nil || orInherit(f.was) != orInherit(f.is)) {
			return mayNot(RuleGives, f.field, "the caller is denied it itself")
		}
	}
	return a.givesLinks(c)
}

// givesLinks lifts a denial of share links as far as the actor may itself share
// what the account then may: the account's own home, and what else both have.
func (a Actor) givesLinks(c change) Verdict {
	if c.was.ShareLinks != Deny || c.is.ShareLinks == Deny {
		return itsOwn()
	}
	for _, h := range c.after.get().grants {
		g := h.Grant
		g.Permissions &= Share
		if h.Rule == RuleGrant && g.Permissions != 0 && !a.Effective.has(g) {
			return mayNot(RuleGives, "share_links", "the caller may not share %s itself", g.Path)
		}
	}
	return itsOwn()
}
