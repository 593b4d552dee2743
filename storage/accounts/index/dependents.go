package index

import (
	"reflect"

	"gatehouse/policy"
	"gatehouse/storage/accounts/record"
)

// maxActing is how many act as a guest's managers at most.
const maxActing = 1_000

// managersOf returns who manages a guest: the accounts that it names, and the
// managers of the groups that it names. The lock is held.
func (x *Index) managersOf(a *policy.Account) []*policy.Account {
	var list []*policy.Account
	seen := map[string]bool{a.ID: true}
	add := func(id string) {
		e, ok := x.accounts[id]
		if !ok || seen[id] || len(list) >= maxActing {
			return
		}
		seen[id] = true
		list = append(list, &e.Account.Account)
	}
	for _, id := range a.ManagedBy {
		add(id)
		g, ok := x.groups[id]
		if !ok {
			continue
		}
		for _, manager := range g.Managers {
			add(manager)
		}
	}
	return list
}

// touch makes a change of an account, nil where it is new or gone, and returns a
// change of every other account for which something else holds thereby. The lock
// is held.
func (x *Index) touch(id string, was, is *record.Account, change func()) []Change {
	if was != nil && is != nil && reflect.DeepEqual(was.Account, is.Account) {
		// What policy does not read concerns nobody else.
		change()
		return nil
	}
	found := make(map[string]bool)
	x.reach(id, found)
	change()
	x.reach(id, found)
	// Asked before id itself is left out: who was counted is who stopped the search.
	if len(found) >= MaxTold {
		x.generation.Add(1)
		return []Change{{Kind: KindAll}}
	}
	delete(found, id)
	var touched []Change
	for id := range found {
		e, ok := x.accounts[id]
		if !ok {
			continue
		}
		// What was resolved for the old entry, or is being resolved, is kept no more.
		x.accounts[id] = &Entry{Account: e.Account, Folded: e.Folded}
		touched = append(touched, Change{Kind: KindAccount, ID: id, Name: e.Folded})
	}
	return touched
}

// reach adds to found the accounts for which what holds depends on what holds
// for the one with this id: the members of its personal groups, and the guests
// that it or one of these manages. It stops where they are too many to be told.
func (x *Index) reach(id string, found map[string]bool) {
	first := []string{id}
	for g := range x.relations.owned[id] {
		for member := range x.relations.members[g] {
			if found[member] = true; len(found) >= MaxTold {
				return
			}
			first = append(first, member)
		}
	}
	for _, manager := range first {
		for _, guests := range x.guestsOf(manager) {
			for guest := range guests {
				if e, ok := x.accounts[guest]; !ok || e.Account.Role != policy.RoleGuest {
					continue
				}
				if found[guest] = true; len(found) >= MaxTold {
					return
				}
			}
		}
	}
}

// guestsOf returns the sets of accounts that an account may manage: by itself, and
// through the groups that it leads.
func (x *Index) guestsOf(id string) []map[string]struct{} {
	sets := []map[string]struct{}{x.relations.managed[id]}
	for g := range x.relations.led[id] {
		sets = append(sets, x.relations.managed[g])
	}
	return sets
}
