package accounts

import (
	"context"

	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/accounts/field"
	"gatehouse/storage/state/typed"
)

// Site returns the site policy, with the defaults where nothing was set yet.
func (s *Store) Site(context.Context) (Site, error) { return s.index.Site().Clone(), nil }

// UpdateSite changes the site policy as Update does an account.
func (s *Store) UpdateSite(ctx context.Context, revision uint64, change func(*Site) error, o Option) (Site, error) {
	find := func() (*Site, error) { return s.index.Site(), nil }
	return edit(find, revision, change, func(cur, next *Site) error { return s.replaceSite(ctx, cur, next, o) })
}

func (s *Store) replaceSite(ctx context.Context, cur, next *Site, o Option) error {
	if err := validateSite(next); err != nil {
		return err
	}
	b, err := replacement(cur, next)
	if err != nil || b == nil {
		return err
	}
	if err := s.guardRules(ctx, b, rules{site: next}, o); err != nil {
		return err
	}
	next.Revision, err = s.apply(ctx, *b)
	return typed.Again(err)
}

func validateSite(s *Site) error {
	s.AllowedIPs = field.Prefixes(s.AllowedIPs)
	s.Doors = field.Doors(s.Doors)
	if p := s.Problems(); len(p) > 0 {
		return &InvalidError{Field: p[0].Field, Why: p[0].Why}
	}
	if _, err := field.Zone(s.TimeZone); err != nil {
		return &InvalidError{Field: "time_zone", Why: err.Error()}
	}
	return field.First(field.Language(s.Language), field.Limits(s.Limits), credentials.CheckAuthorities(s.SSHUserCAs))
}
