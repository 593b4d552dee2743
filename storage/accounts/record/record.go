// Package record is what is remembered of an account, a group and the site: their
// records, and the names under which these stand.
package record

import (
	"slices"
	"strings"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts/credentials"
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

	Password *credentials.Password `json:"password,omitempty"`
	Keys     []credentials.Key     `json:"keys,omitempty"`
	// Credentials are app passwords, API tokens and clients.
	Credentials []credentials.Credential `json:"credentials,omitempty"`
	TOTP        *credentials.TOTP        `json:"totp,omitempty"`
	// UID and GID own what the account makes on disk; nil takes the mount's.
	UID *int `json:"uid,omitempty"`
	GID *int `json:"gid,omitempty"`
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

// Kinds of groups.
const (
	UserGroup     = "user"
	PersonalGroup = "personal"
)

// The states of an account.
const (
	Enabled  = "enabled"
	Disabled = "disabled"
	Expired  = "expired"
)

// State returns whether an account is enabled, disabled or expired at a moment.
func (a *Account) State(at time.Time) string {
	switch {
	case a.Status.Disabled:
		return Disabled
	case a.Expires != nil && !at.Before(a.Expires.Instant):
		return Expired
	}
	return Enabled
}

// HasCode reports whether the account has a second factor that counts.
func (a *Account) HasCode() bool { return a.TOTP != nil && a.TOTP.Confirmed }

// Scheme returns the parameters of the account's password hash, without salt
// and hash; "" where there is none.
func (a *Account) Scheme() string {
	if a.Password == nil {
		return ""
	}
	parts := strings.Split(a.Password.Hash, "$")
	switch {
	case len(parts) < 4:
		return "other"
	case strings.HasPrefix(parts[1], "2"): // bcrypt writes salt and hash in one
		return strings.Join(parts[1:3], "$")
	}
	return strings.Join(parts[1:len(parts)-2], "$")
}

// CredentialIDs returns the ids of all that proves the account, and of syncs.
func (a *Account) CredentialIDs() map[string]bool {
	ids := make(map[string]bool)
	if a.Password != nil {
		ids[a.Password.ID] = true
	}
	for i := range a.Keys {
		ids[a.Keys[i].ID] = true
	}
	for i := range a.Credentials {
		c := &a.Credentials[i]
		ids[c.ID] = true
		if c.Device == nil {
			continue
		}
		for _, y := range c.Device.Syncs {
			ids[credentials.SyncKey(c.ID, y.ID)] = true
		}
	}
	return ids
}

// IsClient reports whether the credential with this id is a registered client.
func (a *Account) IsClient(id string) bool {
	i := a.CredentialAt(id)
	return i >= 0 && a.Credentials[i].Kind == policy.KindClient
}

// CredentialAt returns the place of the credential with this id, -1 where there is none.
func (a *Account) CredentialAt(id string) int {
	return slices.IndexFunc(a.Credentials, func(c credentials.Credential) bool { return c.ID == id })
}

// Credential returns the account's credential with this id.
func (a *Account) Credential(id string) (credentials.Credential, bool) {
	i := a.CredentialAt(id)
	if i < 0 {
		return credentials.Credential{}, false
	}
	return a.Credentials[i].Clone(), true
}
