package accounts

import (
	"reflect"

	"gatehouse/policy"
)

// maxActing is how many act as a guest's managers at most.
const maxActing = 1_000

// managersOf returns who manages a guest: the accounts that it names, and of the
// groups that it names those members who may manage somebody, and their managers.
// The lock is held.
func (x *index) managersOf(a *policy.Account) []*policy.Account {
	var list []*policy.Account
	seen := map[string]bool{a.ID: true}
	add := func(id string, acts func(*policy.Account) bool) {
		e, ok := x.accounts[id]
		if !ok || seen[id] || len(list) >= maxActing || !acts(&e.account.Account) {
			return
		}
		seen[id] = true
		list = append(list, &e.account.Account)
	}
	for _, id := range a.ManagedBy {
		add(id, anybody)
		g, ok := x.groups[id]
		if !ok {
			continue
		}
		for _, manager := range g.Managers {
			add(manager, anybody)
		}
		for _, member := range x.relations.members.of(id) {
			add(member, delegate)
		}
	}
	return list
}

func anybody(*policy.Account) bool { return true }

// delegate reports whether an account manages others at all.
func delegate(a *policy.Account) bool {
	return a.Role == policy.RoleAdmin || a.Manage.Users || a.Manage.Guests
}

// touch makes a change of an account, nil where it is new or gone, and returns a
// change of every other account for which something else holds thereby. The lock
// is held.
func (x *index) touch(id string, was, is *Account, change func()) []Change {
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
	if len(found) >= maxPending {
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
		x.accounts[id] = &entry{account: e.account, folded: e.folded}
		touched = append(touched, Change{Kind: KindAccount, ID: id, Name: e.folded})
	}
	return touched
}

// reach adds to found the accounts for which what holds depends on what holds
// for the one with this id: the members of its personal groups, and the guests
// that it or one of these manages. It stops where they are too many to be told.
func (x *index) reach(id string, found map[string]bool) {
	first := []string{id}
	for g := range x.relations.owned[id] {
		for member := range x.relations.members[g] {
			if found[member] = true; len(found) >= maxPending {
				return
			}
			first = append(first, member)
		}
	}
	for _, manager := range first {
		for _, guests := range x.guestsOf(manager) {
			for guest := range guests {
				if e, ok := x.accounts[guest]; !ok || e.account.Role != policy.RoleGuest {
					continue
				}
				if found[guest] = true; len(found) >= maxPending {
					return
				}
			}
		}
	}
}

// guestsOf returns the sets of accounts that an account may manage: by itself,
// through the groups that it is in, and through those that it leads.
func (x *index) guestsOf(id string) []map[string]struct{} {
	sets := []map[string]struct{}{x.relations.managed[id]}
	if e, ok := x.accounts[id]; ok {
		for _, g := range e.account.Groups {
			sets = append(sets, x.relations.managed[g])
		}
	}
	for g := range x.relations.led[id] {
		sets = append(sets, x.relations.managed[g])
	}
	return sets
}
