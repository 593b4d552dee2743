package accounts

import (
	"slices"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

// An Invitation is what an account will be that somebody is to make for
// themselves. What its maker may give is judged again when it is accepted.
type Invitation struct {
	Email       string         `json:"email"`
	DisplayName string         `json:"display_name,omitempty"`
	Role        policy.Role    `json:"role"`
	Groups      []string       `json:"groups,omitempty"`     // ids
	ManagedBy   []string       `json:"managed_by,omitempty"` // ids
	Expires     *policy.Expiry `json:"expires,omitempty"`    // the account's
}

// Draft returns the account that an invitation describes, under the name that
// whoever accepts it has chosen; ErrLink for another kind of link. Groups and
// managers that are gone are left out.
func (s *Store) Draft(l Link, name string) (Account, error) {
	if l.Invitation == nil {
		return Account{}, ErrLink
	}
	i := l.Invitation
	a := Account{DisplayName: i.DisplayName, Email: i.Email}
	a.Name, a.Role, a.Expires = name, i.Role, ref(i.Expires)
	a.Groups = slices.DeleteFunc(slices.Clone(i.Groups), func(id string) bool {
		_, ok := s.index.groupByID(id)
		return !ok
	})
	a.ManagedBy = slices.DeleteFunc(slices.Clone(i.ManagedBy), func(id string) bool { return s.notManager(id) != "" })
	return a, nil
}

// validateInvitation asks of an invitation what Create will ask of its account.
func (s *Store) validateInvitation(i *Invitation) error {
	if why := missing(i.Email); why != "" {
		return &InvalidError{Field: "email", Why: why}
	}
	draft := Account{Email: i.Email, DisplayName: i.DisplayName, Authentication: Local}
	draft.Role, draft.Groups, draft.ManagedBy, draft.Expires = i.Role, i.Groups, i.ManagedBy, ref(i.Expires)
	// Validation asks for a home; any will do.
	draft.Home = path.MustParse("/home/invited")
	if err := s.validate(&draft, nil); err != nil {
		return err
	}
	i.Groups, i.ManagedBy, i.Expires = draft.Groups, draft.ManagedBy, draft.Expires
	return nil
}
