package record

import (
	"errors"
	"slices"

	"gatehouse/admin/rest"
	"gatehouse/policy"
)

// The names that somebody writes who does not see everything are found only where
// it knows of them: those that stand there already, and its own. Those of strangers
// and those of nobody get one answer: two would tell who there is.

// errStrange is what others than administrators hear of any other name.
var errStrange = errors.New("a name that is not the caller's to give")

// stranger returns the id of a caller who does not see everything, "" for others.
func (d *Directory) stranger() string {
	c := rest.CallerOf(d.ctx)
	if c.Session == nil || c.Administers() || c.Role == policy.RoleAuditor {
		return ""
	}
	return c.Session.AccountID()
}

func (d *Directory) ofGroups(had []string) func(name string) (string, error) {
	own := d.stranger()
	return func(name string) (string, error) {
		id, err := d.groupID(name)
		if own != "" && (err != nil || !slices.Contains(had, id) && !d.inGroup(own, id)) {
			return "", errStrange
		}
		return id, err
	}
}

// inGroup reports whether an account is in a group, manages it or owns it.
func (d *Directory) inGroup(account, group string) bool {
	g, err := d.accounts.GroupByID(d.ctx, group)
	if err != nil {
		return false
	}
	if g.Owner == account || slices.Contains(g.Managers, account) {
		return true
	}
	x, err := d.accounts.ByID(d.ctx, account)
	return err == nil && slices.Contains(x.Groups, group)
}

func (d *Directory) ofAccounts(had []string) func(name string) (string, error) {
	own := d.stranger()
	return func(name string) (string, error) {
		id, err := d.AccountID(name)
		if own != "" && (err != nil || id != own && !slices.Contains(had, id)) {
			return "", errStrange
		}
		return id, err
	}
}
