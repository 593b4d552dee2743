// Package accounts holds the records of accounts with all that proves them, of
// groups and of the site policy, with revisions, over a state; and what goes with
// them: activity, used codes, links. It says what holds for an account now, with
// those around it; who may change what is for others to ask.
package accounts

import (
	"errors"
	"net/netip"

	"gatehouse/storage/accounts/activity"
	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/accounts/field"
	"gatehouse/storage/accounts/index"
	"gatehouse/storage/accounts/links"
	"gatehouse/storage/accounts/record"
)

// The records, and what they are made of.
type (
	// An Account is the record of one account.
	Account = record.Account
	// A Group is the record of a group. Membership is with the account.
	Group = record.Group
	// Site is the record of the site policy.
	Site = record.Site
	// Password is a password as it is kept.
	Password = credentials.Password
	// Key is an SSH public key that proves the account.
	Key = credentials.Key
	// A Credential is an app password, an API token or a registered client.
	Credential = credentials.Credential
	// A Device is the face of a registered client.
	Device = credentials.Device
	// A Sync is a folder that a client keeps in step.
	Sync = credentials.Sync
	// TOTP is a second factor.
	TOTP = credentials.TOTP
	// Activity is what changes often of an account, and is not part of its revision.
	Activity = activity.Activity
	// Use is when, from where and at which door a credential last proved an account.
	Use = activity.Use
	// An InvalidError names the field that is wrong, by its name in the API, and why.
	InvalidError = field.Error
	// A Change says what has changed.
	Change = index.Change
)

// Kinds of changes. KindAll asks to look at everything anew.
const (
	KindAccount = index.KindAccount
	KindGroup   = index.KindGroup
	KindSite    = index.KindSite
	KindAll     = index.KindAll
)

// Kinds of groups.
const (
	UserGroup     = record.UserGroup
	PersonalGroup = record.PersonalGroup
)

// The states of an account that a Query selects by.
const (
	Enabled  = record.Enabled
	Disabled = record.Disabled
	Expired  = record.Expired
)

// Errors. ErrConflict of state is passed on for a lost update.
var (
	ErrNotFound  = errors.New("no such account, group or credential")
	ErrExists    = errors.New("the name is taken")
	ErrLastAdmin = errors.New("no administrator could log in any more")
	ErrHome      = errors.New("the home folder exists already")
)

// Option is who asks for a change, as far as the rule asks that nobody is locked out.
type Option struct {
	forced bool
	from   netip.Addr
}

// The options. Forced is for the local socket, which may lock everybody out.
var (
	Guarded = Option{}
	Forced  = Option{forced: true}
)

// From is Guarded for who comes from an address: where an administrator could come
// in from there, one still can after the change.
func From(address netip.Addr) Option { return Option{from: address.Unmap()} }

// Bound returns how the links are bound that somebody with this option makes.
func (o Option) Bound() links.Bound {
	if o.forced {
		return links.Unbounded
	}
	return links.Bounded
}
