package auth

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/state"
)

// The scope of failures, and the names in it.
const (
	failureScope = "failures"
	lockPrefix   = "lock/"
	banPrefix    = "ban/"
	countPrefix  = "count/"
)

// macSize is how much is kept of a failed secret's MAC: enough to tell a stale
// secret from a new guess, too little to find the secret by.
const macSize = 3

// failures keeps what lockouts and bans are made of, over the state, so that
// every node counts the same and a restart forgets nothing.
type failures struct {
	state   state.Store
	key     []byte
	trusted []netip.Prefix
}

// A lock is the record of an account's consecutive failures.
type lock struct {
	Failures []failure `json:"failures"`
	Until    time.Time `json:"until,omitzero"` // locked until then
}

type failure struct {
	MAC []byte    `json:"mac"`
	At  time.Time `json:"at"`
}

// A Ban is an address that is refused before any work.
type Ban struct {
	Address string    `json:"address"` // an address, or the /64 of IPv6
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
}

func (f *failures) mac(parts ...string) []byte { return f.sum(parts...)[:macSize] }

func (f *failures) sum(parts ...string) []byte {
	m := hmac.New(sha256.New, f.key)
	for _, p := range parts {
		fmt.Fprintf(m, "%d:%s", len(p), p)
	}
	return m.Sum(nil)
}

// nobody stands for a name that no account has: of one length, whatever was sent.
func (f *failures) nobody(name string) string {
	return "nobody-" + base64.RawURLEncoding.EncodeToString(f.sum("nobody", name)[:12])
}

// locked returns until when an account is locked, the zero time where it is not,
// and whether there is anything to forget.
func (f *failures) locked(ctx context.Context, site policy.Site, id string) (until time.Time, failed bool, err error) {
	if site.Lockout.Failures <= 0 {
		return time.Time{}, false, nil
	}
	l, revision, err := f.lock(ctx, id)
	if err != nil || !time.Now().Before(l.Until) {
		return time.Time{}, revision != 0, err
	}
	return l.Until, true, nil
}

func (f *failures) lock(ctx context.Context, id string) (lock, uint64, error) {
	r, err := f.state.Get(ctx, failureScope, lockPrefix+id)
	if errors.Is(err, state.ErrNotFound) {
		return lock{}, 0, nil
	}
	if err != nil {
		return lock{}, 0, fmt.Errorf("read the failures of %s: %w", id, err)
	}
	var l lock
	if err := json.Unmarshal(r.Value, &l); err != nil {
		return lock{}, 0, fmt.Errorf("decode the failures of %s: %w", id, err)
	}
	return l, r.Revision, nil
}

// What came of counting a failure.
type counted int

const (
	notCounted counted = iota // lockouts are off, or the secret counts already
	wasLocked
	hasCounted
	hasLocked // this one was one too many
)

// fail counts a failure of an account. A secret that failed already within the
// period does not count again.
func (f *failures) fail(ctx context.Context, site policy.Site, id, secret string) (counted, error) {
	period, err := time.ParseDuration(site.Lockout.Period)
	if err != nil || period <= 0 || site.Lockout.Failures <= 0 {
		return notCounted, nil
	}
	mac := f.mac("secret", id, secret)
	for range 20 {
		var c counted
		c, err = f.tryFail(ctx, id, mac, site.Lockout.Failures, period)
		if !errors.Is(err, state.ErrConflict) {
			return c, err
		}
	}
	return notCounted, err
}

func (f *failures) tryFail(ctx context.Context, id string, mac []byte, most int, period time.Duration) (counted, error) {
	l, revision, err := f.lock(ctx, id)
	if err != nil {
		return notCounted, err
	}
	now := time.Now()
	if now.Before(l.Until) {
		return wasLocked, nil
	}
	kept := l.Failures[:0]
	for _, x := range l.Failures {
		if bytes.Equal(x.MAC, mac) && now.Sub(x.At) < period {
			return notCounted, nil
		}
		if now.Sub(x.At) < period {
			kept = append(kept, x)
		}
	}
	c := hasCounted
	l = lock{Failures: append(kept, failure{MAC: mac, At: now})}
	if len(l.Failures) >= most {
		c, l = hasLocked, lock{Until: now.Add(period)}
	}
	value, err := json.Marshal(l)
	if err != nil {
		return notCounted, err
	}
	_, err = f.state.Apply(ctx, state.Batch{
		Scope: failureScope, ID: state.NewOperationID(),
		Checks: []state.Check{{Name: lockPrefix + id, Revision: revision}},
		Puts:   []state.Put{{Name: lockPrefix + id, Value: value, TTL: period}},
	})
	if err != nil {
		return notCounted, err
	}
	return c, nil
}

// forget ends the row of consecutive failures.
func (f *failures) forget(ctx context.Context, id string) error {
	_, err := f.state.Apply(ctx, state.Batch{
		Scope: failureScope, ID: state.NewOperationID(), Deletes: []string{lockPrefix + id},
	})
	return err
}

// origin is what a ban is on: an IPv4 address, or the /64 of an IPv6 one.
// ok is false for what is never banned.
func (f *failures) origin(a netip.Addr) (name string, ok bool) {
	a = policy.PlainAddress(a)
	if !a.IsValid() || a.IsLoopback() || a.IsUnspecified() {
		return "", false
	}
	for _, p := range f.trusted {
		if p.Contains(a) {
			return "", false
		}
	}
	if a.Is4() {
		return a.String(), true
	}
	p, err := a.Prefix(64)
	return p.String(), err == nil
}

func (f *failures) banned(ctx context.Context, site policy.Site, a netip.Addr) (bool, error) {
	name, ok := f.origin(a)
	if !ok || site.Ban.Failures <= 0 {
		return false, nil
	}
	_, err := f.state.Get(ctx, failureScope, banPrefix+name)
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("read the ban of %s: %w", name, err)
	}
	return true, nil
}

// suspect counts a failure of an address, over all names; started is true where
// it is banned by it. The same secret for the same name counts once in a period.
func (f *failures) suspect(ctx context.Context, site policy.Site, a netip.Addr, account, secret string) (started bool, err error) {
	name, ok := f.origin(a)
	period, periodErr := time.ParseDuration(site.Ban.Period)
	if !ok || periodErr != nil || period <= 0 || site.Ban.Failures <= 0 {
		return false, nil
	}
	most := min(site.Ban.Failures, state.MaxMembers)
	member := base64.RawURLEncoding.EncodeToString(append(f.mac("name", account), f.mac("guess", account, secret)...))
	v, err := f.state.Count(ctx, failureScope, state.Distinct{
		ID: state.NewOperationID(), Name: countPrefix + name, Add: member, TTL: period, Max: most,
	})
	if err != nil {
		return false, fmt.Errorf("count the failures of %s: %w", name, err)
	}
	if v.Count < int64(most) {
		return false, nil
	}
	return true, f.ban(ctx, name, period)
}

func (f *failures) ban(ctx context.Context, name string, period time.Duration) error {
	now := time.Now().UTC()
	value, err := json.Marshal(Ban{Address: name, Since: now, Until: now.Add(period)})
	if err != nil {
		return err
	}
	_, err = f.state.Apply(ctx, state.Batch{
		Scope: failureScope, ID: state.NewOperationID(),
		Puts: []state.Put{{Name: banPrefix + name, Value: value, TTL: period}},
	})
	if err != nil {
		return fmt.Errorf("ban %s: %w", name, err)
	}
	_, err = f.state.Count(ctx, failureScope, state.Drop{ID: state.NewOperationID(), Name: countPrefix + name})
	return err
}
