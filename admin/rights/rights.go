// Package rights asks policy what the caller of an operation may see of others and
// do to them, and whether a change would shut the caller itself out.
package rights

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/record"
	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// A Judge asks policy what callers may do to others. Safe for concurrent use.
type Judge struct{ *rest.API }

// New makes the judge of an API's callers.
func New(a *rest.API) *Judge { return &Judge{a} }

// Actor is the caller as policy judges what it does to others. One that acts for
// a group is known by the groups that name it as their manager.
func (j *Judge) Actor(ctx context.Context) (policy.Actor, error) {
	c := rest.CallerOf(ctx)
	if c.Socket() {
		return policy.Actor{Local: true}, nil
	}
	if c.Session == nil {
		return policy.Actor{}, nil
	}
	// Read anew: a session hears of a change of its account a moment later.
	x, own, err := j.Accounts.LookByID(ctx, c.Session.AccountID())
	if err != nil {
		return policy.Actor{}, err
	}
	heads, err := j.heads(ctx, x.ID)
	return policy.Actor{Effective: own.Scoped(c.Session.Credential().Scope), Heads: heads}, err
}

// heads are the groups that an account manages.
func (j *Judge) heads(ctx context.Context, id string) ([]policy.Group, error) {
	groups, err := j.Accounts.Groups(ctx)
	if err != nil {
		return nil, err
	}
	var heads []policy.Group
	for _, g := range groups {
		if slices.Contains(g.Managers, id) {
			heads = append(heads, g.Group)
		}
	}
	return heads, nil
}

// MayChange refuses what of a change is not the caller's to make, and names the
// field.
func (j *Judge) MayChange(ctx context.Context, before, after accounts.Account) error {
	actor, err := j.Actor(ctx)
	if err != nil {
		return err
	}
	if err := j.MayProfile(ctx, before, after); err != nil {
		return err
	}
	was, err := j.Accounts.Effective(ctx, before)
	if err != nil {
		return err
	}
	is, err := j.Accounts.Effective(ctx, after)
	if err != nil {
		return err
	}
	return rest.Denied(actor.MayChange(was, is))
}

// MayProfile judges what is in the record and not in the policy, and asks for a
// proof of the last minutes where somebody's own e-mails, second factor or
// credentials change, and how long or whether these are asked for.
func (j *Judge) MayProfile(ctx context.Context, before, after accounts.Account) error {
	c := rest.CallerOf(ctx)
	mails := before.Email != after.Email || before.RecoveryEmail != after.RecoveryEmail
	if c.Administers() {
		proves := mails || !sameFactor(before.SecondFactor, after.SecondFactor) || credentialsOf(before) != credentialsOf(after) ||
			!sameID(before.PasswordAge, after.PasswordAge) || before.Shared != after.Shared
		if !c.Is(after) || !proves {
			return nil
		}
		return c.Fresh()
	}
	for _, f := range []struct {
		field   string
		changed bool
	}{
		{"notes", before.Notes != after.Notes}, {"shared", before.Shared != after.Shared},
		{"uid", !sameID(before.UID, after.UID)}, {"gid", !sameID(before.GID, after.GID)},
	} {
		if f.changed {
			return NotTheirs(f.field, "only administrators set it")
		}
	}
	site, err := j.Accounts.Site(ctx)
	if err != nil {
		return err
	}
	if err := j.mayAddresses(ctx, site.AllowedIPs, before, after); err != nil || !site.LockProfiles {
		return err
	}
	switch {
	case before.DisplayName != after.DisplayName:
		return NotTheirs("display_name", "the site lets only administrators change names and e-mails (lock_profiles)")
	case mails:
		return NotTheirs("email", "the site lets only administrators change names and e-mails (lock_profiles)")
	}
	return nil
}

func sameFactor(x, y policy.SecondFactor) bool {
	return record.FactorText(x.Required) == record.FactorText(y.Required) && x.WithKey == y.WithKey
}

// mayAddresses refuses addresses that the site keeps out and the caller may not
// come from itself: beside the site's list an account's own opens, as bypass does.
func (j *Judge) mayAddresses(ctx context.Context, site []netip.Prefix, before, after accounts.Account) error {
	c := rest.CallerOf(ctx)
	if len(site) == 0 || c.Session == nil {
		return nil
	}
	own, err := j.Accounts.ByID(ctx, c.Session.AccountID())
	if err != nil {
		return err
	}
	has := slices.Concat(site, own.AllowedIPs, before.AllowedIPs)
	for _, p := range after.AllowedIPs {
		if !slices.ContainsFunc(has, func(h netip.Prefix) bool { return h.Bits() <= p.Bits() && h.Contains(p.Addr()) }) {
			return NotTheirs("allowed_ips", p.String()+" is wider than the site's list and the caller's own")
		}
	}
	return nil
}

// credentialsOf tells the credentials of an account from others.
func credentialsOf(x accounts.Account) string {
	return rest.Digest(x.Keys, x.Credentials, x.Password, x.TOTP)
}

func sameID(x, y *int) bool { return x == y || x != nil && y != nil && *x == *y }

// NotTheirs refuses one field.
func NotTheirs(field, why string) error {
	return rest.Denied(policy.Verdict{Decision: policy.Decision{Because: why}, Field: field})
}

// MayCreate refuses an account that is not the caller's to make, and returns it
// as it is to be: a delegate's is managed by the delegate.
func (j *Judge) MayCreate(ctx context.Context, x accounts.Account) (accounts.Account, error) {
	actor, err := j.Actor(ctx)
	if err != nil {
		return x, err
	}
	c := rest.CallerOf(ctx)
	if x.Role == "" {
		x.Role = policy.RoleUser
	}
	if !c.Administers() {
		if len(x.ManagedBy) == 0 {
			x.ManagedBy = []string{c.ID()}
		}
		blank := accounts.Account{DisplayName: x.DisplayName, Email: x.Email, RecoveryEmail: x.RecoveryEmail}
		if err := j.MayProfile(ctx, blank, x); err != nil {
			return x, err
		}
	}
	return j.fitted(ctx, actor, x)
}

// MayInvite judges anew, when an invitation is accepted, whether who made it may
// still give what it promises, and returns the account as it is to be. By is
// the local socket, or an account's id.
func (j *Judge) MayInvite(ctx context.Context, by string, draft accounts.Account) (accounts.Account, error) {
	if by == socketName {
		return draft, nil
	}
	inviter, own, err := j.Accounts.LookByID(ctx, by)
	if err != nil || inviter.State(time.Now()) != accounts.Enabled {
		return draft, huma.NewError(http.StatusForbidden, "who made this invitation may not invite any more")
	}
	heads, err := j.heads(ctx, inviter.ID)
	if err != nil {
		return draft, err
	}
	return j.fitted(ctx, policy.Actor{Effective: own, Heads: heads}, draft)
}

// fitted returns an account that an actor makes, narrowed where it would inherit
// more than the actor has, or refuses it.
func (j *Judge) fitted(ctx context.Context, actor policy.Actor, x accounts.Account) (accounts.Account, error) {
	effective, err := j.Accounts.Effective(ctx, x)
	if err != nil {
		return x, err
	}
	x.Account = actor.Fit(effective)
	if effective, err = j.Accounts.Effective(ctx, x); err != nil {
		return x, err
	}
	return x, rest.Denied(actor.MayCreate(effective))
}

// socketName is the local socket as the maker of links.
const socketName = "socket"

// MayGive judges one grant, before it is looked whether its folder is there.
func (j *Judge) MayGive(ctx context.Context, x accounts.Account, g policy.Grant) error {
	with := x
	with.Grants = append(append([]policy.Grant{}, x.Grants...), g)
	return j.MayChange(ctx, x, with)
}
