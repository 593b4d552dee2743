package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Around is who stands around an account: what a guest and the members of a
// personal group may do ends where the rights of its managers and owner end.
type Around struct {
	// Time is the moment that is asked for: who has expired by then gives nothing.
	// The zero time finds nobody expired.
	Time time.Time
	// Managers are a guest's: the accounts in ManagedBy, and those who act for its
	// groups there.
	Managers []Effective
	// Owners are those of the account's personal groups, by account id.
	Owners map[string]Effective
}

// manager is what the manager rule reads of a guest's manager.
type manager struct {
	name     string
	disabled bool
	expires  time.Time
}

// ResolveAround is Resolve with those who stand around the account. The grants
// of a personal group are cut to what its owner has, those of a guest to what
// its managers have together; its home stays the guest's own. A disabled or
// expired owner or manager has nothing to give, and neither has a guest. What
// an owner has from other people's personal groups it cannot pass on.
func ResolveAround(site Site, groups []Group, own Account, around Around) Effective {
	r := &resolved{site: site, account: own, groups: sortGroups(groups)}
	r.defaults = slices.DeleteFunc(slices.Clone(r.groups), Group.Personal)
	r.siteIPs = newAddressList(site.AllowedIPs)
	r.accountIPs = newAddressList(own.AllowedIPs)
	r.doors = resolveDoors(own, r.defaults)
	r.limits = limitsOf(resolveLimits(site, r.defaults, own))
	r.grants = resolveGrants(own, r.groups)
	r.cutGroups(around)
	if own.Role == RoleGuest {
		r.cutGuest(around)
	}
	r.unshare()
	return Effective{r}
}

// Until returns the moment at which the expiry of somebody around the account
// changes what holds, so that it must be resolved anew; zero is never.
func (e Effective) Until() time.Time { return earliest(e.get().turns) }

// Personal reports whether g is somebody's own group, which has no defaults.
func (g Group) Personal() bool { return g.Owner != "" }

// hasToGive reports whether somebody around has anything to give at the moment, and
// notes when that ends.
func (r *resolved) hasToGive(e Effective, at time.Time) bool {
	who := e.get().account
	if who.ID == "" || who.Status.Disabled || who.Role == RoleGuest {
		return false
	}
	ends := e.get().expires()
	if who.Expires == nil || at.Before(ends) {
		if !ends.IsZero() {
			r.turns = append(r.turns, ends)
		}
		return true
	}
	return false
}

// cutGroups cuts what personal groups give to what their owners have.
func (r *resolved) cutGroups(around Around) {
	for _, g := range r.groups {
		if !g.Personal() {
			continue
		}
		to, have := "what its owner has, who is not there", []heldGrant(nil)
		if owner, ok := around.Owners[g.Owner]; ok && owner.get().account.ID == g.Owner {
			to = "what its owner " + owner.get().account.Name + " has"
			if r.hasToGive(owner, around.Time) {
				have = slices.DeleteFunc(slices.Clone(owner.get().grants), heldGrant.isLent)
			}
		}
		r.cut(to, have, func(h *heldGrant) bool { return h.group == g.ID && h.Rule == RuleGrant })
	}
}

// cutGuest cuts all that a guest is given to what its managers have.
func (r *resolved) cutGuest(around Around) {
	var have []heldGrant
	var names []string
	for _, e := range around.Managers {
		who := e.get().account
		if who.ID == "" || who.Role == RoleGuest {
			continue
		}
		ends := e.get().expires()
		unresolved := who.Expires != nil && ends.IsZero()
		r.managers = append(r.managers, manager{who.Name, who.Status.Disabled || unresolved, ends})
		names = append(names, who.Name)
		if r.hasToGive(e, around.Time) {
			have = append(have, e.get().grants...)
			r.turns = append(r.turns, e.get().turns...)
		}
	}
	slices.SortFunc(r.managers, func(a, b manager) int { return strings.Compare(a.name, b.name) })
	slices.Sort(names)
	to := "what the guest's managers have, of whom there is none"
	if len(names) > 0 {
		to = "what the guest's managers have: " + strings.Join(slices.Compact(names), ", ")
	}
	r.cut(to, have, func(h *heldGrant) bool { return h.Rule == RuleGrant })
}

// ruleManager refuses a guest without a manager who could come in.
func ruleManager(r *resolved, a *Attempt) answer {
	if r.account.Role != RoleGuest {
		return allow("the account is no guest")
	}
	for _, m := range r.managers {
		if !m.disabled && (m.expires.IsZero() || a.Time.Before(m.expires)) {
			return allow("the guest has a manager who is enabled")
		}
	}
	if len(r.managers) == 0 {
		return refuse("the guest has no manager")
	}
	names := make([]string, len(r.managers))
	for i, m := range r.managers {
		names[i] = m.name
	}
	return refuse(fmt.Sprintf("no manager of the guest is enabled and not expired: %s", strings.Join(names, ", ")))
}

// earliest returns the first of the moments, zero where there is none.
func earliest(moments []time.Time) time.Time {
	var first time.Time
	for _, t := range moments {
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	return first
}
