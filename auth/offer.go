package auth

import (
	"context"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
)

// OffersKey reports whether the account has this key, or a site's authority
// certifies it. It admits nobody, and says the same for an account that may not
// come in: what refuses is named once the key is proved.
func (z *Authenticator) OffersKey(ctx context.Context, a Attempt) bool {
	a = a.plain()
	if a.Key == nil && a.Certificate == nil {
		return false
	}
	seen := z.accounts.Seen()
	if z.offers(ctx, a) {
		return true
	}
	// Another node may have given it to the account a moment ago.
	now, err := z.accounts.Current(ctx)
	return err == nil && now != seen && z.offers(ctx, a)
}

func (z *Authenticator) offers(ctx context.Context, a Attempt) bool {
	account, effective, err := z.accounts.Look(ctx, a.Account)
	if err != nil {
		return false
	}
	if a.Certificate != nil {
		_, err := certificateCredential(account, effective.Site(), a.Certificate)
		return err == nil
	}
	return matchKey(account, a.Key).ID != ""
}

// Offered returns what an attempt comes to whose key or certificate was offered
// and nobody signed with. Why says what is wrong with it. It counts for no failure.
func (z *Authenticator) Offered(ctx context.Context, a Attempt) (Proof, error) {
	a = a.plain()
	p, err := z.meet(ctx, a)
	if err != nil {
		return Proof{}, err
	}
	p.Attempt.Credential = policy.Credential{Kind: kindOf(a)}
	p.Why = "it was offered and would be taken, but nobody signed with it"
	switch {
	case a.Certificate != nil:
		if _, err := certificateCredential(p.Account, p.Effective.Site(), a.Certificate); err != nil {
			p.Why = err.Error()
		}
	case a.Key == nil:
		p.Why = ""
	case matchKey(p.Account, a.Key).ID == "":
		p.Why = "the key " + ssh.FingerprintSHA256(a.Key) + " is not the account's"
	}
	return p, nil
}
