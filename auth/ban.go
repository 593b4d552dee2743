package auth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/state"
)

// A Ban is an address that is refused before any work.
type Ban struct {
	Address string    `json:"address"` // an address, or the /64 of IPv6
	Since   time.Time `json:"since"`
	Until   time.Time `json:"until"`
	// Failures is how many different ones, over all names, have led to it.
	Failures int `json:"failures"`
}

// pageSize is how many bans or lockouts a listing returns where it is not said.
const pageSize = 500

// ParseBanned reads the address of a ban as listings show it, or any address
// within it.
func ParseBanned(text string) (netip.Addr, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		return policy.PlainAddress(a), err
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Addr{}, err
	}
	a := policy.PlainAddress(p.Addr())
	if a.Is4() && !p.IsSingleIP() || a.Is6() && p.Bits() != 64 && !p.IsSingleIP() {
		return netip.Addr{}, fmt.Errorf("a ban is on an IPv4 address, or on the /64 of an IPv6 one, and not on %s", text)
	}
	return a, nil
}

// Banned reports whether an address is refused before any work.
func (z *Authenticator) Banned(ctx context.Context, a netip.Addr) (bool, error) {
	site, err := z.accounts.Site(ctx)
	if err != nil {
		return false, err
	}
	return z.failures.banned(ctx, site.Site, a)
}

// Bans returns up to limit of the bans that are in force now, ordered by address,
// after the one named; next, where it is not empty, names the last of them, and
// there are further ones. A limit of 0 is 500.
func (z *Authenticator) Bans(ctx context.Context, after string, limit int) (list []Ban, next string, err error) {
	site, err := z.accounts.Site(ctx)
	if err != nil || site.Ban.Failures <= 0 {
		return nil, "", err
	}
	if limit <= 0 {
		limit = pageSize
	}
	err = z.failures.each(ctx, banPrefix, after, func(r state.Record) (bool, error) {
		var b Ban
		if err := json.Unmarshal(r.Value, &b); err != nil {
			return false, fmt.Errorf("decode %s: %w", r.Name, err)
		}
		if !z.failures.bannable(b.Address) {
			return true, nil
		}
		if len(list) == limit {
			next = list[limit-1].Address
			return false, nil
		}
		list = append(list, b)
		return true, nil
	})
	return list, next, err
}

// Unban lets an address try again, and forgets its failures; false where it was
// not banned.
func (z *Authenticator) Unban(ctx context.Context, a netip.Addr) (lifted bool, err error) {
	name, ok := z.failures.origin(a)
	if !ok {
		return false, nil
	}
	if lifted, err = z.failures.unban(ctx, name); err != nil {
		return lifted, fmt.Errorf("lift the ban of %s: %w", name, err)
	}
	return lifted, nil
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

// bannable reports whether what a ban was on would be banned today.
func (f *failures) bannable(name string) bool {
	a, err := ParseBanned(name)
	if err != nil {
		return false
	}
	_, ok := f.origin(a)
	return ok
}

func (f *failures) banned(ctx context.Context, site policy.Site, a netip.Addr) (bool, error) {
	name, ok := f.origin(a)
	if !ok || site.Ban.Failures <= 0 {
		return false, nil
	}
	_, err := f.known.get(ctx, banPrefix+name)
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
	now := time.Now().UTC()
	b := Ban{Address: name, Since: now, Until: now.Add(period), Failures: int(v.Count)}
	if err := f.ban(ctx, b, period); err != nil {
		return false, fmt.Errorf("ban %s: %w", name, err)
	}
	return true, nil
}

func (f *failures) ban(ctx context.Context, b Ban, period time.Duration) error {
	value, err := json.Marshal(b)
	if err != nil {
		return err
	}
	err = f.apply(ctx, state.Batch{
		Scope: failureScope, ID: state.NewOperationID(),
		Puts: []state.Put{{Name: banPrefix + b.Address, Value: value, TTL: period}},
	})
	if err != nil {
		return err
	}
	return f.uncount(ctx, b.Address)
}

func (f *failures) unban(ctx context.Context, name string) (bool, error) {
	_, err := f.state.Get(ctx, failureScope, banPrefix+name)
	if errors.Is(err, state.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	// The count first: one failure more must not bring the ban back.
	if err := f.uncount(ctx, name); err != nil {
		return false, err
	}
	_, err = f.state.Apply(ctx, state.Batch{
		Scope: failureScope, ID: state.NewOperationID(), Deletes: []string{banPrefix + name},
	})
	return err == nil, err
}

// uncount forgets the failures of an address.
func (f *failures) uncount(ctx context.Context, name string) error {
	_, err := f.state.Count(ctx, failureScope, state.Drop{ID: state.NewOperationID(), Name: countPrefix + name})
	return err
}
