package record

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
	ExpiresAt      *time.Time        `json:"expires_at,omitempty" doc:"the instant from which on it is blocked"`
	ExpiresOn      string            `json:"expires_on,omitempty" doc:"the last day, in expires_zone, where a date was set"`
	ExpiresZone    string            `json:"expires_zone,omitempty" doc:"where that day ends"`
	LockedUntil    *time.Time        `json:"locked_until,omitempty" doc:"after too many failures; absent: not locked"`
	FailedLogins   int               `json:"failed_logins,omitempty" doc:"how many failures count now, or led to the lockout"`
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
	State string     `json:"state" enum:"enabled,disabled,expired" doc:"a guest without an enabled manager is disabled"`
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
