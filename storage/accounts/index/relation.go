package index

import (
	"maps"
	"slices"

	"gatehouse/storage/accounts/record"
)

// A relation leads from an id to other ids.
type relation map[string]map[string]struct{}

func (r relation) add(from, to string) {
	set, ok := r[from]
	if !ok {
		set = make(map[string]struct{}, 1)
		r[from] = set
	}
	set[to] = struct{}{}
}

func (r relation) drop(from, to string) {
	set := r[from]
	delete(set, to)
	if len(set) == 0 {
		delete(r, from)
	}
}

// of returns where an id leads, in order.
func (r relation) of(from string) []string { return slices.Sorted(maps.Keys(r[from])) }

// relations are what the index knows of who has to do with whom.
type relations struct {
	members     relation          // group -> accounts in it
	managed     relation          // account or group -> accounts that it manages
	owned       relation          // account -> personal groups that are its own
	led         relation          // account -> groups whose members it says
	credentials map[string]string // app password, token, client -> account
	homes       homes
}

func newRelations() relations {
	return relations{
		members: make(relation), managed: make(relation), owned: make(relation), led: make(relation),
		credentials: make(map[string]string), homes: make(homes),
	}
}

func (r *relations) addAccount(a *record.Account) {
	r.homes.add(a.Home, 1)
	for _, g := range a.Groups {
		r.members.add(g, a.ID)
	}
	for _, m := range a.ManagedBy {
		r.managed.add(m, a.ID)
	}
	for i := range a.Credentials {
		r.credentials[a.Credentials[i].ID] = a.ID
	}
}

func (r *relations) dropAccount(a *record.Account) {
	r.homes.add(a.Home, -1)
	for _, g := range a.Groups {
		r.members.drop(g, a.ID)
	}
	for _, m := range a.ManagedBy {
		r.managed.drop(m, a.ID)
	}
	for i := range a.Credentials {
		if r.credentials[a.Credentials[i].ID] == a.ID {
			delete(r.credentials, a.Credentials[i].ID)
		}
	}
}

func (r *relations) addGroup(g *record.Group) {
	if g.Owner != "" {
		r.owned.add(g.Owner, g.ID)
	}
	for _, m := range g.Managers {
		r.led.add(m, g.ID)
	}
}

func (r *relations) dropGroup(g *record.Group) {
	if g.Owner != "" {
		r.owned.drop(g.Owner, g.ID)
	}
	for _, m := range g.Managers {
		r.led.drop(m, g.ID)
	}
}
