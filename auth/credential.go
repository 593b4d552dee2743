package auth

import (
	"bytes"
	"context"
	"slices"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// passwordCredential is what policy reads of an account's password.
func passwordCredential(a accounts.Account, site policy.Site) policy.Credential {
	c := policy.Credential{Kind: policy.KindPassword}
	if a.Password == nil {
		return c
	}
	c.ID = a.Password.ID
	c.MustChange = a.Password.MustChange
	if days := site.Password.MaxAgeDays; days > 0 && !a.Shared {
		c.Expires = a.Password.Changed.Add(time.Duration(days) * 24 * time.Hour)
	}
	return c
}

// keyCredential is what policy reads of a key that completed the handshake.
func keyCredential(a accounts.Account, k accounts.Key) policy.Credential {
	c := policy.Credential{ID: k.ID, Kind: policy.KindKey, Proved: true}
	// Until the password is changed no credential opens a file door.
	c.MustChange = a.Password != nil && a.Password.MustChange
	if k.Expires != nil {
		c.Expires = *k.Expires
	}
	list, err := policy.ParsePrefixes(k.AllowedIPs)
	if err != nil {
		// A list that cannot be read allows no address.
		c.Proved = false
	}
	c.AllowedIPs = list
	return c
}

// matchKey finds the account's key; not proved where there is none.
func matchKey(a accounts.Account, offered ssh.PublicKey) policy.Credential {
	wire := offered.Marshal()
	i := slices.IndexFunc(a.Keys, func(k accounts.Key) bool {
		public, err := k.Parsed()
		return err == nil && bytes.Equal(public.Marshal(), wire)
	})
	if i < 0 {
		return policy.Credential{Kind: policy.KindKey}
	}
	return keyCredential(a, a.Keys[i])
}

// Present returns what a credential that was proved before is now: not proved
// where the account has it no more, or another in its place.
func Present(a accounts.Account, site policy.Site, was policy.Credential) policy.Credential {
	gone := policy.Credential{ID: was.ID, Kind: was.Kind}
	switch was.Kind {
	case policy.KindPassword:
		if a.Password == nil || a.Password.ID != was.ID {
			return gone
		}
		c := passwordCredential(a, site)
		c.Proved = true
		return c
	case policy.KindKey:
		for _, k := range a.Keys {
			if k.ID == was.ID {
				return keyCredential(a, k)
			}
		}
		return gone
	}
	return gone
}

// OffersKey reports whether the account has this key. It admits nobody, and
// costs the same for an account that may not come in.
func (z *Authenticator) OffersKey(ctx context.Context, a Attempt) bool {
	if a.Key == nil {
		return false
	}
	p, err := z.meet(ctx, a)
	if err != nil || z.Ends(p.Effective.Admit(p.Attempt)) {
		return false
	}
	return matchKey(p.Account, a.Key).ID != ""
}
