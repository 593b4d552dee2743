package credentials

import (
	"bytes"
	"crypto/rsa"
	"fmt"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
	"gatehouse/storage/accounts/field"
	"gatehouse/storage/state/typed"
)

// minRSA is the shortest RSA key that is taken, in bits.
const minRSA = 2048

// ParseKey reads one line of an authorized_keys file: ed25519, ecdsa, rsa of at
// least 2048 bits, and sk- keys. Options are refused, since they would be
// promises that nobody keeps; so are certificates. The comment becomes the name.
func ParseKey(line string) (Key, error) {
	public, comment, options, rest, err := ssh.ParseAuthorizedKey([]byte(line))
	switch {
	case err != nil:
		return Key{}, keyError("is not a line of an authorized_keys file")
	case len(options) > 0:
		return Key{}, keyError("has options, which are not taken: set expiry and addresses here")
	case len(bytes.TrimSpace(rest)) > 0:
		return Key{}, keyError("is more than one line")
	}
	if err := acceptable(public); err != nil {
		return Key{}, err
	}
	if why := field.Text(comment, field.MaxName); why != "" {
		return Key{}, keyError("has a comment that " + why)
	}
	return Key{
		Name:        comment,
		PublicKey:   strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))),
		Fingerprint: ssh.FingerprintSHA256(public),
	}, nil
}

func acceptable(public ssh.PublicKey) error {
	switch public.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521,
		ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		return nil
	case ssh.KeyAlgoRSA:
		crypto, ok := public.(ssh.CryptoPublicKey)
		if !ok {
			return keyError("is an RSA key that cannot be read")
		}
		k, ok := crypto.CryptoPublicKey().(*rsa.PublicKey)
		if !ok || k.N.BitLen() < minRSA {
			return keyError(fmt.Sprintf("is an RSA key of fewer than %d bits", minRSA))
		}
		return nil
	}
	return keyError(fmt.Sprintf("is of the kind %s, which is not taken", public.Type()))
}

func keyError(why string) error { return &field.Error{Field: "public_key", Why: why} }

// Parsed returns the key as SSH compares it.
func (k Key) Parsed() (ssh.PublicKey, error) {
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("parse key %s: %w", k.ID, err)
	}
	return public, nil
}

// CheckKeys fills in what a key's line says, and refuses doubles.
func CheckKeys(list []Key) error {
	seen := make(map[string]bool, len(list))
	ids := make(map[string]bool, len(list))
	for i := range list {
		k := &list[i]
		parsed, err := ParseKey(k.PublicKey)
		if err != nil {
			return err
		}
		k.PublicKey, k.Fingerprint = parsed.PublicKey, parsed.Fingerprint
		if k.Name == "" {
			k.Name = parsed.Name
		}
		if k.ID == "" {
			k.ID = typed.NewID()
		}
		if k.Added.IsZero() {
			k.Added = time.Now().UTC().Truncate(time.Second)
		}
		if seen[k.Fingerprint] || ids[k.ID] {
			return keyError("is there already")
		}
		seen[k.Fingerprint], ids[k.ID] = true, true
		if why := field.Text(k.Name, field.MaxName); why != "" {
			return &field.Error{Field: "name", Why: why}
		}
		if _, err := policy.ParsePrefixes(k.AllowedIPs); err != nil {
			return &field.Error{Field: "allowed_ips", Why: err.Error()}
		}
	}
	return nil
}
