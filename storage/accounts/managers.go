package accounts

import (
	"fmt"
	"slices"

	"gatehouse/policy"
)

// maxOwned is how many personal groups an account may have.
const maxOwned = 200

// Managed returns the accounts that the account or group with this id manages,
// by their ids, in order.
func (s *Store) Managed(id string) []string {
	return s.index.Managed(id)
}

// notManager says why the account or group with this id can manage nobody, ""
// where it can.
func (s *Store) notManager(id string) string {
	if g, ok := s.index.GroupByID(id); ok {
		if g.Kind == PersonalGroup {
			return fmt.Sprintf("%q is a personal group", g.Name)
		}
		return ""
	}
	e, ok := s.index.ByID(id)
	switch {
	case !ok:
		return fmt.Sprintf("there is no account and no group %q", id)
	case e.Account.Role == policy.RoleGuest:
		return fmt.Sprintf("%q is a guest", e.Account.Name)
	}
	return ""
}

// validateManagers refuses managers that there are not, but for those that the
// account had when they went: these are dropped. A guest needs one.
func (s *Store) validateManagers(next, cur *Account) error {
	var kept []string
	for _, id := range next.ManagedBy {
		why := s.notManager(id)
		if id == next.ID {
			why = "an account does not manage itself"
		}
		switch {
		case why == "":
			kept = append(kept, id)
		case cur == nil || !slices.Contains(cur.ManagedBy, id):
			return &InvalidError{Field: "managed_by", Why: why}
		}
	}
	given := len(next.ManagedBy) > 0
	next.ManagedBy = kept
	if next.Role != policy.RoleGuest {
		return nil
	}
	// Managers that went leave a guest whom nobody lets in, but who can be changed.
	left := cur != nil && cur.Role == policy.RoleGuest && (given || len(cur.ManagedBy) == 0)
	if len(kept) == 0 && !left {
		return &InvalidError{Field: "managed_by", Why: "must name one at least: somebody answers for a guest"}
	}
	return nil
}
