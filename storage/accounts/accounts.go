// Package accounts holds the typed records over the state, written once:
// accounts with all that proves them, groups and the site policy, with revisions,
// and the index in memory for search and listing, fed by watch; beside them what
// is used up: one-time codes, reset links, invitations. It says what holds for an
// account now, with those around it; who may change what is for others to ask.
package accounts

import (
	"errors"
	"fmt"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

// An Account is the record of one account. What changes often is in Activity.
type Account struct {
	policy.Account
	Revision uint64    `json:"-"` // of the record, for ETag and If-Match
	Created  time.Time `json:"created"`
	// Imported is when the account was brought from elsewhere, with its Created.
	Imported time.Time `json:"imported,omitzero"`

	DisplayName   string `json:"display_name,omitempty"`
	Email         string `json:"email,omitempty"`
	RecoveryEmail string `json:"recovery_email,omitempty"`
	Language      string `json:"language,omitempty"`
	TimeZone      string `json:"time_zone,omitempty"`
	Theme         string `json:"theme,omitempty"`
	Notes         string `json:"notes,omitempty"`
	// Authentication is "local".
	Authentication string `json:"authentication"`

	Password *Password `json:"password,omitempty"`
	Keys     []Key     `json:"keys,omitempty"`
	// Credentials are app passwords, API tokens and clients.
	Credentials []Credential `json:"credentials,omitempty"`
	TOTP        *TOTP        `json:"totp,omitempty"`
	// UID and GID own what the account makes on disk; nil takes the mount's.
	UID *int `json:"uid,omitempty"`
	GID *int `json:"gid,omitempty"`
}

// Password is a password as it is kept. ID is new at every change: what was
// proved with the old one is worth nothing under the new.
type Password struct {
	ID         string    `json:"id"`
	Hash       string    `json:"hash"` // PHC string of argon2id, or a foreign format until the next login
	Changed    time.Time `json:"changed"`
	MustChange bool      `json:"must_change,omitempty"`
}

// Key is an SSH public key that proves the account.
type Key struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	PublicKey   string     `json:"public_key"`  // authorized_keys form, no options
	Fingerprint string     `json:"fingerprint"` // SHA256:...
	Added       time.Time  `json:"added"`
	Expires     *time.Time `json:"expires,omitempty"`
	AllowedIPs  []string   `json:"allowed_ips,omitempty"` // addresses or CIDR
}

// A Credential is an app password, an API token or a registered client: a
// secret of 160 random bits behind an id, shown once.
type Credential struct {
	ID         string                `json:"id"`
	Kind       policy.CredentialKind `json:"kind"` // app-password | token | client
	Name       string                `json:"name"`
	Hash       string                `json:"hash"` // SHA-256 of the secret, hex
	Added      time.Time             `json:"added"`
	Expires    *time.Time            `json:"expires,omitempty"`
	AllowedIPs []string              `json:"allowed_ips,omitempty"` // addresses or CIDR
	Doors      []policy.Door         `json:"doors,omitempty"`       // nil: all that its kind may use
	Scope      policy.Scope          `json:"scope"`
	Device     *Device               `json:"device,omitempty"` // of a client
}

// A Device is the face of a registered client.
type Device struct {
	Computer string `json:"computer"`
	OS       string `json:"os,omitempty"`
	Client   string `json:"client,omitempty"` // its type, such as "desktop"
	Version  string `json:"version,omitempty"`
	Syncs    []Sync `json:"syncs,omitempty"`
}

// A Sync is a folder that a client keeps in step. When it last did is Activity.
type Sync struct {
	ID      string    `json:"id"`
	Local   string    `json:"local_path"`
	Remote  path.Path `json:"remote_path"`
	Created time.Time `json:"created"`
}

// TOTP is a second factor (RFC 6238: SHA-1, 6 digits, 30 seconds). It counts
// once one code has confirmed it.
type TOTP struct {
	ID        string    `json:"id"`     // new at every enrolment
	Sealed    []byte    `json:"sealed"` // the secret, sealed for the account's id
	Added     time.Time `json:"added"`
	Confirmed bool      `json:"confirmed"`
	// Recovery are the SHA-256 hashes (hex) of the codes that are left.
	Recovery []string `json:"recovery,omitempty"`
}

// A Group is the record of a group. Membership is with the account.
type Group struct {
	policy.Group
	Revision uint64    `json:"-"`
	Created  time.Time `json:"created"`
	Kind     string    `json:"kind"` // user | personal
	Managers []string  `json:"managers,omitempty"`
}

// Site is the record of the site policy.
type Site struct {
	policy.Site
	Revision uint64 `json:"-"`
}

// Activity is what changes often; written at most once a minute, and not
// part of the account's revision.
type Activity struct {
	LastLogin   time.Time      `json:"last_login,omitzero"`
	LastAddress string         `json:"last_address,omitempty"`
	LastDoor    policy.Door    `json:"last_door,omitempty"`
	LastUsed    map[string]Use `json:"last_used,omitempty"` // by credential id
}

// Use is when, from where and at which door a credential last proved an account.
type Use struct {
	At      time.Time   `json:"at"`
	Address string      `json:"address,omitempty"`
	Door    policy.Door `json:"door,omitempty"`
}

// Errors. ErrConflict of state is passed on for a lost update.
var (
	ErrNotFound  = errors.New("no such account, group or credential")
	ErrExists    = errors.New("the name is taken")
	ErrLastAdmin = errors.New("no administrator could log in any more")
	ErrHome      = errors.New("the home folder exists already")
	ErrClosed    = errors.New("the accounts are closed")
	// ErrUsed says that a one-time code was used already, or is none of the account's.
	ErrUsed = errors.New("the code was used already, or never was one")
	// ErrLink says that a link is used up, revoked, expired, or never was one.
	ErrLink = errors.New("the link is not good any more")
	// ErrTooMany says that somebody has made too many links within the hour.
	ErrTooMany = errors.New("too many links within the hour")
)

// An InvalidError names the field that is wrong, by its name in the API, and why.
type InvalidError struct{ Field, Why string }

func (e *InvalidError) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.Why) }

// Option bends a rule for the local socket.
type Option int

// The options.
const (
	Guarded Option = iota
	Forced
)

// A Change says what has changed. Names are canonical.
type Change struct {
	Kind string // account | group | site | all
	ID   string
	Name string
}

// Kinds of changes. KindAll asks to look at everything anew.
const (
	KindAccount = "account"
	KindGroup   = "group"
	KindSite    = "site"
	KindAll     = "all"
)
