package accounts

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/state"
)

// A standing says how well an account serves as an administrator who can log in
// by web or API.
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

// standing judges with the very rules that judge at the door. Nobody stands
// around an admin: its managers and the owners of its groups bear on files alone.
func (s *Store) standing(a *Account, r rules, now time.Time) standing {
	if a == nil || a.Role != policy.RoleAdmin || a.Password == nil {
		return unable
	}
	site, groups := s.index.rules(a.Groups)
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
	if !admitted(policy.Resolve(site, kept, a.Account), site, a, now) {
		return unable
	}
	if a.Expires != nil {
		return present
	}
	return lasting
}

// admitted reports whether there is an address from which the web or the API
// lets the account in.
func admitted(e policy.Effective, site policy.Site, a *Account, now time.Time) bool {
	for _, door := range []policy.Door{policy.Web, policy.API} {
		for _, address := range candidates(site.AllowedIPs, a.AllowedIPs) {
			d := e.Admit(policy.Attempt{
				Door: door, Address: address, Transport: policy.TLS, Time: now,
				Credential: proved(e, a),
			})
			if d.Allowed {
				return true
			}
		}
	}
	return false
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

// guardAccount makes sure that a change of an account, its removal where next is
// nil, leaves as good an admin as there was. Of two such changes at once one
// meets a conflict on the guard record.
func (s *Store) guardAccount(ctx context.Context, b *state.Batch, cur, next *Account, o Option) error {
	now := time.Now()
	before := s.standing(cur, rules{}, now)
	if s.standing(next, rules{}, now) >= before {
		return nil
	}
	if err := s.bump(ctx, b); err != nil {
		return err
	}
	if o == Forced {
		return nil
	}
	others, err := s.best(ctx, rules{}, cur.ID)
	if err != nil {
		return err
	}
	if others < before {
		return ErrLastAdmin
	}
	return nil
}

// guardRules makes sure that changed rules leave as good an admin as there was.
func (s *Store) guardRules(ctx context.Context, b *state.Batch, r rules, o Option) error {
	if err := s.bump(ctx, b); err != nil {
		return err
	}
	if o == Forced {
		return nil
	}
	before, err := s.best(ctx, rules{}, "")
	if err != nil {
		return err
	}
	after, err := s.best(ctx, r, "")
	if err != nil {
		return err
	}
	if after < before {
		return ErrLastAdmin
	}
	return nil
}

// bump makes b conflict with every other change that could cost an admin.
func (s *Store) bump(ctx context.Context, b *state.Batch) error {
	r, err := s.state.Get(ctx, scope, adminsName)
	if err != nil && !errors.Is(err, state.ErrNotFound) {
		return err
	}
	p, err := put(adminsName, struct{}{})
	if err != nil {
		return err
	}
	b.Checks = append(b.Checks, state.Check{Name: adminsName, Revision: r.Revision})
	b.Puts = append(b.Puts, p)
	return nil
}

// best returns the best standing of all admins but one, read anew: what another
// node has changed a moment ago counts.
func (s *Store) best(ctx context.Context, r rules, but string) (standing, error) {
	if err := s.pull(ctx, siteName); err != nil {
		return unable, err
	}
	found := unable
	for _, e := range s.index.all() {
		if e.account.Role != policy.RoleAdmin || e.account.ID == but {
			continue
		}
		a, err := s.fresh(ctx, e.account.ID)
		if err != nil {
			return unable, err
		}
		if found = max(found, s.standing(a, r, time.Now())); found == lasting {
			break
		}
	}
	return found, nil
}

// fresh reads an account and its groups anew; nil where it is gone.
func (s *Store) fresh(ctx context.Context, id string) (*Account, error) {
	if err := s.pull(ctx, accountPrefix+id); err != nil {
		return nil, err
	}
	e, ok := s.index.byID(id)
	if !ok {
		return nil, nil
	}
	for _, g := range e.account.Groups {
		if err := s.pull(ctx, groupPrefix+g); err != nil {
			return nil, err
		}
	}
	return e.account, nil
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
