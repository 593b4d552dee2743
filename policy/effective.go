package policy

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"gatehouse/policy/path"
)

// Effective is what holds for one account now: site, groups and its own
// settings, resolved. It is immutable and safe for concurrent use. Its zero
// value admits nobody and permits nothing.
type Effective struct{ in *resolved }

type resolved struct {
	site     Site
	account  Account
	groups   []Group // by name, each once
	defaults []Group // those of groups that have defaults: personal ones have none

	siteIPs, accountIPs addressList
	doors               []heldDoor
	grants              []heldGrant
	limits              Limits

	// cuts are the grants that give less than they say.
	cuts []cutGrant
	// unshared says why nothing may be shared, "" where grants decide.
	unshared string
	managers []manager   // of a guest
	turns    []time.Time // when somebody around expires
	closed   []path.Path // for administrators alone
	// whole is what holds without the credential's scope; nil where none narrows it.
	whole *resolved
	scope Scope
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
// never matters. Nobody stands around the account: personal groups give nothing,
// and a guest is not let in (see ResolveAround).
func Resolve(site Site, groups []Group, own Account) Effective {
	return ResolveAround(site, groups, own, Around{})
}

// System returns what holds for the gateway's own work: every right on the
// whole tree. Nobody is admitted with it.
func System(site Site) Effective {
	all := Grant{Path: path.Root, Permissions: Full, Recursive: true}
	return Effective{&resolved{
		site:   site,
		grants: []heldGrant{hold(RuleRole, OriginSystem, all)},
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
		return &resolved{}
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
