package admin

import (
	"context"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// Rights of operations that judge for themselves what of others a caller may
// touch: policy.Actor says it.
const (
	rightLook   right = "look"   // admins, auditors, and delegates for what they manage
	rightManage right = "manage" // admins, and delegates for what they manage
	rightGroup  right = "group"  // every account, for groups that it manages or owns
)

// administers reports whether the caller is an administrator.
func (c caller) administers() bool { return c.Socket() || c.Role == policy.RoleAdmin }

// is reports whether the caller is this very account.
func (c caller) is(x accounts.Account) bool { return c.Session != nil && c.Session.AccountID() == x.ID }

// id is the caller's in records: its account's, or "socket".
func (c caller) id() string {
	if c.Session == nil {
		return c.Name
	}
	return c.Session.AccountID()
}

// delegate reports whether the caller may manage accounts of anybody at all.
func (c caller) delegate() bool {
	return c.Role == policy.RoleUser && (c.manage.Users || c.manage.Guests)
}

// refresh reads the caller's role and rights over others anew: its session hears
// of a change a moment later, and who was demoted must not have that moment.
func (a *API) refresh(ctx context.Context, c *caller) {
	if c == nil || c.Session == nil {
		return
	}
	c.Role, c.manage = "", policy.Manage{}
	if x, err := a.Accounts.ByID(ctx, c.Session.AccountID()); err == nil {
		c.Role, c.manage = x.Role, x.Manage
	}
}

// actor is the caller as policy judges what it does to others. One that acts for
// a group is known by the groups that name it as their manager.
func (a *API) actor(ctx context.Context) (policy.Actor, error) {
	c := callerOf(ctx)
	if c.Socket() {
		return policy.Actor{Local: true}, nil
	}
	if c.Session == nil {
		return policy.Actor{}, nil
	}
	// Read anew: a session hears of a change of its account a moment later.
	x, own, err := a.Accounts.LookByID(ctx, c.Session.AccountID())
	if err != nil {
		return policy.Actor{}, err
	}
	heads, err := a.heads(ctx, x.ID)
	return policy.Actor{Effective: own.Scoped(c.Session.Credential().Scope), Heads: heads}, err
}

// heads are the groups that an account manages.
func (a *API) heads(ctx context.Context, id string) ([]policy.Group, error) {
	groups, err := a.Accounts.Groups(ctx)
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

// refused is the problem that a verdict is: 403, naming the field; nil where it
// allows.
func refused(v policy.Verdict) error {
	if v.Allowed {
		return nil
	}
	if v.Field == "" {
		return huma.NewError(http.StatusForbidden, v.Because)
	}
	return huma.NewError(http.StatusForbidden, "this is not the caller's to give",
		&huma.ErrorDetail{Location: "body." + fieldName(v.Field), Message: v.Because})
}

// fieldName is a field of a record under its name in the API.
func fieldName(field string) string {
	if name, ok := fieldNames[field]; ok {
		return name
	}
	return field
}

// fieldNames are the API's names of fields that records call otherwise.
var fieldNames = map[string]string{
	"quota.bytes": "quota.limit_bytes", "quota.files": "quota.limit_files",
	"folder_quota.bytes": "folder_quota.limit_bytes", "folder_quota.files": "folder_quota.limit_files",
	"manage": "manage_users", "second_factor.required": "second_factor", "second_factor.with_key": "second_factor_with_key",
}

// A reach is which accounts the caller may look at.
type reach struct {
	actor policy.Actor
	all   bool
	store *accounts.Store
	ctx   context.Context
}

func (a *API) reachOf(ctx context.Context) (reach, error) {
	actor, err := a.actor(ctx)
	return reach{actor: actor, all: actor.Local || actor.MayAudit().Allowed, store: a.Accounts, ctx: ctx}, err
}

// where selects what the caller may look at; nil selects all.
func (r reach) where() func(*accounts.Account) bool {
	if r.all {
		return nil
	}
	return func(x *accounts.Account) bool { return r.actor.MayRead(x.Account).Allowed }
}

// sees reports whether the account with this id is one of them.
func (r reach) sees(id string) bool {
	if r.all {
		return true
	}
	x, err := r.store.ByID(r.ctx, id)
	return err == nil && r.actor.MayRead(x.Account).Allowed
}

// looked returns an account that the caller may look at. One that it may not is
// not there, for it.
func (a *API) looked(ctx context.Context, name string) (accounts.Account, error) {
	x, err := a.Accounts.Account(ctx, name)
	if err != nil {
		return x, err
	}
	r, err := a.reachOf(ctx)
	if err == nil && !r.all && !r.actor.MayRead(x.Account).Allowed {
		err = accounts.ErrNotFound
	}
	return x, err
}

// managed returns an account that the caller may change.
func (a *API) managed(ctx context.Context, name string) (accounts.Account, error) {
	x, err := a.looked(ctx, name)
	if err != nil {
		return x, err
	}
	actor, err := a.actor(ctx)
	if err != nil {
		return x, err
	}
	return x, refused(actor.MayEdit(x.Account))
}

func (a *API) managedByID(ctx context.Context, id string) (accounts.Account, error) {
	x, err := a.Accounts.ByID(ctx, id)
	if err != nil {
		return x, err
	}
	return a.managed(ctx, x.Name)
}

// managedOther is managed for another account than the caller's own: its own
// credentials take a proof of the last minutes, which /me asks for.
func (a *API) managedOther(ctx context.Context, name string) (accounts.Account, error) {
	x, err := a.managed(ctx, name)
	if err == nil && callerOf(ctx).is(x) {
		err = huma.NewError(http.StatusConflict, "one's own credentials are changed under /me, where the password is asked for again")
	}
	return x, err
}

// managedAt is managedOther for an account that is as If-Match says.
func (a *API) managedAt(ctx context.Context, name string, m MatchInput) (accounts.Account, error) {
	x, err := a.managedOther(ctx, name)
	if err == nil {
		err = matched(m.IfMatch, x.Revision)
	}
	return x, err
}

// mayChange refuses what of a change is not the caller's to make, and names the
// field.
func (a *API) mayChange(ctx context.Context, before, after accounts.Account) error {
	actor, err := a.actor(ctx)
	if err != nil {
		return err
	}
	if err := a.mayProfile(ctx, before, after); err != nil {
		return err
	}
	was, err := a.Accounts.Effective(ctx, before)
	if err != nil {
		return err
	}
	is, err := a.Accounts.Effective(ctx, after)
	if err != nil {
		return err
	}
	return refused(actor.MayChange(was, is))
}

// mayProfile judges what is in the record and not in the policy, and asks for a
// proof of the last minutes where somebody's own e-mails, second factor or
// credentials change.
func (a *API) mayProfile(ctx context.Context, before, after accounts.Account) error {
	c := callerOf(ctx)
	mails := before.Email != after.Email || before.RecoveryEmail != after.RecoveryEmail
	if c.administers() {
		proves := mails || !sameFactor(before.SecondFactor, after.SecondFactor) || credentialsOf(before) != credentialsOf(after)
		if !c.is(after) || !proves {
			return nil
		}
		return c.fresh()
	}
	for _, f := range []struct {
		field   string
		changed bool
	}{
		{"notes", before.Notes != after.Notes}, {"shared", before.Shared != after.Shared},
		{"uid", !sameID(before.UID, after.UID)}, {"gid", !sameID(before.GID, after.GID)},
	} {
		if f.changed {
			return notTheirs(f.field, "only administrators set it")
		}
	}
	site, err := a.Accounts.Site(ctx)
	if err != nil {
		return err
	}
	if err := a.mayAddresses(ctx, site.AllowedIPs, before, after); err != nil || !site.LockProfiles {
		return err
	}
	switch {
	case before.DisplayName != after.DisplayName:
		return notTheirs("display_name", "the site lets only administrators change names and e-mails (lock_profiles)")
	case mails:
		return notTheirs("email", "the site lets only administrators change names and e-mails (lock_profiles)")
	}
	return nil
}

func sameFactor(x, y policy.SecondFactor) bool {
	return factorText(x.Required) == factorText(y.Required) && x.WithKey == y.WithKey
}

// mayAddresses refuses addresses that the site keeps out and the caller may not
// come from itself: beside the site's list an account's own opens, as bypass does.
func (a *API) mayAddresses(ctx context.Context, site []netip.Prefix, before, after accounts.Account) error {
	c := callerOf(ctx)
	if len(site) == 0 || c.Session == nil {
		return nil
	}
	own, err := a.Accounts.ByID(ctx, c.Session.AccountID())
	if err != nil {
		return err
	}
	has := slices.Concat(site, own.AllowedIPs, before.AllowedIPs)
	for _, p := range after.AllowedIPs {
		if !slices.ContainsFunc(has, func(h netip.Prefix) bool { return h.Bits() <= p.Bits() && h.Contains(p.Addr()) }) {
			return notTheirs("allowed_ips", p.String()+" is wider than the site's list and the caller's own")
		}
	}
	return nil
}

// credentialsOf tells the credentials of an account from others.
func credentialsOf(x accounts.Account) string {
	return digestOf(x.Keys, x.Credentials, x.Password, x.TOTP)
}

func sameID(x, y *int) bool { return x == y || x != nil && y != nil && *x == *y }

// notTheirs refuses one field.
func notTheirs(field, why string) error {
	return refused(policy.Verdict{Decision: policy.Decision{Because: why}, Field: field})
}

// mayCreate refuses an account that is not the caller's to make, and returns it
// as it is to be: a delegate's is managed by the delegate.
func (a *API) mayCreate(ctx context.Context, x accounts.Account, n newAccount) (accounts.Account, error) {
	actor, err := a.actor(ctx)
	if err != nil {
		return x, err
	}
	c := callerOf(ctx)
	if x.Role == "" {
		x.Role = policy.RoleUser
	}
	if !c.administers() {
		if len(x.ManagedBy) == 0 {
			x.ManagedBy = []string{c.id()}
		}
		if n.adoptHome {
			return x, notTheirs("adopt_home", "only administrators adopt a home")
		}
		blank := accounts.Account{DisplayName: x.DisplayName, Email: x.Email, RecoveryEmail: x.RecoveryEmail}
		if err := a.mayProfile(ctx, blank, x); err != nil {
			return x, err
		}
	}
	return a.fitted(ctx, actor, x)
}

// mayInvite judges anew, when an invitation is accepted, whether who made it may
// still give what it promises, and returns the account as it is to be. By is
// the local socket, or an account's id.
func (a *API) mayInvite(ctx context.Context, by string, draft accounts.Account) (accounts.Account, error) {
	if by == socketName {
		return draft, nil
	}
	inviter, own, err := a.Accounts.LookByID(ctx, by)
	if err != nil || inviter.State(time.Now()) != accounts.Enabled {
		return draft, huma.NewError(http.StatusForbidden, "who made this invitation may not invite any more")
	}
	heads, err := a.heads(ctx, inviter.ID)
	if err != nil {
		return draft, err
	}
	return a.fitted(ctx, policy.Actor{Effective: own, Heads: heads}, draft)
}

// fitted returns an account that an actor makes, narrowed where it would inherit
// more than the actor has, or refuses it.
func (a *API) fitted(ctx context.Context, actor policy.Actor, x accounts.Account) (accounts.Account, error) {
	effective, err := a.Accounts.Effective(ctx, x)
	if err != nil {
		return x, err
	}
	x.Account = actor.Fit(effective)
	if effective, err = a.Accounts.Effective(ctx, x); err != nil {
		return x, err
	}
	return x, refused(actor.MayCreate(effective))
}

// socketName is the local socket as the maker of links.
const socketName = "socket"

// mayGive judges one grant, before it is looked whether its folder is there.
func (a *API) mayGive(ctx context.Context, x accounts.Account, g policy.Grant) error {
	with := x
	with.Grants = append(append([]policy.Grant{}, x.Grants...), g)
	return a.mayChange(ctx, x, with)
}
