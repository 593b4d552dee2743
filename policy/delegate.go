package policy

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// MayCreate decides on making an account, by hand, from a list or by invitation
// (which is asked for again when it is accepted). After is resolved with the
// groups it would be in; its home may be left out. A delegate makes accounts
// that it manages, and gives them nothing but what it may give itself.
func (a Actor) MayCreate(after Effective) Verdict {
	if v := a.barred(); !v.Allowed || a.admin() {
		return a.whole(v)
	}
	own := after.Account()
	blank := Account{
		ID: own.ID, Name: own.Name, Role: own.Role, Home: own.Home, ManagedBy: own.ManagedBy,
	}
	if own.Manage != (Manage{}) {
		return mayNot(RuleAdminField, "manage", "only administrators set it")
	}
	if v := a.manages(own); !v.Allowed {
		return at(v, "managed_by")
	}
	if i := slices.IndexFunc(own.ManagedBy, func(id string) bool { return !a.actsFor(id) }); i >= 0 {
		return mayNot(RuleDelegate, "managed_by", "a delegate makes accounts that are managed by itself and its groups only")
	}
	if !own.Home.IsRoot() && !strings.EqualFold(own.Home.String(), "/home/"+own.Name) {
		return mayNot(RuleAdminField, "home", "only administrators set it")
	}
	return a.gives(change{was: blank, is: own, after: after})
}

// MayChange decides on changing an account's policy: after would be in the place
// of before, each resolved with its groups.
func (a Actor) MayChange(before, after Effective) Verdict {
	if v := a.barred(); !v.Allowed || a.admin() {
		return a.whole(v)
	}
	if v := a.manages(before.Account()); !v.Allowed {
		return v
	}
	return a.gives(change{was: before.Account(), is: after.Account(), before: &before, after: after})
}

// MayClone decides on making an account like another: what MayCreate asks, and
// that the actor may read the source.
func (a Actor) MayClone(source Account, after Effective) Verdict {
	if v := a.MayRead(source); !v.Allowed {
		return v
	}
	return a.MayCreate(after)
}

// whole is the answer where it is the same for every field.
func (a Actor) whole(v Verdict) Verdict {
	if v.Allowed {
		return byRole()
	}
	return v
}

// at names the field of a refusal that names none.
func at(v Verdict, field string) Verdict {
	if v.Field == "" {
		v.Field = field
	}
	return v
}

// Fit narrows an account that a delegate makes: where it would inherit protocols,
// limits, a quota or choices that are wider than the delegate's own, it gets these.
func (a Actor) Fit(after Effective) Account {
	own := after.Account()
	if a.admin() {
		return own
	}
	mine := a.Effective.get()
	open := slices.DeleteFunc(Doors(), func(d Door) bool { return !after.get().door(d).Allowed })
	both := slices.DeleteFunc(slices.Clone(open), func(d Door) bool { return !mine.door(d).Allowed })
	if own.Protocols == nil && len(both) < len(open) {
		own.Protocols = both
	}
	is, most := after.LimitOrigins(), a.Effective.LimitOrigins()
	for i, f := range limitFields {
		if f.get(own.Limits) == 0 && looser(is[i].Value, most[i].Value) {
			f.set(&own.Limits, most[i].Value)
		}
	}
	quota, bound := after.HomeQuota(), a.Effective.HomeQuota()
	if own.Quota.Bytes == nil && wider(quota.Bytes, bound.Bytes) {
		own.Quota.Bytes = bound.Bytes
	}
	if own.Quota.Files == nil && wider(quota.Files, bound.Files) {
		own.Quota.Files = bound.Files
	}
	own.ShareLinks = narrower(own.ShareLinks, a.account().ShareLinks)
	own.Desktop = narrower(own.Desktop, a.account().Desktop)
	return own
}

// narrower is a choice, denied where it is open and the delegate is denied.
func narrower(c, delegate Choice) Choice {
	if orInherit(c) == Inherit && delegate == Deny {
		return Deny
	}
	return c
}

// A change is an account as it was, or with nothing set where it is new, and as
// it would be.
type change struct {
	was, is Account
	before  *Effective // nil where the account is new
	after   Effective
}

// gives decides on what a delegate sets of an account that it manages.
func (a Actor) gives(c change) Verdict {
	for _, f := range adminFields {
		if !f.same(&c.was, &c.is) {
			return mayNot(RuleAdminField, f.name, "only administrators set it")
		}
	}
	for _, ask := range []func(change) Verdict{
		a.givesGrants, a.givesGroups, a.givesDoors, a.givesLimits, a.givesQuota, a.givesAddresses, a.givesFactor, a.givesChoices,
	} {
		if v := ask(c); !v.Allowed {
			return v
		}
	}
	return itsOwn()
}

func itsOwn() Verdict {
	return may(RuleGives, "the caller manages the account, and gives only what it may give itself")
}

// adminFields are what a delegate never sets.
var adminFields = []struct {
	name string
	same func(a, b *Account) bool
}{
	{"id", func(a, b *Account) bool { return a.ID == b.ID }},
	{"role", func(a, b *Account) bool { return a.Role == b.Role }},
	{"managed_by", func(a, b *Account) bool { return slices.Equal(set(a.ManagedBy), set(b.ManagedBy)) }},
	{"manage", func(a, b *Account) bool { return a.Manage == b.Manage }},
	{"home", func(a, b *Account) bool { return a.Home == b.Home }},
	{"root", func(a, b *Account) bool { return reflect.DeepEqual(a.Root, b.Root) }},
	{"roots", func(a, b *Account) bool { return maps.Equal(a.Roots, b.Roots) }},
	{"plain_ftp", func(a, b *Account) bool { return orInherit(a.PlainFTP) == orInherit(b.PlainFTP) }},
	{"bypass_site_allowed_ips", func(a, b *Account) bool { return a.Bypass == b.Bypass }},
	{"password_max_age_days", func(a, b *Account) bool { return reflect.DeepEqual(a.PasswordAge, b.PasswordAge) }},
}

func set(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

func orInherit(c Choice) Choice { return cmp.Or(c, Inherit) }
