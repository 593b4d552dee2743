package admin

import (
	"time"
)

// AccountView is what administrators see of an account.
type AccountView struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	AccountSettings
	Authentication string            `json:"authentication"`
	Created        time.Time         `json:"created"`
	Status         StatusView        `json:"status"`
	ExpiresAt      *time.Time        `json:"expires_at,omitempty" doc:"the instant that expires resolves to"`
	Password       *PasswordView     `json:"password,omitempty" doc:"absent: none is set"`
	TOTP           *TOTPView         `json:"totp,omitempty" doc:"absent: none is enrolled"`
	Keys           []KeyView         `json:"keys"`
	Credentials    *CredentialCounts `json:"credentials,omitempty"`
	Grants         []GrantView       `json:"grants"`
	Permissions    []string          `json:"permissions" doc:"what it may do where, in short"`
	LastLogin      *LoginView        `json:"last_login,omitempty"`
	Warnings       []string          `json:"warnings,omitempty" doc:"in answers to changes: what may not be meant"`
}

// StatusView is whether the account may come in.
type StatusView struct {
	State string     `json:"state" enum:"enabled,disabled,expired"`
	By    string     `json:"by,omitempty"`
	At    *time.Time `json:"at,omitempty"`
	Why   string     `json:"why,omitempty"`
}

// PasswordView says about a password what is no secret.
type PasswordView struct {
	Changed    time.Time `json:"changed"`
	MustChange bool      `json:"must_change"`
}

// TOTPView says about a second factor what is no secret.
type TOTPView struct {
	Added         time.Time `json:"added"`
	Confirmed     bool      `json:"confirmed"`
	RecoveryCodes int       `json:"recovery_codes" doc:"how many are left"`
}

// CredentialCounts is how many an account has of each kind.
type CredentialCounts struct {
	AppPasswords int `json:"app_passwords"`
	Tokens       int `json:"tokens"`
	Clients      int `json:"clients"`
}

// LoginView is the last login.
type LoginView struct {
	Time    time.Time `json:"time"`
	Address string    `json:"address"`
	Door    string    `json:"door"`
}

// UseView is the last use of a credential.
type UseView struct {
	Time    time.Time `json:"time"`
	Address string    `json:"address,omitempty"`
	Door    string    `json:"door,omitempty"`
}

// KeyView is an SSH public key.
type KeyView struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	PublicKey   string     `json:"public_key"`
	Fingerprint string     `json:"fingerprint"`
	Added       time.Time  `json:"added"`
	Expires     *time.Time `json:"expires,omitempty"`
	AllowedIPs  []string   `json:"allowed_ips,omitempty"`
	LastUsed    *UseView   `json:"last_used,omitempty"`
}

// GrantView is a grant.
type GrantView struct {
	ID          string   `json:"id"`
	Path        string   `json:"path"`
	Permissions []string `json:"permissions"`
	Recursive   bool     `json:"recursive"`
	At          string   `json:"at,omitempty"`
}
