package admin

import (
	"context"

	"gatehouse/storage/accounts"
)

// A directory translates between ids, which records refer to, and the names that
// people read. It is for one request.
type directory struct {
	ctx      context.Context
	accounts *accounts.Store
	groups   map[string]string // by id, read when first asked for
	// lenient takes names that nobody has yet as their own ids.
	lenient bool
	made    map[string]bool // accounts that were taken so
}

func (a *API) directory(ctx context.Context) *directory {
	return &directory{ctx: ctx, accounts: a.Accounts}
}

// groupName names a group; one that is gone has no name.
func (d *directory) groupName(id string) string {
	if d.groups == nil {
		d.groups = map[string]string{}
		all, _ := d.accounts.Groups(d.ctx)
		for _, g := range all {
			d.groups[g.ID] = g.Name
		}
	}
	return d.groups[id]
}

func (d *directory) groupID(name string) (string, error) {
	g, err := d.accounts.Group(d.ctx, name)
	if err != nil && d.lenient {
		d.groupName("")
		d.groups[name] = name
		return name, nil
	}
	return g.ID, err
}

// accountName names an account; one that is gone has no name.
func (d *directory) accountName(id string) string {
	x, err := d.accounts.ByID(d.ctx, id)
	if err != nil && d.lenient && d.made[id] {
		return id
	}
	if err != nil {
		return ""
	}
	return x.Name
}

func (d *directory) accountID(name string) (string, error) {
	x, err := d.accounts.Account(d.ctx, name)
	if err != nil && d.lenient {
		if d.made == nil {
			d.made = map[string]bool{}
		}
		d.made[name] = true
		return name, nil
	}
	return x.ID, err
}

// named returns the names of ids that still have one.
func named(ids []string, nameOf func(id string) string) []string {
	var names []string
	for _, id := range ids {
		if name := nameOf(id); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// planned reports an id that is only a name: of somebody who is yet to be made.
func (d *directory) planned(id string) bool {
	return d.made[id] || d.lenient && d.groups[id] == id
}
