package auth

import (
	"bytes"
	"encoding/base32"
	"fmt"
	"strings"
	"time"

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

// desLength is how long a hash of the traditional crypt is, which has no mark.
const desLength = 13

// HashName names the scheme of a hash, for people.
func HashName(hash string) string {
	for prefix, name := range map[string]string{
		"$argon2id$": "argon2id", "$argon2i$": "argon2i", "$2": "bcrypt", "$6$": "sha512-crypt", "$5$": "sha256-crypt",
		"$1$": "md5-crypt", "$apr1$": "apr1", "$y$": "yescrypt", "$pbkdf2-": "pbkdf2", "{SHA}": "sha1",
	} {
		if strings.HasPrefix(hash, prefix) {
			return name
		}
	}
	if !strings.ContainsAny(hash, "${") && foreign.Known(hash) == nil {
		return "des-crypt"
	}
	if len(hash) == desLength {
		return "des-crypt"
	}
	return "another scheme"
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

// leastSecret is how many bytes a second factor's secret has at least that was
// brought from elsewhere: what RFC 4226, section 4, requires.
const leastSecret = 16

// BringFactor makes a second factor of a secret in base32 that counted elsewhere:
// it counts here, sealed for this account, without recovery codes. Where the
// account has this very secret already, it is its own.
func (z *Authenticator) BringFactor(a accounts.Account, secret string) (*accounts.TOTP, error) {
	text := strings.ToUpper(strings.TrimRight(strings.ReplaceAll(secret, " ", ""), "="))
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(text)
	if err != nil {
		return nil, &accounts.InvalidError{Field: "totp_secret", Why: "is not in base32"}
	}
	if len(raw) < leastSecret {
		return nil, &accounts.InvalidError{Field: "totp_secret", Why: fmt.Sprintf("is too short: %d bytes at least (RFC 4226)", leastSecret)}
	}
	if a.HasCode() {
		if has, err := z.openFactor(a); err == nil && bytes.Equal(has, raw) {
			return a.TOTP, nil
		}
	}
	id := accounts.NewTOTPID()
	return &accounts.TOTP{
		ID: id, Sealed: z.sealer.Seal(sealedFor(a.ID, id), raw), Added: time.Now().UTC().Truncate(time.Second), Confirmed: true,
	}, nil
}
