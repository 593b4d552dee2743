package credentials

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"strings"

	"gatehouse/policy"
)

// The text of a credential is its kind's mark, its id and its secret, joined by
// underscores: who finds one in a log or a repository knows what it is.
const (
	idSize     = 10 // bytes
	secretSize = 20 // bytes: 160 bits
)

// marks are what the texts of credentials begin with.
var marks = map[policy.CredentialKind]string{
	policy.KindAppPassword: "gwa",
	policy.KindToken:       "gwt",
	policy.KindClient:      "gwc",
}

// lower is base32 (RFC 4648) that survives being typed on a phone.
var lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// randomText returns so many random bytes as text.
func randomText(size int) string {
	b := make([]byte, size)
	rand.Read(b) // never fails: it ends the program where the system has no randomness
	return lower.EncodeToString(b)
}

// HashSecret is how secrets of many random bits are kept: SHA-256 as hex. They
// need no slow hash, and are found and compared at no cost.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// Same compares in constant time.
func Same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

// secretText is what an account is shown once of its new credential.
func secretText(c Credential, secret string) string {
	return marks[c.Kind] + "_" + c.ID + "_" + secret
}

// ParseSecret takes the text of a credential apart; ok is false for what cannot
// be one, such as a main password. It says nothing about whether there is one.
func ParseSecret(text string) (id, secret string, ok bool) {
	mark, rest, _ := strings.Cut(text, "_")
	id, secret, _ = strings.Cut(rest, "_")
	if len(id) != lower.EncodedLen(idSize) || len(secret) != lower.EncodedLen(secretSize) {
		return "", "", false
	}
	for _, m := range marks {
		if m == mark {
			return id, secret, true
		}
	}
	return "", "", false
}

// Proves reports whether secret is this credential's, in constant time.
func (c Credential) Proves(secret string) bool {
	return c.Hash != "" && Same(HashSecret(secret), c.Hash)
}

// isHash reports whether s is what HashSecret returns.
func isHash(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32
}
