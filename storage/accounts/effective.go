package accounts

import (
	"context"

	"gatehouse/policy"
)

// Effective resolves what holds for a now, or would hold for an account that is
// not stored like that. It keeps nothing: it is for who asks once, or for all.
func (s *Store) Effective(_ context.Context, a Account) (policy.Effective, error) {
	return s.index.Resolve(&a.Account), nil
}

// Look returns the account of this name and what holds for it now, which is kept
// for some thousands that were asked for of late, as long as the account, its
// groups, the site and those around it stay as they are. With ErrNotFound it returns what holds for nobody.
func (s *Store) Look(_ context.Context, name string) (Account, policy.Effective, error) {
	e, err := s.find(name)
	if err != nil {
		return Account{}, policy.Resolve(s.index.Site().Site, nil, policy.Account{}), err
	}
	return e.Account.Clone(), s.index.Effective(e), nil
}

// LookByID is Look for an id.
func (s *Store) LookByID(_ context.Context, id string) (Account, policy.Effective, error) {
	e, ok := s.index.ByID(id)
	if !ok {
		return Account{}, policy.Resolve(s.index.Site().Site, nil, policy.Account{}), ErrNotFound
	}
	return e.Account.Clone(), s.index.Effective(e), nil
}
