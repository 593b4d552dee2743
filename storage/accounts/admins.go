package accounts

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts/record"
	"gatehouse/storage/state"
	"gatehouse/storage/state/typed"
)

// A standing says how well an account serves as an administrator who can log in.
type standing int

const (
	unable  standing = iota
	present          // can log in now, but has a date of expiry
	lasting          // can log in
)

// rules is what is put in the place of the present rules to ask what would be.
type rules struct {
	site    *Site
	group   *Group
	without string // the id of a group
}

// standing judges with the very rules that judge at the door, for who comes from
// an address; the zero one is any. Nobody stands around an admin: its managers and
// the owners of its groups bear on files alone.
func (s *Store) standing(a *Account, r rules, from netip.Addr, now time.Time) standing {
	if a == nil || a.Role != policy.RoleAdmin || a.Password == nil {
		return unable
	}
	site, groups := s.index.Rules(a.Groups)
	if r.site != nil {
		site = r.site.Site
	}
	kept := groups[:0:0]
	for _, g := range groups {
		if r.group != nil && g.ID == r.group.ID {
			g = r.group.Group
		}
		if g.ID != r.without {
			kept = append(kept, g)
		}
	}
	addresses := []netip.Addr{from}
	if !from.IsValid() {
		addresses = candidates(site.AllowedIPs, a.AllowedIPs)
	}
	if !admitted(policy.Resolve(site, kept, a.Account), addresses, a, now) {
		return unable
	}
	if a.Expires != nil {
		return present
	}
	return lasting
}

// admitted reports whether the API, which alone gives administration, lets the
// account in from one of the addresses.
func admitted(e policy.Effective, addresses []netip.Addr, a *Account, now time.Time) bool {
	return slices.ContainsFunc(addresses, func(address netip.Addr) bool {
		return e.Admit(policy.Attempt{
			Door: policy.API, Address: address, Transport: policy.TLS, Time: now, Credential: proved(e, a),
		}).Allowed
	})
}

// candidates returns an address that a client can have out of each list, and
// one that is in none.
func candidates(lists ...[]netip.Prefix) []netip.Addr {
	list := []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1})}
	for _, prefixes := range lists {
		for _, p := range prefixes {
			first := p.Masked().Addr()
			for _, a := range []netip.Addr{first, first.Next()} {
				if usable(a) && p.Contains(a) {
					list = append(list, a)
				}
			}
		}
	}
	return list
}

func usable(a netip.Addr) bool {
	return a.IsValid() && !a.IsUnspecified() && !a.IsMulticast() &&
		a != netip.AddrFrom4([4]byte{255, 255, 255, 255})
}

// places are the addresses that the option's rule asks for; the zero one is any.
func (o Option) places() []netip.Addr {
	if o.from.IsValid() {
		return []netip.Addr{{}, o.from}
	}
	return []netip.Addr{{}}
}

// locksOut says from where nobody comes in any more.
func locksOut(from netip.Addr) error {
	if from.IsValid() {
		return fmt.Errorf("from %s: %w", from, ErrLastAdmin)
	}
	return ErrLastAdmin
}

// guardAccount makes sure that a change of an account, its removal where next is
// nil, leaves as good an admin as there was. Of two such changes at once one
// meets a conflict on the guard record.
func (s *Store) guardAccount(ctx context.Context, b *state.Batch, cur, next *Account, o Option) error {
	if err := s.freshRules(ctx, cur); err != nil {
		return err
	}
	now := time.Now()
	lost := slices.DeleteFunc(o.places(), func(from netip.Addr) bool {
		return s.standing(next, rules{}, from, now) >= s.standing(cur, rules{}, from, now)
	})
	if len(lost) == 0 {
		return nil
	}
	if err := s.bump(ctx, b); err != nil || o.forced {
		return err
	}
	others, err := s.freshAdmins(ctx, cur.ID)
	if err != nil {
		return err
	}
	for _, from := range lost {
		if s.best(others, rules{}, from, now) < s.standing(cur, rules{}, from, now) {
			return locksOut(from)
		}
	}
	return nil
}

// guardRules makes sure that changed rules leave as good an admin as there was.
func (s *Store) guardRules(ctx context.Context, b *state.Batch, r rules, o Option) error {
	if err := s.bump(ctx, b); err != nil || o.forced {
		return err
	}
	admins, err := s.freshAdmins(ctx, "")
	if err != nil {
		return err
	}
	now := time.Now()
	for _, from := range o.places() {
		if s.best(admins, r, from, now) < s.best(admins, rules{}, from, now) {
			return locksOut(from)
		}
	}
	return nil
}

// bump makes b conflict with every other change that could cost an admin.
func (s *Store) bump(ctx context.Context, b *state.Batch) error {
	r, err := s.state.Get(ctx, record.Scope, adminsName)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return err
	}
	p, err := typed.Put(adminsName, struct{}{})
	if err != nil {
		return err
	}
	b.Checks = append(b.Checks, state.Check{Name: adminsName, Revision: r.Revision})
	b.Puts = append(b.Puts, p)
	return nil
}

// best returns the best standing that one of the admins has.
func (s *Store) best(admins []*Account, r rules, from netip.Addr, now time.Time) standing {
	found := unable
	for _, a := range admins {
		if found = max(found, s.standing(a, r, from, now)); found == lasting {
			break
		}
	}
	return found
}

// freshAdmins returns all admins but one, read anew with what they depend on: what
// another node has changed a moment ago counts.
func (s *Store) freshAdmins(ctx context.Context, but string) ([]*Account, error) {
	if err := s.pull(ctx, record.SiteName); err != nil {
		return nil, err
	}
	var admins []*Account
	for _, e := range s.index.All() {
		if e.Account.Role != policy.RoleAdmin || e.Account.ID == but {
			continue
		}
		a, err := s.fresh(ctx, e.Account.ID)
		if err != nil {
			return nil, err
		}
		admins = append(admins, a)
	}
	return admins, nil
}

// freshRules reads anew what a change of an administrator is judged by, where other
// nodes may have changed it a moment ago.
func (s *Store) freshRules(ctx context.Context, a *Account) error {
	if !s.shared.Load() || a.Role != policy.RoleAdmin {
		return nil
	}
	if err := s.pull(ctx, record.SiteName); err != nil {
		return err
	}
	_, err := s.fresh(ctx, a.ID)
	return err
}

// fresh reads an account and its groups anew; nil where it is gone.
func (s *Store) fresh(ctx context.Context, id string) (*Account, error) {
	if err := s.pull(ctx, record.AccountPrefix+id); err != nil {
		return nil, err
	}
	e, ok := s.index.ByID(id)
	if !ok {
		return nil, nil
	}
	for _, g := range e.Account.Groups {
		if err := s.pull(ctx, record.GroupPrefix+g); err != nil {
			return nil, err
		}
	}
	return e.Account, nil
}

// proved is what the account's password comes in with once it was proved. Who has
// a second factor can give its code; who must have one and has none is let in to
// set it up, at the very doors that count here.
func proved(e policy.Effective, a *Account) policy.Credential {
	factor := policy.FactorNone
	if a.HasCode() {
		factor = policy.FactorProved
	}
	return policy.Credential{
		ID: a.Password.ID, Kind: policy.KindPassword, Proved: true,
		MustChange: a.Password.MustChange, Code: e.Code(policy.KindPassword, factor),
		Expires: e.PasswordExpires(a.Password.Changed),
	}
}
