package accounts

import (
	"context"
	"slices"

	"gatehouse/policy"
	"gatehouse/storage/state/typed"
)

// AddGrant gives an account a right on a folder and returns the grant with its id.
func (s *Store) AddGrant(ctx context.Context, account string, g policy.Grant, o Option) (policy.Grant, Account, error) {
	g.ID = typed.NewID()
	a, err := s.Update(ctx, account, 0, func(a *Account) error {
		a.Grants = append(a.Grants, g)
		return nil
	}, o)
	return g, a, err
}

// RemoveGrant takes the grant with this id away; ErrNotFound.
func (s *Store) RemoveGrant(ctx context.Context, account, id string, o Option) (Account, error) {
	return s.Update(ctx, account, 0, func(a *Account) (err error) {
		a.Grants, err = dropGrant(a.Grants, id)
		return err
	}, o)
}

func dropGrant(grants []policy.Grant, id string) ([]policy.Grant, error) {
	i := slices.IndexFunc(grants, func(g policy.Grant) bool { return g.ID == id })
	if i < 0 {
		return nil, ErrNotFound
	}
	return slices.Delete(grants, i, i+1), nil
}
