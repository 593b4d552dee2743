package accounts

import (
	"bytes"
	"context"
	"crypto/rsa"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
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
	if why := unfitText(comment, maxName); why != "" {
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

func keyError(why string) error { return &InvalidError{Field: "public_key", Why: why} }

// Parsed returns the key as SSH compares it.
func (k Key) Parsed() (ssh.PublicKey, error) {
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("parse key %s: %w", k.ID, err)
	}
	return public, nil
}

// validateKeys fills in what a key's line says, and refuses doubles.
func validateKeys(a *Account) error {
	seen := make(map[string]bool, len(a.Keys))
	ids := make(map[string]bool, len(a.Keys))
	for i := range a.Keys {
		k := &a.Keys[i]
		parsed, err := ParseKey(k.PublicKey)
		if err != nil {
			return err
		}
		k.PublicKey, k.Fingerprint = parsed.PublicKey, parsed.Fingerprint
		if k.Name == "" {
			k.Name = parsed.Name
		}
		if k.ID == "" {
			k.ID = newID()
		}
		if k.Added.IsZero() {
			k.Added = time.Now().UTC().Truncate(time.Second)
		}
		if seen[k.Fingerprint] || ids[k.ID] {
			return keyError("is there already")
		}
		seen[k.Fingerprint], ids[k.ID] = true, true
		if why := unfitText(k.Name, maxName); why != "" {
			return &InvalidError{Field: "name", Why: why}
		}
		if _, err := policy.ParsePrefixes(k.AllowedIPs); err != nil {
			return &InvalidError{Field: "allowed_ips", Why: err.Error()}
		}
	}
	return nil
}

// AddKey adds a key, made by ParseKey, and returns it with its id.
func (s *Store) AddKey(ctx context.Context, account string, k Key, o Option) (Key, Account, error) {
	k.ID = newID()
	a, err := s.Update(ctx, account, 0, func(a *Account) error {
		a.Keys = append(a.Keys, k)
		return nil
	}, o)
	if err != nil {
		return Key{}, Account{}, err
	}
	return a.Keys[len(a.Keys)-1], a, nil
}

// RemoveKey removes the key with this id, fingerprint or name; ErrNotFound.
// A name that several keys have is refused.
func (s *Store) RemoveKey(ctx context.Context, account, which string, o Option) (Account, error) {
	return s.Update(ctx, account, 0, func(a *Account) error {
		var found []int
		for i, k := range a.Keys {
			if k.ID == which || k.Fingerprint == which {
				found = []int{i}
				break
			}
			if k.Name == which {
				found = append(found, i)
			}
		}
		switch len(found) {
		case 0:
			return ErrNotFound
		case 1:
			a.Keys = slices.Delete(a.Keys, found[0], found[0]+1)
			return nil
		}
		return &InvalidError{Field: "name", Why: "is that of several keys: name one by its fingerprint"}
	}, o)
}
