package accounts

import (
	"context"
	"errors"
	"slices"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

// Revoked are the grants that an account or a group lost with what they were on.
type Revoked struct {
	Account, Group string // the name of whose they were: one of the two
	Grants         []policy.Grant
}

// RevokeBelow takes away every grant on a folder or below it. Who comes to have
// a folder of that name next gives nobody what somebody else had given.
func (s *Store) RevokeBelow(ctx context.Context, folder path.Path) ([]Revoked, error) {
	below := func(g policy.Grant) bool { return folder.Contains(g.Path) }
	var list []Revoked
	for _, e := range s.index.All() {
		if !slices.ContainsFunc(e.Account.Grants, below) {
			continue
		}
		var gone []policy.Grant
		_, err := s.Update(ctx, e.Account.Name, 0, func(a *Account) error {
			a.Grants, gone = part(a.Grants, below)
			return nil
		}, Forced)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return list, err
		}
		if len(gone) > 0 {
			list = append(list, Revoked{Account: e.Account.Name, Grants: gone})
		}
	}
	for _, g := range s.index.Groups() {
		if !slices.ContainsFunc(g.Grants, below) {
			continue
		}
		var gone []policy.Grant
		_, err := s.UpdateGroup(ctx, g.Name, 0, func(g *Group) error {
			g.Grants, gone = part(g.Grants, below)
			return nil
		}, Forced)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return list, err
		}
		if len(gone) > 0 {
			list = append(list, Revoked{Group: g.Name, Grants: gone})
		}
	}
	return list, nil
}

// part returns the grants that are not chosen, and those that are.
func part(grants []policy.Grant, chosen func(policy.Grant) bool) (rest, taken []policy.Grant) {
	for _, g := range grants {
		if chosen(g) {
			taken = append(taken, g)
		} else {
			rest = append(rest, g)
		}
	}
	return rest, taken
}
