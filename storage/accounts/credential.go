package accounts

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"gatehouse/policy"
)

// maxCredentials is how many app passwords, tokens and clients an account has.
const maxCredentials = 1_000

// OpenDoors returns the doors that the credential may be used at: its own, or
// all that its kind may use. An app password never opens the API.
func (c Credential) OpenDoors() []policy.Door {
	if c.Doors != nil {
		return slices.Clone(c.Doors)
	}
	return c.Kind.Doors()
}

// AddCredential gives an account a new app password, token or client, and
// returns it with the text that proves it, which is nowhere kept. ID, Hash and
// Added are made here.
func (s *Store) AddCredential(ctx context.Context, account string, c Credential, o Option) (made Credential, text string, err error) {
	c = c.clone()
	secret := randomText(secretSize)
	c.ID, c.Hash = randomText(credentialIDSize), HashSecret(secret)
	c.Added = time.Now().UTC().Truncate(time.Second)
	now, err := s.Update(ctx, account, 0, func(a *Account) error {
		a.Credentials = append(a.Credentials, c)
		return nil
	}, o)
	if err != nil {
		return Credential{}, "", err
	}
	made, _ = now.Credential(c.ID)
	return made, secretText(made, secret), nil
}

// RemoveCredential revokes the credential with this id; ErrNotFound. Sessions
// that it proved hear of it as of every change of their account.
func (s *Store) RemoveCredential(ctx context.Context, account, id string, o Option) (Account, error) {
	return s.Update(ctx, account, 0, func(a *Account) error {
		i := a.credentialAt(id)
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
		i := a.credentialAt(id)
		if i < 0 {
			return ErrNotFound
		}
		was := a.Credentials[i]
		if err := change(&a.Credentials[i]); err != nil {
			return err
		}
		is := &a.Credentials[i]
		is.ID, is.Kind, is.Hash, is.Added = was.ID, was.Kind, was.Hash, was.Added
		return nil
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
	e, ok := s.index.byCredential(id)
	if !ok {
		return Account{}, Credential{}, ErrNotFound
	}
	a := e.account.clone()
	c, ok := a.Credential(id)
	if !ok {
		return Account{}, Credential{}, ErrNotFound
	}
	return a, c, nil
}

// Credential returns the account's credential with this id.
func (a *Account) Credential(id string) (Credential, bool) {
	i := a.credentialAt(id)
	if i < 0 {
		return Credential{}, false
	}
	return a.Credentials[i].clone(), true
}

func (a *Account) credentialAt(id string) int {
	return slices.IndexFunc(a.Credentials, func(c Credential) bool { return c.ID == id })
}

// validateCredentials refuses what cannot be a credential, and ids that another
// account's has.
func (s *Store) validateCredentials(a *Account) error {
	if len(a.Credentials) > maxCredentials {
		return &InvalidError{Field: "credentials", Why: fmt.Sprintf("are more than %d", maxCredentials)}
	}
	ids := make(map[string]bool, len(a.Credentials))
	for i := range a.Credentials {
		c := &a.Credentials[i]
		if ids[c.ID] || s.index.credentialTaken(c.ID, a.ID) {
			return &InvalidError{Field: "credentials", Why: fmt.Sprintf("the id %q is there already", c.ID)}
		}
		ids[c.ID] = true
		if err := c.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Credential) validate() error {
	if _, known := marks[c.Kind]; !known {
		return &InvalidError{Field: "kind", Why: fmt.Sprintf("%q is none of app-password, token, client", c.Kind)}
	}
	if c.ID == "" || !isHash(c.Hash) {
		return &InvalidError{Field: "credentials", Why: "hold one without id or secret"}
	}
	if why := cmp.Or(unfitText(c.Name, maxName), missing(c.Name)); why != "" {
		return &InvalidError{Field: "name", Why: why}
	}
	c.Doors = inOrder(c.Doors)
	if c.Doors != nil && len(c.Doors) == 0 {
		// It would be kept as a list that says nothing, which is every door.
		return &InvalidError{Field: "doors", Why: "must name one at least: revoke what is to open none"}
	}
	for _, d := range c.Doors {
		if !c.Kind.Opens(d) {
			return &InvalidError{Field: "doors", Why: fmt.Sprintf("%q is no door for the kind %s", d, c.Kind)}
		}
	}
	if c.Scope.Folder != nil && c.Kind == policy.KindToken {
		return &InvalidError{Field: "folder", Why: "is for credentials of the file doors"}
	}
	if err := validateSources(c.AllowedIPs); err != nil {
		return err
	}
	return c.validateDevice()
}

// validateSources refuses what cannot be a credential's list of addresses.
func validateSources(list []string) error {
	if len(list) > maxList {
		return &InvalidError{Field: "allowed_ips", Why: fmt.Sprintf("are more than %d", maxList)}
	}
	if _, err := policy.ParsePrefixes(list); err != nil {
		return &InvalidError{Field: "allowed_ips", Why: err.Error()}
	}
	return nil
}

// missing says so of an empty text.
func missing(s string) string {
	if s == "" {
		return "must not be empty"
	}
	return ""
}
