package auth

import (
	"strings"

	"gatehouse/auth/foreign"
	"gatehouse/storage/accounts"
)

// KnownHash reports why a hash that was brought from elsewhere cannot be
// verified here; nil where it can.
func KnownHash(hash string) error {
	if !strings.HasPrefix(hash, "$argon2id$") {
		return foreign.Known(hash)
	}
	_, _, _, err := parseHash(hash)
	return err
}

// OpensFactor reports whether the secret of an account's second factor, brought
// from elsewhere, can be read here.
func (z *Authenticator) OpensFactor(a accounts.Account) bool {
	if a.TOTP == nil {
		return false
	}
	_, err := z.openFactor(a)
	return err == nil
}
