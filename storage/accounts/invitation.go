package accounts

import (
	"slices"

	"gatehouse/policy/path"
	"gatehouse/storage/accounts/field"
	"gatehouse/storage/accounts/links"
)

// Draft returns the account that an invitation describes, under the name that
// whoever accepts it has chosen; links.ErrGone for another kind of link. Groups and
// managers that are gone are left out.
func (s *Store) Draft(l links.Link, name string) (Account, error) {
	if l.Invitation == nil {
		return Account{}, links.ErrGone
	}
	i := l.Invitation
	a := Account{DisplayName: i.DisplayName, Email: i.Email}
	a.Name, a.Role, a.Expires = name, i.Role, i.Expires
	a.Groups = slices.DeleteFunc(slices.Clone(i.Groups), func(id string) bool {
		_, ok := s.index.GroupByID(id)
		return !ok
	})
	a.ManagedBy = slices.DeleteFunc(slices.Clone(i.ManagedBy), func(id string) bool { return s.notManager(id) != "" })
	return a, nil
}

// invited answers what links ask about accounts.
type invited struct{ *Store }

// Standing tells what of an account ends its links.
func (s invited) Standing(id string) (links.Standing, bool) {
	e, ok := s.index.ByID(id)
	if !ok {
		return links.Standing{}, false
	}
	now := links.Standing{Since: e.Account.Status.At, Disabled: e.Account.Status.Disabled}
	if e.Account.Password != nil {
		now.Password = e.Account.Password.ID
	}
	return now, true
}

// Invitable asks of an invitation what Create will ask of its account.
func (s invited) Invitable(i *links.Invitation) error {
	if why := field.Missing(i.Email); why != "" {
		return &InvalidError{Field: "email", Why: why}
	}
	draft := Account{Email: i.Email, DisplayName: i.DisplayName, Authentication: Local}
	draft.Role, draft.Groups, draft.ManagedBy, draft.Expires = i.Role, i.Groups, i.ManagedBy, i.Expires
	// Validation asks for a home; any will do.
	draft.Home = path.MustParse("/home/invited")
	if err := s.validate(&draft, nil); err != nil {
		return err
	}
	i.Groups, i.ManagedBy, i.Expires = draft.Groups, draft.ManagedBy, draft.Expires
	return nil
}
