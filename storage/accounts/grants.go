package accounts

import (
	"context"
	"slices"

	"gatehouse/policy"
)

// AddGrant gives an account a right on a folder and returns the grant with its id.
func (s *Store) AddGrant(ctx context.Context, account string, g policy.Grant, o Option) (policy.Grant, Account, error) {
	g.ID = newID()
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

// AddGroupGrant and RemoveGroupGrant do the same for a group.
func (s *Store) AddGroupGrant(ctx context.Context, group string, g policy.Grant, o Option) (policy.Grant, Group, error) {
	g.ID = newID()
	changed, err := s.UpdateGroup(ctx, group, 0, func(x *Group) error {
		x.Grants = append(x.Grants, g)
		return nil
	}, o)
	return g, changed, err
}

// RemoveGroupGrant takes a group's grant with this id away; ErrNotFound.
func (s *Store) RemoveGroupGrant(ctx context.Context, group, id string, o Option) (Group, error) {
	return s.UpdateGroup(ctx, group, 0, func(x *Group) (err error) {
		x.Grants, err = dropGrant(x.Grants, id)
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
