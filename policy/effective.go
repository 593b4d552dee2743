package policy

import (
	"cmp"
	"slices"
	"strings"

	"gatehouse/policy/path"
)

// Effective is what holds for one account now: site, groups and its own
// settings, resolved. It is immutable and safe for concurrent use. Its zero
// value admits nobody and permits nothing.
type Effective struct{ in *resolved }

type resolved struct {
	site    Site
	account Account
	groups  []Group // by name, each once

	siteIPs, accountIPs addressList
	doors               []DoorOrigin
	grants              []heldGrant
	limits              Limits
}

// Where a value comes from, beside "group NAME".
const (
	OriginAccount = "account"
	OriginSite    = "site"
	OriginDefault = "default"
	OriginHome    = "home"
	OriginRole    = "role admin"
	OriginSystem  = "system"
)

// Resolve puts site, groups and the account's own settings together. Where
// groups disagree the more generous wins. The order of groups and of grants
// never matters.
func Resolve(site Site, groups []Group, own Account) Effective {
	r := &resolved{site: site, account: own, groups: sortGroups(groups)}
	r.siteIPs = newAddressList(site.AllowedIPs)
	r.accountIPs = newAddressList(own.AllowedIPs)
	r.doors = resolveDoors(own, r.groups)
	r.grants = resolveGrants(own, r.groups)
	r.limits = limitsOf(resolveLimits(site, r.groups, own))
	return Effective{r}
}

// System returns what holds for the gateway's own work: every right on the
// whole tree. Nobody is admitted with it.
func System(site Site) Effective {
	all := Grant{Path: path.Root, Permissions: Full, Recursive: true}
	return Effective{&resolved{
		site:   site,
		grants: []heldGrant{hold(RuleRole, OriginSystem, all)},
		doors:  []DoorOrigin{},
	}}
}

// Account returns the account that e was resolved for.
func (e Effective) Account() Account { return e.get().account }

// Site returns the site policy that e was resolved under.
func (e Effective) Site() Site { return e.get().site }

// Groups returns the groups that e was resolved with, by name.
func (e Effective) Groups() []Group { return slices.Clone(e.get().groups) }

func (e Effective) get() *resolved {
	if e.in == nil {
		return &resolved{doors: []DoorOrigin{}}
	}
	return e.in
}

func sortGroups(groups []Group) []Group {
	sorted := slices.Clone(groups)
	slices.SortFunc(sorted, func(a, b Group) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	return slices.CompactFunc(sorted, func(a, b Group) bool { return a.ID == b.ID && a.Name == b.Name })
}

func groupOrigin(g Group) string { return "group " + g.Name }
