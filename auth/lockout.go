package auth

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/state"
)

// Locked returns until when an account is locked, the zero time where it is not.
func (z *Authenticator) Locked(ctx context.Context, id string) (time.Time, error) {
	site, err := z.accounts.Site(ctx)
	if err != nil {
		return time.Time{}, err
	}
	until, _, err := z.failures.locked(ctx, site.Site, id)
	return until, err
}

// Unlock ends an account's lockout, and forgets its failures.
func (z *Authenticator) Unlock(ctx context.Context, id string) error {
	return z.failures.forget(ctx, id)
}

// Banned reports whether an address is refused before any work.
func (z *Authenticator) Banned(ctx context.Context, a netip.Addr) (bool, error) {
	site, err := z.accounts.Site(ctx)
	if err != nil {
		return false, err
	}
	return z.failures.banned(ctx, site.Site, a)
}

// Bans returns the addresses that are banned now.
func (z *Authenticator) Bans(ctx context.Context) ([]Ban, error) {
	var list []Ban
	for after, more := "", true; more; {
		page, err := z.failures.state.List(ctx, failureScope, banPrefix, after, 500)
		if err != nil {
			return nil, fmt.Errorf("list the bans: %w", err)
		}
		for _, r := range page.Records {
			var b Ban
			if err := json.Unmarshal(r.Value, &b); err != nil {
				return nil, fmt.Errorf("decode %s: %w", r.Name, err)
			}
			list = append(list, b)
			after = r.Name
		}
		more = page.More && len(page.Records) > 0
	}
	return list, nil
}

// Unban lets an address try again.
func (z *Authenticator) Unban(ctx context.Context, a netip.Addr) error {
	name, ok := z.failures.origin(policy.PlainAddress(a))
	if !ok {
		return nil
	}
	_, err := z.failures.state.Apply(ctx, state.Batch{
		Scope: failureScope, ID: state.NewOperationID(), Deletes: []string{banPrefix + name},
	})
	if err != nil {
		return fmt.Errorf("lift the ban of %s: %w", name, err)
	}
	return nil
}
