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
	nobodyPrefix = "nobody-" // after lockPrefix: a name that no account has
)

// macSize is how much is kept of a failed secret's MAC: enough to tell a stale
// secret from a new guess, too little to find the secret by.
const macSize = 3

// failures keeps what lockouts and bans are made of, over the state, so that
// every node counts the same and a restart forgets nothing.
type failures struct {
	state   state.Store
	known   *known
	key     []byte
	trusted []netip.Prefix
}

// A lock is the record of an account's consecutive failures.
type lock struct {
	Failures []failure `json:"failures"`
	Until    time.Time `json:"until,omitzero"` // locked until then
	// Since and Count are when it was locked, and by how many failures.
	Since time.Time `json:"since,omitzero"`
	Count int       `json:"count,omitempty"`
}

type failure struct {
	MAC []byte    `json:"mac"`
	At  time.Time `json:"at"`
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
	return nobodyPrefix + base64.RawURLEncoding.EncodeToString(f.sum("nobody", name)[:12])
}

// locked returns until when an account is locked, the zero time where it is not,
// and whether there is anything to forget.
func (f *failures) locked(ctx context.Context, site policy.Site, id string) (until time.Time, failed bool, err error) {
	if site.Lockout.Failures <= 0 {
		return time.Time{}, false, nil
	}
	l, revision, err := f.lock(f.known.get(ctx, lockPrefix+id))
	if err != nil || !time.Now().Before(l.Until) {
		return time.Time{}, revision != 0, err
	}
	return l.Until, true, nil
}

// stored is what the store has of an account's failures.
func (f *failures) stored(ctx context.Context, id string) (lock, uint64, error) {
	return f.lock(f.state.Get(ctx, failureScope, lockPrefix+id))
}

// lock reads a record; none is no failures.
func (f *failures) lock(r state.Record, err error) (lock, uint64, error) {
	if errors.Is(err, state.ErrNotFound) {
		return lock{}, 0, nil
	}
	if err != nil {
		return lock{}, 0, fmt.Errorf("read the failures: %w", err)
	}
	l, err := decodeLock(r)
	return l, r.Revision, err
}

func decodeLock(r state.Record) (lock, error) {
	var l lock
	if err := json.Unmarshal(r.Value, &l); err != nil {
		return lock{}, fmt.Errorf("decode the failures in %s: %w", r.Name, err)
	}
	return l, nil
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
	l, revision, err := f.stored(ctx, id)
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
		c, l = hasLocked, lock{Until: now.Add(period), Since: now, Count: len(l.Failures)}
	}
	value, err := json.Marshal(l)
	if err != nil {
		return notCounted, err
	}
	err = f.apply(ctx, state.Batch{
		Scope: failureScope, ID: state.NewOperationID(),
		Checks: []state.Check{{Name: lockPrefix + id, Revision: revision}},
		Puts:   []state.Put{{Name: lockPrefix + id, Value: value, TTL: period}},
	})
	if err != nil {
		return notCounted, err
	}
	return c, nil
}

// apply puts one record, and knows of it from then on.
func (f *failures) apply(ctx context.Context, b state.Batch) error {
	done, err := f.state.Apply(ctx, b)
	if err == nil || errors.Is(err, state.ErrUnknown) {
		f.known.wrote(b.Puts[0].Name, done.Revision)
	}
	return err
}

// each gives take the records with a prefix whose names follow after, in order,
// until it returns false.
func (f *failures) each(ctx context.Context, prefix, after string, take func(state.Record) (bool, error)) error {
	return eachRecord(ctx, f.state, prefix, after, take)
}

func eachRecord(ctx context.Context, st state.Store, prefix, after string, take func(state.Record) (bool, error)) error {
	if after != "" {
		after = prefix + after
	}
	for {
		page, err := st.List(ctx, failureScope, prefix, after, 0)
		if err != nil {
			return fmt.Errorf("list the failures: %w", err)
		}
		for _, r := range page.Records {
			if more, err := take(r); err != nil || !more {
				return err
			}
			after = r.Name
		}
		if !page.More || len(page.Records) == 0 {
			return nil
		}
	}
}

// forget ends the row of consecutive failures.
func (f *failures) forget(ctx context.Context, id string) error {
	_, err := f.state.Apply(ctx, state.Batch{
		Scope: failureScope, ID: state.NewOperationID(), Deletes: []string{lockPrefix + id},
	})
	return err
}
