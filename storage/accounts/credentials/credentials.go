// Package credentials is what accounts are proved with: passwords, SSH keys, app
// passwords, tokens, clients and second factors, as they are kept. It makes and
// reads their texts, and says what can be one.
package credentials

import (
	"slices"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts/field"
)

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

// Clone returns a copy that shares nothing with k.
func (k Key) Clone() Key {
	k.Expires = field.Copy(k.Expires)
	k.AllowedIPs = slices.Clone(k.AllowedIPs)
	return k
}

// Clone returns a copy that shares nothing with c.
func (c *Credential) Clone() Credential {
	d := *c
	d.Expires = field.Copy(c.Expires)
	d.AllowedIPs = slices.Clone(c.AllowedIPs)
	d.Doors = slices.Clone(c.Doors)
	d.Scope.Folder = field.Copy(c.Scope.Folder)
	if d.Device = field.Copy(c.Device); d.Device != nil {
		d.Device.Syncs = slices.Clone(c.Device.Syncs)
	}
	return d
}

// Clone returns a copy that shares nothing with t.
func (t *TOTP) Clone() TOTP {
	c := *t
	c.Sealed = slices.Clone(t.Sealed)
	c.Recovery = slices.Clone(t.Recovery)
	return c
}
