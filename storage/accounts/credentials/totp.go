package credentials

import (
	"fmt"
	"slices"
	"strings"

	"gatehouse/storage/accounts/field"
)

// Bounds of recovery codes.
const (
	recoveryCodes = 10
	recoverySize  = 10 // bytes: 80 bits each
	maxRecovery   = 32
)

// NewRecovery makes recovery codes, which are shown once, and what is kept of them.
func NewRecovery() (codes, hashes []string) {
	codes, hashes = make([]string, recoveryCodes), make([]string, recoveryCodes)
	for i := range codes {
		codes[i] = readable(randomText(recoverySize))
		hashes[i] = hashRecovery(codes[i])
	}
	return codes, hashes
}

// UseRecovery takes a recovery code out of those that are left, and reports
// whether it was one of them.
func (t *TOTP) UseRecovery(code string) bool {
	hash, found := hashRecovery(code), -1
	// Which of them it is, or how far one goes, takes no time to tell.
	for i, h := range t.Recovery {
		if Same(h, hash) {
			found = i
		}
	}
	if found < 0 {
		return false
	}
	t.Recovery = slices.Delete(t.Recovery, found, found+1)
	return true
}

// readable groups a code for reading it aloud.
func readable(code string) string {
	var groups []string
	for part := range slices.Chunk([]byte(code), 4) {
		groups = append(groups, string(part))
	}
	return strings.Join(groups, "-")
}

// hashRecovery hashes a code as people write it: with dashes and spaces or
// without, in either case.
func hashRecovery(code string) string {
	code = strings.ToLower(strings.Map(func(r rune) rune {
		if r == '-' || r == ' ' {
			return -1
		}
		return r
	}, code))
	return HashSecret(code)
}

// Check refuses what cannot be a second factor.
func (t *TOTP) Check() error {
	switch {
	case t.ID == "" || len(t.Sealed) == 0:
		return &field.Error{Field: "totp", Why: "has no id or no secret"}
	case len(t.Recovery) > maxRecovery:
		return &field.Error{Field: "recovery_codes", Why: fmt.Sprintf("are more than %d", maxRecovery)}
	case slices.ContainsFunc(t.Recovery, func(h string) bool { return !isHash(h) }):
		return &field.Error{Field: "recovery_codes", Why: "hold what is no hash"}
	}
	return nil
}
