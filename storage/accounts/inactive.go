package accounts

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts/record"
)

// bySite is who disables an account where the site's policy does.
const bySite = "site policy"

// DisableInactive disables the accounts whose last success, creation, import and
// re-enabling are all longer ago than the site's disable_inactive_after_days,
// and returns them as they now are. Never an admin. It may be called on every
// node at once, and again after it was cut short.
func (s *Store) DisableInactive(ctx context.Context, now time.Time) ([]Account, error) {
	days := s.index.Site().Inactive
	if days <= 0 {
		return nil, nil
	}
	before := now.AddDate(0, 0, -days)
	var done []Account
	var all []error
	for _, e := range s.index.All() {
		if ctx.Err() != nil {
			return done, errors.Join(append(all, ctx.Err())...)
		}
		if !s.idle(e.Account, before) {
			continue
		}
		a, disabled, err := s.disableIdle(ctx, e.Account, before, days)
		if err != nil {
			all = append(all, fmt.Errorf("disable %s: %w", e.Account.Name, err))
		}
		if disabled {
			done = append(done, a)
		}
	}
	return done, errors.Join(all...)
}

// idle reports whether an account is to be disabled for what this node knows.
func (s *Store) idle(a *Account, before time.Time) bool {
	if a.Role == policy.RoleAdmin || a.Status.Disabled {
		return false
	}
	for _, t := range []time.Time{a.Created, a.Imported, a.Status.At, s.activity.LastLogin(a.ID)} {
		if !t.Before(before) {
			return false
		}
	}
	return true
}

// errBusy ends a change that is not to be made.
var errBusy = errors.New("the account is in use")

// disableIdle disables an account if it is still idle for what every node has
// written: a login that this one has not heard of counts.
func (s *Store) disableIdle(ctx context.Context, a *Account, before time.Time, days int) (Account, bool, error) {
	if err := s.pull(ctx, record.AccountPrefix+a.ID); err != nil {
		return Account{}, false, err
	}
	if err := s.activity.Refresh(ctx, a.ID); err != nil {
		return Account{}, false, err
	}
	now, err := s.Update(ctx, a.Name, 0, func(x *Account) error {
		if x.ID != a.ID || !s.idle(x, before) {
			return errBusy
		}
		x.Status = policy.Status{
			Disabled: true, By: bySite, At: time.Now().UTC().Truncate(time.Second),
			Why: fmt.Sprintf("no login for %d days", days),
		}
		return nil
	}, Guarded)
	if errors.Is(err, errBusy) || errors.Is(err, ErrNotFound) {
		return Account{}, false, nil
	}
	return now, err == nil, err
}
