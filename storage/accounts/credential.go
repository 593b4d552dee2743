package accounts

import (
	"context"
	"fmt"
	"slices"

	"gatehouse/storage/accounts/credentials"
)

// maxCredentials is how many app passwords, tokens and clients an account has.
const maxCredentials = 1_000

// AddCredential gives an account a new app password, token or client, and
// returns it with the text that proves it, which is nowhere kept. ID, Hash and
// Added are made here, and a name that another of its kind has is refused.
// revision is that of Update.
func (s *Store) AddCredential(ctx context.Context, account string, revision uint64, c Credential, o Option) (made Credential, text string, err error) {
	c, text = credentials.Issue(c)
	now, err := s.Update(ctx, account, revision, func(a *Account) error {
		if err := nameFree(a, c); err != nil {
			return err
		}
		a.Credentials = append(a.Credentials, c)
		return nil
	}, o)
	if err != nil {
		return Credential{}, "", err
	}
	made, _ = now.Credential(c.ID)
	return made, text, nil
}

// nameFree refuses the name of another credential of the same kind: whoever is to
// revoke one by its name must know which it is.
func nameFree(a *Account, c Credential) error {
	for _, other := range a.Credentials {
		if other.Kind == c.Kind && other.Name == c.Name && other.ID != c.ID {
			return &InvalidError{Field: "name", Why: fmt.Sprintf("%q is that of another %s of this account", c.Name, c.Kind)}
		}
	}
	return nil
}

// RemoveCredential revokes the credential with this id; ErrNotFound. Sessions
// that it proved hear of it as of every change of their account.
func (s *Store) RemoveCredential(ctx context.Context, account string, revision uint64, id string, o Option) (Account, error) {
	return s.Update(ctx, account, revision, func(a *Account) error {
		i := a.CredentialAt(id)
		if i < 0 {
			return ErrNotFound
		}
		a.Credentials = slices.Delete(a.Credentials, i, i+1)
		return nil
	}, o)
}

// UpdateCredential changes what a credential may do or is called; ErrNotFound.
// What it is (its id, kind and secret) stays.
func (s *Store) UpdateCredential(ctx context.Context, account, id string, change func(*Credential) error, o Option) (Credential, error) {
	now, err := s.Update(ctx, account, 0, func(a *Account) error {
		i := a.CredentialAt(id)
		if i < 0 {
			return ErrNotFound
		}
		was := a.Credentials[i]
		if err := change(&a.Credentials[i]); err != nil {
			return err
		}
		is := &a.Credentials[i]
		is.ID, is.Kind, is.Hash, is.Added = was.ID, was.Kind, was.Hash, was.Added
		if is.Name == was.Name { // accounts from elsewhere may have it twice
			return nil
		}
		return nameFree(a, *is)
	}, o)
	if err != nil {
		return Credential{}, err
	}
	changed, _ := now.Credential(id)
	return changed, nil
}

// CredentialByID returns the credential with this id and its account; ErrNotFound.
// It is one cached read, whoever's it is.
func (s *Store) CredentialByID(_ context.Context, id string) (Account, Credential, error) {
	e, ok := s.index.ByCredential(id)
	if !ok {
		return Account{}, Credential{}, ErrNotFound
	}
	a := e.Account.Clone()
	c, ok := a.Credential(id)
	if !ok {
		return Account{}, Credential{}, ErrNotFound
	}
	return a, c, nil
}
