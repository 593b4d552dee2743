package auth

import (
	"bytes"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// mustChange reports whether the password must be changed first: until then no
// credential opens a file door.
func mustChange(a accounts.Account) bool { return a.Password != nil && a.Password.MustChange }

// passwordCredential is what policy reads of an account's password.
func passwordCredential(a accounts.Account, e policy.Effective) policy.Credential {
	c := policy.Credential{Kind: policy.KindPassword}
	if a.Password == nil {
		return c
	}
	c.ID = a.Password.ID
	c.MustChange = a.Password.MustChange
	c.Expires = e.PasswordExpires(a.Password.Changed)
	return c
}

// keyCredential is what policy reads of a key that completed the handshake.
func keyCredential(a accounts.Account, k accounts.Key) policy.Credential {
	c := policy.Credential{ID: k.ID, Kind: policy.KindKey, Proved: true, MustChange: mustChange(a)}
	return limited(c, k.Expires, k.AllowedIPs)
}

// secretCredential is what policy reads of an app password, a token or a client
// whose secret was right.
func secretCredential(a accounts.Account, x accounts.Credential) policy.Credential {
	c := policy.Credential{
		ID: x.ID, Kind: x.Kind, Proved: true, MustChange: mustChange(a), Doors: x.OpenDoors(), Scope: x.Scope,
	}
	return limited(c, x.Expires, x.AllowedIPs)
}

// limited adds expiry and addresses. A list that cannot be read allows no address.
func limited(c policy.Credential, expires *time.Time, addresses []string) policy.Credential {
	if expires != nil {
		c.Expires = *expires
	}
	list, err := policy.ParsePrefixes(addresses)
	if err != nil {
		c.Proved = false
	}
	c.AllowedIPs = list
	return c
}

// matchKey finds the account's key; not proved where there is none.
func matchKey(a accounts.Account, offered ssh.PublicKey) policy.Credential {
	wire, fingerprint := offered.Marshal(), ssh.FingerprintSHA256(offered)
	i := slices.IndexFunc(a.Keys, func(k accounts.Key) bool {
		if k.Fingerprint != fingerprint && k.Fingerprint != "" {
			return false // parsing hundreds of keys would cost more than the handshake
		}
		public, err := k.Parsed()
		return err == nil && bytes.Equal(public.Marshal(), wire)
	})
	if i < 0 {
		return policy.Credential{Kind: policy.KindKey}
	}
	return keyCredential(a, a.Keys[i])
}

// plain takes a certificate that came as a key for what it is.
func (a Attempt) plain() Attempt {
	if cert, ok := a.Key.(*ssh.Certificate); ok {
		a.Key, a.Certificate = nil, cert
	}
	return a
}
