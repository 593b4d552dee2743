package accounts

import (
	"fmt"
	"slices"

	"gatehouse/policy"
	"gatehouse/storage/accounts/field"
	"gatehouse/storage/state/typed"
)

// validateGroup puts a group into its stored form, as validate does an account.
func (s *Store) validateGroup(next, cur *Group) error {
	if cur != nil {
		if err := keepGroup(next, cur); err != nil {
			return err
		}
	}
	if _, err := canonicalGroup(next.Name); err != nil {
		return err
	}
	next.Protocols = field.Doors(next.Protocols)
	next.Managers = field.Unique(next.Managers)
	for i := range next.Grants {
		if next.Grants[i].ID == "" {
			next.Grants[i].ID = typed.NewID()
		}
	}
	if p := next.Problems(); len(p) > 0 {
		return &InvalidError{Field: p[0].Field, Why: p[0].Why}
	}
	if len(next.Grants) > maxGrants {
		return &InvalidError{Field: "grants", Why: fmt.Sprintf("are more than %d", maxGrants)}
	}
	return field.First(
		s.validateKind(next, cur), s.validateLeaders(next, cur), s.validateFolder(next),
		field.Quota("quota", next.Quota), field.Quota("folder_quota", next.FolderQuota), field.Limits(next.Limits),
	)
}

// keepGroup refuses to change what a group has for life.
func keepGroup(next, cur *Group) error {
	switch {
	case next.ID != cur.ID:
		return &InvalidError{Field: "id", Why: "is fixed for life"}
	case next.Kind != cur.Kind:
		return &InvalidError{Field: "kind", Why: "is fixed for life"}
	}
	next.Created, next.Revision = cur.Created, cur.Revision
	return nil
}

// validateKind asks for an owner of a personal group, and of no other.
func (s *Store) validateKind(g, cur *Group) error {
	switch g.Kind {
	case UserGroup:
		if g.Owner != "" {
			return &InvalidError{Field: "owner", Why: "is what a personal group has"}
		}
		return nil
	case PersonalGroup:
	default:
		return &InvalidError{Field: "kind", Why: fmt.Sprintf("%q is neither user nor personal", g.Kind)}
	}
	if cur != nil && cur.Owner == g.Owner {
		return nil
	}
	e, ok := s.index.ByID(g.Owner)
	switch {
	case !ok:
		return &InvalidError{Field: "owner", Why: fmt.Sprintf("there is no account %q", g.Owner)}
	case e.Account.Role == policy.RoleGuest:
		return &InvalidError{Field: "owner", Why: "a guest has no groups"}
	case len(s.index.Owned(g.Owner)) >= maxOwned:
		return &InvalidError{Field: "owner", Why: fmt.Sprintf("has %d groups already", maxOwned)}
	}
	return nil
}

// validateLeaders refuses managers of a group that there are not, but for those
// that it had when they went: these are dropped.
func (s *Store) validateLeaders(next, cur *Group) error {
	if len(next.Managers) > field.MaxList {
		return &InvalidError{Field: "managers", Why: fmt.Sprintf("are more than %d", field.MaxList)}
	}
	var kept []string
	for _, id := range next.Managers {
		e, ok := s.index.ByID(id)
		switch {
		case ok && e.Account.Role != policy.RoleGuest:
			kept = append(kept, id)
		case cur != nil && slices.Contains(cur.Managers, id):
		case ok:
			return &InvalidError{Field: "managers", Why: fmt.Sprintf("%q is a guest", e.Account.Name)}
		default:
			return &InvalidError{Field: "managers", Why: fmt.Sprintf("there is no account %q", id)}
		}
	}
	next.Managers = kept
	return nil
}

// validateFolder refuses the folder of another group: a folder has one quota.
func (s *Store) validateFolder(g *Group) error {
	if g.Folder == nil {
		return nil
	}
	for _, other := range s.index.Groups() {
		if other.ID != g.ID && other.Folder != nil && *other.Folder == *g.Folder {
			return &InvalidError{Field: "folder", Why: fmt.Sprintf("is that of the group %q", other.Name)}
		}
	}
	return nil
}
