package accounts

import (
	"bytes"
	"context"

	"gatehouse/storage/state"
)

// Site returns the site policy, with the defaults where nothing was set yet.
func (s *Store) Site(context.Context) (Site, error) { return s.index.present().clone(), nil }

// UpdateSite changes the site policy as Update does an account.
func (s *Store) UpdateSite(ctx context.Context, revision uint64, change func(*Site) error, o Option) (Site, error) {
	var next Site
	err := retry(func() error {
		cur := s.index.present()
		if err := matches(siteName, cur.Revision, revision); err != nil {
			return err
		}
		next = cur.clone()
		if err := change(&next); err != nil {
			return err
		}
		return s.replaceSite(ctx, cur, &next, o)
	})
	if err != nil {
		return Site{}, err
	}
	return next.clone(), nil
}

func (s *Store) replaceSite(ctx context.Context, cur, next *Site, o Option) error {
	if err := validateSite(next); err != nil {
		return err
	}
	record, err := put(siteName, next)
	if err != nil {
		return err
	}
	if same, err := encode(cur); err != nil || bytes.Equal(same, record.Value) {
		next.Revision = cur.Revision
		return err
	}
	b := state.Batch{
		Checks: []state.Check{{Name: siteName, Revision: cur.Revision}},
		Puts:   []state.Put{record},
	}
	if err := s.guardRules(ctx, &b, rules{site: next}, o); err != nil {
		return err
	}
	next.Revision, err = s.apply(ctx, b)
	return again(err)
}
