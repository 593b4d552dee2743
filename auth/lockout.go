package auth

import (
	"context"
	"strings"
	"time"

	"gatehouse/storage/state"
)

// A Lockout is an account whose passwords and codes are refused for a while or,
// with a zero Until, the failures that count towards it.
type Lockout struct {
	AccountID string
	Failures  int // different ones in a row
	Since     time.Time
	Until     time.Time
}

// Locked returns until when an account is locked, the zero time where it is not.
func (z *Authenticator) Locked(ctx context.Context, id string) (time.Time, error) {
	l, err := z.Lockout(ctx, id)
	return l.Until, err
}

// Lockout returns what stands against an account's passwords and codes now.
func (z *Authenticator) Lockout(ctx context.Context, id string) (Lockout, error) {
	none := Lockout{AccountID: id}
	site, err := z.accounts.Site(ctx)
	if err != nil || site.Lockout.Failures <= 0 {
		return none, err
	}
	l, _, err := z.failures.lock(z.failures.known.get(ctx, lockPrefix+id))
	if err != nil {
		return none, err
	}
	period, _ := time.ParseDuration(site.Lockout.Period)
	return l.present(id, time.Now(), period), nil
}

// Lockouts returns up to limit of the accounts that are locked now, ordered by
// id, after the one named; next is as with Bans. A limit of 0 is 500.
func (z *Authenticator) Lockouts(ctx context.Context, after string, limit int) (list []Lockout, next string, err error) {
	site, err := z.accounts.Site(ctx)
	if err != nil || site.Lockout.Failures <= 0 {
		return nil, "", err
	}
	if limit <= 0 {
		limit = pageSize
	}
	err = z.failures.each(ctx, lockPrefix, after, func(r state.Record) (bool, error) {
		id := strings.TrimPrefix(r.Name, lockPrefix)
		if strings.HasPrefix(id, nobodyPrefix) {
			return true, nil
		}
		kept, err := decodeLock(r)
		l := kept.present(id, time.Now(), 0)
		if err != nil || l.Until.IsZero() {
			return err == nil, err
		}
		if len(list) == limit {
			next = list[limit-1].AccountID
			return false, nil
		}
		list = append(list, l)
		return true, nil
	})
	return list, next, err
}

// Unlock ends an account's lockout, and forgets its failures.
func (z *Authenticator) Unlock(ctx context.Context, id string) error {
	return z.failures.forget(ctx, id)
}

// present is what of a record counts now, where failures count for a period.
func (l lock) present(id string, now time.Time, period time.Duration) Lockout {
	if now.Before(l.Until) {
		return Lockout{AccountID: id, Failures: l.Count, Since: l.Since, Until: l.Until}
	}
	p := Lockout{AccountID: id}
	for _, x := range l.Failures {
		if now.Sub(x.At) >= period {
			continue
		}
		if p.Failures == 0 {
			p.Since = x.At
		}
		p.Failures++
	}
	return p
}
