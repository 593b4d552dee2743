package accounts

import (
	"context"
	"slices"

	"gatehouse/storage/state/typed"
)

// AddKey adds a key, made by credentials.ParseKey, and returns it with its id.
// revision is that of Update.
func (s *Store) AddKey(ctx context.Context, account string, revision uint64, k Key, o Option) (Key, Account, error) {
	k.ID = typed.NewID()
	a, err := s.Update(ctx, account, revision, func(a *Account) error {
		a.Keys = append(a.Keys, k)
		return nil
	}, o)
	if err != nil {
		return Key{}, Account{}, err
	}
	return a.Keys[len(a.Keys)-1], a, nil
}

// RemoveKey removes the key with this id, fingerprint or name; ErrNotFound.
// A name that several keys have is refused.
func (s *Store) RemoveKey(ctx context.Context, account string, revision uint64, which string, o Option) (Account, error) {
	return s.Update(ctx, account, revision, func(a *Account) error {
		var found []int
		for i, k := range a.Keys {
			if k.ID == which || k.Fingerprint == which {
				found = []int{i}
				break
			}
			if k.Name == which {
				found = append(found, i)
			}
		}
		switch len(found) {
		case 0:
			return ErrNotFound
		case 1:
			a.Keys = slices.Delete(a.Keys, found[0], found[0]+1)
			return nil
		}
		return &InvalidError{Field: "name", Why: "is that of several keys: name one by its fingerprint"}
	}, o)
}
