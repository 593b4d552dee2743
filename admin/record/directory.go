package record

import (
	"context"
	"strings"

	"gatehouse/storage/accounts"
)

// A Directory translates between ids, which records refer to, and the names that
// people read. It is for one request.
type Directory struct {
	ctx      context.Context
	accounts *accounts.Store
	groups   map[string]string // by id, read when first asked for
	// lenient takes names that nobody has yet as their own ids.
	Lenient bool
	made    map[string]bool // accounts that were taken so
}

// NewDirectory makes the directory of one request.
func NewDirectory(ctx context.Context, store *accounts.Store) *Directory {
	return &Directory{ctx: ctx, accounts: store}
}

// GroupName names a group; one that is gone has no name.
func (d *Directory) GroupName(id string) string {
	if d.groups == nil {
		d.groups = map[string]string{}
		all, _ := d.accounts.Groups(d.ctx)
		for _, g := range all {
			d.groups[g.ID] = g.Name
		}
	}
	return d.groups[id]
}

func (d *Directory) groupID(name string) (string, error) {
	g, err := d.accounts.Group(d.ctx, name)
	if err != nil && d.Lenient {
		d.GroupName("")
		d.groups[name] = name
		return name, nil
	}
	return g.ID, err
}

// AccountName names an account; one that is gone has no name.
func (d *Directory) AccountName(id string) string {
	x, err := d.accounts.ByID(d.ctx, id)
	if err != nil && d.Lenient && d.made[id] {
		return id
	}
	if err != nil {
		return ""
	}
	return x.Name
}

// AccountID finds an account's id by its name.
func (d *Directory) AccountID(name string) (string, error) {
	x, err := d.accounts.Account(d.ctx, name)
	if err != nil && d.Lenient {
		if d.made == nil {
			d.made = map[string]bool{}
		}
		d.made[name] = true
		return name, nil
	}
	return x.ID, err
}

// Named returns the names of ids that still have one.
func Named(ids []string, nameOf func(id string) string) []string {
	var names []string
	for _, id := range ids {
		if name := nameOf(id); name != "" {
			names = append(names, name)
		}
	}
	return names
}

// Planned reports an id that is only a name: of somebody who is yet to be made.
func (d *Directory) Planned(id string) bool {
	return d.made[id] || d.Lenient && d.groups[id] == id
}

// The owners of quotas that are settings of theirs, before the id.
const (
	AccountQuota = "account/"
	GroupQuota   = "group/"
)

// OwnerName names the owner of a quota, "" where it was set by hand.
func (d *Directory) OwnerName(owner string) string {
	if id, ok := strings.CutPrefix(owner, AccountQuota); ok {
		return "account " + d.AccountName(id)
	}
	if id, ok := strings.CutPrefix(owner, GroupQuota); ok {
		return "group " + d.GroupName(id)
	}
	return ""
}
