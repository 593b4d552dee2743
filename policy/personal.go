package policy

import (
	"reflect"
	"slices"
)

// MayReadGroup decides on reading a group with its members.
func (a Actor) MayReadGroup(g Group) Verdict {
	if v := a.MayAudit(); v.Allowed || v.Rule == RuleFolder {
		return v
	}
	return a.leads(g)
}

// MayCreateGroup decides on making a group: administrators make any, others
// personal ones of their own with manage_personal_groups.
func (a Actor) MayCreateGroup(g Group) Verdict {
	if v := a.barred(); !v.Allowed || a.admin() {
		return a.whole(v)
	}
	return a.owns(g, nil)
}

// MayChangeGroup decides on changing a group, but for its members.
func (a Actor) MayChangeGroup(before, after Group) Verdict {
	if v := a.barred(); !v.Allowed || a.admin() {
		return a.whole(v)
	}
	if before.Owner != after.Owner {
		return mayNot(RulePersonalGroup, "owner", "a group keeps its owner")
	}
	if v := a.leads(before); !v.Allowed {
		return v
	}
	return a.owns(after, before.Grants)
}

// MayDeleteGroup decides on removing a group: administrators may, and its owner.
func (a Actor) MayDeleteGroup(g Group) Verdict {
	if v := a.barred(); !v.Allowed || a.admin() {
		return a.whole(v)
	}
	return a.mine(g)
}

// MayAddMember decides on putting an account into a group: administrators may,
// the group's managers and its owner. Nobody who manages a group adds itself,
// nor an account whose password it could set, to get what the group has and it
// has not: grants, or defaults that are wider than its own. Into its own personal
// group somebody puts only whom it knows.
func (a Actor) MayAddMember(g Group, target Account) Verdict {
	v := a.leadsMembers(g)
	if !v.Allowed || a.admin() {
		return v
	}
	if a.mine(g).Allowed {
		if !a.knows(target) {
			return mayNot(RulePersonalGroup, "", "the caller neither manages %s nor is in a user group with it", target.Name)
		}
		return a.sharesOwn(v)
	}
	itself := target.ID == a.account().ID
	if !itself && !a.manages(target).Allowed {
		return v
	}
	got := a.givesEach("", nil, g.Grants)
	switch {
	case got.Allowed && itself:
		got = a.keepsOwn(append(a.Effective.Groups(), g))
	case got.Allowed:
		got = a.givesDefaults(g)
	}
	if !got.Allowed {
		return mayNot(RuleOwnGroup, "", "the caller would get at what the group %s gives, and does not have it itself", g.Name)
	}
	return v
}

// knows reports whether the actor may put an account into a personal group of its
// own without anybody else's word: it manages the account, or an administrator
// has put both into one group.
func (a Actor) knows(target Account) bool {
	if target.ID == a.account().ID || a.manages(target).Allowed {
		return true
	}
	return slices.ContainsFunc(a.Effective.Groups(), func(g Group) bool { return !g.Personal() && slices.Contains(target.Groups, g.ID) })
}

// MayRemoveMember decides on taking a member out of a group. Out of a personal
// group, into which it is put without being asked, everybody takes itself. Nobody
// who manages a group leaves it, or takes an account that it manages out of it, to
// be rid of the limits that come with it.
func (a Actor) MayRemoveMember(g Group, member Effective) Verdict {
	if v := a.barred(); v.Allowed && g.Personal() && member.Account().ID == a.account().ID {
		return may(RulePersonalGroup, "everybody leaves a personal group when it likes")
	}
	v := a.leadsMembers(g)
	if !v.Allowed || a.admin() {
		return v
	}
	target := member.Account()
	if target.ID != a.account().ID && !a.manages(target).Allowed {
		return v
	}
	rest := slices.DeleteFunc(member.Groups(), func(own Group) bool { return own.ID == g.ID })
	after := Resolve(member.Site(), rest, target)
	if !a.bounds(change{before: &member, after: after}).Allowed {
		return mayNot(RuleOwnGroup, "", "%s would be rid of what the group %s limits", target.Name, g.Name)
	}
	return v
}

// leadsMembers decides whether the actor says who is in the group.
func (a Actor) leadsMembers(g Group) Verdict {
	if v := a.barred(); !v.Allowed || a.admin() {
		return a.whole(v)
	}
	return a.leads(g)
}

// keepsOwn refuses groups with which the actor would have wider protocols, limits
// or quota than it has.
func (a Actor) keepsOwn(groups []Group) Verdict {
	return a.bounds(change{after: Resolve(a.Effective.Site(), groups, *a.account())})
}

// bounds refuses wider protocols, limits or quota than the actor has and the
// account had.
func (a Actor) bounds(c change) Verdict {
	for _, ask := range []func(change) Verdict{a.givesDoors, a.givesLimits, a.givesQuota} {
		if v := ask(c); !v.Allowed {
			return v
		}
	}
	return itsOwn()
}

// leads decides whether the actor is the owner or a manager of the group.
func (a Actor) leads(g Group) Verdict {
	for _, head := range a.Heads {
		if head.ID == g.ID {
			return may(RuleGroupManager, "the caller manages the group "+g.Name)
		}
	}
	if g.Personal() {
		return a.mine(g)
	}
	return mayNot(RuleGroupManager, "", "the caller does not manage the group %s", g.Name)
}

func (a Actor) mine(g Group) Verdict {
	if g.Personal() && g.Owner == a.account().ID {
		return may(RulePersonalGroup, "the group "+g.Name+" is the caller's own")
	}
	return mayNot(RulePersonalGroup, "", "the group %s is not the caller's own", g.Name)
}

// sharesOwn returns v where the actor has the right to personal groups, without
// which it makes its own no wider.
func (a Actor) sharesOwn(v Verdict) Verdict {
	if own := a.account(); own.Role != RoleUser || !own.Manage.PersonalGroups {
		return mayNot(RulePersonalGroup, "", "the caller does not have manage_personal_groups")
	}
	return v
}

// owns decides on what a personal group may be: the actor's own, without
// defaults and folder, with grants of what the actor has itself.
func (a Actor) owns(g Group, before []Grant) Verdict {
	if !g.Personal() {
		return mayNot(RuleAdministrator, "kind", "user groups are made and changed by administrators")
	}
	if v := a.mine(g); !v.Allowed {
		return at(v, "owner")
	}
	if v := a.sharesOwn(itsOwn()); !v.Allowed {
		return v
	}
	plain := Group{ID: g.ID, Name: g.Name, Owner: g.Owner, Grants: g.Grants}
	if !reflect.DeepEqual(g, plain) {
		return mayNot(RulePersonalGroup, "", "a personal group has no defaults and no folder")
	}
	if v := a.givesEach("grants", before, g.Grants); !v.Allowed {
		return v
	}
	return may(RulePersonalGroup, "the group is the caller's own, and gives only what the caller has")
}
