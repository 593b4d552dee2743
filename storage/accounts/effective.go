package accounts

import (
	"context"

	"gatehouse/policy"
)

// Effective resolves what holds for a now, or would hold for an account that is
// not stored like that.
func (s *Store) Effective(_ context.Context, a Account) (policy.Effective, error) {
	site, groups, _ := s.index.rules(a.Groups)
	return policy.Resolve(site, groups, a.Account), nil
}

// Look returns the account of this name and what holds for it now, which is kept
// for as long as account, groups and site stay as they are. With ErrNotFound it
// returns what holds for nobody.
func (s *Store) Look(_ context.Context, name string) (Account, policy.Effective, error) {
	e, err := s.find(name)
	if err != nil {
		return Account{}, policy.Resolve(s.index.present().Site, nil, policy.Account{}), err
	}
	return e.account.clone(), s.resolve(e), nil
}

// LookByID is Look for an id.
func (s *Store) LookByID(_ context.Context, id string) (Account, policy.Effective, error) {
	e, ok := s.index.byID(id)
	if !ok {
		return Account{}, policy.Resolve(s.index.present().Site, nil, policy.Account{}), ErrNotFound
	}
	return e.account.clone(), s.resolve(e), nil
}

func (s *Store) resolve(e *entry) policy.Effective {
	site, groups, generation := s.index.rules(e.account.Groups)
	if r := e.resolved.Load(); r != nil && r.generation == generation {
		return r.effective
	}
	r := &resolved{generation: generation, effective: policy.Resolve(site, groups, e.account.Account)}
	e.resolved.Store(r)
	return r.effective
}
