package record

import (
	"time"

	"gatehouse/auth"
	"gatehouse/storage/accounts"
)

// What events tell of a secret, which they never hold.
const (
	secretSet      = "set"
	secretReplaced = "replaced"
	secretRemoved  = "removed"
)

// PasswordChange is what an event tells of a password that stands in the place of
// another, or of none.
func PasswordChange(before, after *accounts.Password) (was, is map[string]any) {
	did := secretSet
	if before != nil {
		was = passwordText(secretSet, before)
		did = secretReplaced
	}
	return was, passwordText(did, after)
}

func passwordText(did string, p *accounts.Password) map[string]any {
	if p == nil {
		return map[string]any{"password": secretRemoved}
	}
	return map[string]any{"password": did + " (" + auth.HashName(p.Hash) + ")", "must_change": p.MustChange}
}

// FactorChange is the same of a second factor.
func FactorChange(before, after *accounts.TOTP) (was, is map[string]any) {
	if before != nil {
		was = map[string]any{"totp": secretSet, "added": before.Added.Format(time.RFC3339), "confirmed": before.Confirmed}
	}
	switch {
	case after == nil:
		return was, map[string]any{"totp": secretRemoved}
	case before != nil && before.ID != after.ID:
		return was, map[string]any{"totp": secretReplaced, "confirmed": after.Confirmed, "recovery_codes": len(after.Recovery)}
	}
	return was, map[string]any{"totp": secretSet, "confirmed": after.Confirmed, "recovery_codes": len(after.Recovery)}
}
