package auth

import (
	"context"
	"encoding/json"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/credentials"
)

// noCredential is compared where there is none, so that it costs the same.
var noCredential = accounts.Credential{Hash: credentials.HashSecret("")}

// appPassword judges the secret of an app password or a client that came in the
// place of a password. Its account must be the one that was named. It costs what
// any password costs, though 160 random bits need no slow hash: who measures
// must not learn which of the two an account has.
func (z *Authenticator) appPassword(ctx context.Context, p *Proof, a Attempt, how How, id, secret string) error {
	x, found := p.Account.Credential(id)
	if !found {
		x = noCredential
		p.Attempt.Credential = policy.Credential{Kind: policy.KindAppPassword}
	} else {
		p.Attempt.Credential = secretCredential(p.Account, x)
	}
	usable := found && p.Attempt.Credential.Proved
	// Any change of the credential is another question.
	face, err := json.Marshal(x)
	if err != nil {
		return err
	}
	right, err := z.verify(ctx, a, how, []string{z.who(*p, a), "secret", string(face), a.Password}, func() (bool, error) {
		p.hashed = true
		if _, err := z.hashOnce(ctx, p, a, z.dummy); err != nil {
			return false, err
		}
		return x.Proves(secret) && found, nil
	})
	if err := p.judged(right, err, a.Password); err != nil {
		return err
	}
	p.Attempt.Credential.Proved = right && usable
	p.Attempt.Credential.Doors = typedDoors(p.Attempt.Credential.Doors, a.Door)
	return nil
}

// token judges a bearer's secret: an API token, or a client's. It is found by
// its id, and compared alike where there is none.
func (z *Authenticator) token(p *Proof, a Attempt) {
	id, secret, _ := credentials.ParseSecret(a.Token)
	x, found := p.Account.Credential(id)
	if !found {
		x = noCredential
	}
	right := x.Proves(secret) && found
	if !right {
		p.Attempt.Credential = policy.Credential{Kind: policy.KindToken}
		// Whoever knows an id must not be able to lock its account.
		p.failing, p.wrong = failsAddress, a.Token
		return
	}
	p.Attempt.Credential = secretCredential(p.Account, x)
}

// owner finds whose a token is: the zero account where it is nobody's.
func (z *Authenticator) owner(ctx context.Context, token string) accounts.Account {
	id, _, _ := credentials.ParseSecret(token)
	account, _, err := z.accounts.CredentialByID(ctx, id)
	if err != nil {
		return accounts.Account{}
	}
	return account
}
