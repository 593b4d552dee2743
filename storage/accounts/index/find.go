package index

import (
	"maps"
	"slices"

	"gatehouse/policy"
	"gatehouse/storage/accounts/record"
)

// ByName returns the entry of a canonical name.
func (x *Index) ByName(folded string) (*Entry, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	e, ok := x.accounts[x.names[folded]]
	return e, ok
}

// ByID returns the entry of the account with this id.
func (x *Index) ByID(id string) (*Entry, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	e, ok := x.accounts[id]
	return e, ok
}

// IDTaken reports whether an account has this id, or had it lately.
func (x *Index) IDTaken(id string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	_, ok := x.accounts[id]
	return ok || x.gone.names[record.AccountPrefix+id]
}

// ByCredential returns the entry that has the credential with this id.
func (x *Index) ByCredential(id string) (*Entry, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	e, ok := x.accounts[x.relations.credentials[id]]
	return e, ok
}

// CredentialTaken reports whether an account other than this one has a credential
// with this id.
func (x *Index) CredentialTaken(id, account string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	holder, ok := x.relations.credentials[id]
	return ok && holder != account
}

// All returns every entry, in no order.
func (x *Index) All() []*Entry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	list := make([]*Entry, 0, len(x.accounts))
	for _, e := range x.accounts {
		list = append(list, e)
	}
	return list
}

// GroupByName returns the group of a canonical name.
func (x *Index) GroupByName(folded string) (*record.Group, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	g, ok := x.groups[x.groupNames[folded]]
	return g, ok
}

// GroupByID returns the group with this id.
func (x *Index) GroupByID(id string) (*record.Group, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	g, ok := x.groups[id]
	return g, ok
}

// Groups returns every group, in no order.
func (x *Index) Groups() []*record.Group {
	x.mu.RLock()
	defer x.mu.RUnlock()
	list := make([]*record.Group, 0, len(x.groups))
	for _, g := range x.groups {
		list = append(list, g)
	}
	return list
}

// Site returns the site.
func (x *Index) Site() *record.Site {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.site
}

// Rules returns the site and the named groups that exist, as of one moment.
func (x *Index) Rules(groups []string) (policy.Site, []policy.Group) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var found []policy.Group
	for _, id := range groups {
		if g, ok := x.groups[id]; ok {
			found = append(found, g.Group)
		}
	}
	return x.site.Site, found
}

// Schemes returns the parameters of the password hashes there are.
func (x *Index) Schemes() []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return slices.Collect(maps.Keys(x.schemes))
}

// Owned returns the personal groups of an account.
func (x *Index) Owned(id string) []*record.Group {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var list []*record.Group
	for _, g := range x.relations.owned.of(id) {
		list = append(list, x.groups[g])
	}
	return list
}

// Members returns the entries of the accounts in a group, in no order.
func (x *Index) Members(group string) []*Entry {
	x.mu.RLock()
	defer x.mu.RUnlock()
	list := make([]*Entry, 0, len(x.relations.members[group]))
	for id := range x.relations.members[group] {
		list = append(list, x.accounts[id])
	}
	return list
}

// Managed returns the ids of the accounts that the account or group with this id
// manages, in order.
func (x *Index) Managed(id string) []string {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.relations.managed.of(id)
}
