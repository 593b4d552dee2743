package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/text/secure/precis"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// How says what a door asks of a proof.
type How int

// Once is a login; Repeated is a door that is asked again with every request,
// where a password that was right moments ago is not hashed again.
const (
	Once How = iota
	Repeated
)

// A Proof is what an attempt came to, for policy to judge.
type Proof struct {
	// Account is zero where there is none of this name.
	Account   accounts.Account
	Effective policy.Effective
	// Attempt has everything but the counts of sessions.
	Attempt policy.Attempt
	// LockStarted and BanStarted tell that this failure was the one too many.
	LockStarted, BanStarted bool

	failed bool // there were failures before
	hashed bool // the password was hashed, not remembered
}

// Prove finds out who is there. A password costs one hash whatever the outcome,
// but for a door that is closed and a banned address. An error says that nothing
// could be found out; a wrong credential is no error.
func (z *Authenticator) Prove(ctx context.Context, a Attempt, how How) (Proof, error) {
	p, err := z.meet(ctx, a)
	if err != nil {
		return Proof{}, err
	}
	if z.Ends(p.Effective.Admit(p.Attempt)) {
		p.Attempt.Credential.Proved = false
		return p, nil
	}
	if a.Key != nil {
		p.Attempt.Credential = matchKey(p.Account, a.Key)
		return p, nil
	}
	p.Attempt.Credential = passwordCredential(p.Account, p.Effective.Site())
	right, err := z.verify(ctx, &p, a, how)
	if err != nil {
		return Proof{}, err
	}
	p.Attempt.Credential.Proved = right
	return p, z.remember(ctx, &p, a, right)
}

// meet reads the account and what stands against the attempt already. The
// credential is taken for proved, to ask what refuses without it.
func (z *Authenticator) meet(ctx context.Context, a Attempt) (Proof, error) {
	var p Proof
	account, effective, err := z.accounts.Look(ctx, a.Account)
	if err != nil && !errors.Is(err, accounts.ErrNotFound) {
		return Proof{}, fmt.Errorf("read the account: %w", err)
	}
	p.Account, p.Effective = account, effective
	p.Attempt = policy.Attempt{
		Door: a.Door, Address: policy.PlainAddress(a.Address), Transport: a.Transport, Time: time.Now(),
		Credential: policy.Credential{Kind: kindOf(a), Proved: true},
	}
	site := p.Effective.Site()
	if p.Attempt.Banned, err = z.failures.banned(ctx, site, a.Address); err != nil {
		return Proof{}, err
	}
	until, failed, err := z.failures.locked(ctx, site, z.subject(p, a))
	// Nobody's name is locked like any other, so that it costs the same; the
	// refusal is named for what it is.
	p.Attempt.Locked, p.failed = !until.IsZero() && account.ID != "", failed
	return p, err
}

// subject is whose failures are counted: the account's or, where there is none,
// those of the name.
func (z *Authenticator) subject(p Proof, a Attempt) string {
	if p.Account.ID != "" {
		return p.Account.ID
	}
	return z.failures.nobody(claimed(a))
}

// claimed is the name that the client sent, in the form in which names are compared.
func claimed(a Attempt) string {
	if name, err := accounts.Canonical(a.Account); err == nil {
		return name
	}
	return a.Account
}

func kindOf(a Attempt) policy.CredentialKind {
	if a.Key != nil {
		return policy.KindKey
	}
	return policy.KindPassword
}

// Ends reports whether a refusal ends an attempt before work is done: a closed
// door and a banned address do, nothing else.
func (z *Authenticator) Ends(d policy.Decision) bool {
	switch d.Rule {
	case policy.RuleDoorSite, policy.RuleDoorAccount, policy.RuleDoorCredential, policy.RuleBan:
		return !d.Allowed
	}
	return false
}

// verify reports whether the password is the account's.
func (z *Authenticator) verify(ctx context.Context, p *Proof, a Attempt, how How) (bool, error) {
	phc, credential := z.dummy, ""
	if p.Account.Password != nil {
		phc, credential = p.Account.Password.Hash, p.Account.Password.ID
	}
	ask := func() (bool, error) {
		p.hashed = true
		return z.hashOnce(ctx, p, a, phc)
	}
	if how == Once {
		return ask()
	}
	who := p.Account.ID
	if who == "" {
		who = "no account " + a.Account
	}
	return z.proofs.verify(ctx, z.proofs.keyOf(who, credential, a.Password), ask)
}

// hashOnce verifies against a hash, or against the dummy where it is unusable.
func (z *Authenticator) hashOnce(ctx context.Context, p *Proof, a Attempt, phc string) (bool, error) {
	if err := z.slots.acquire(ctx, network(a.Address)); err != nil {
		return false, err
	}
	defer z.slots.release()
	password := prepare(a.Password)
	began := time.Now()
	right, old, err := z.hasher.verify(phc, password)
	if err == nil && !old {
		z.took(time.Since(began))
	}
	if err != nil {
		z.log.Warn("a password hash cannot be used", "account", p.Account.Name, "error", err)
		right, old, err = z.hasher.verify(z.dummy, password)
	}
	if err != nil || phc == z.dummy {
		return false, err
	}
	if right && old {
		z.upgrade(ctx, p.Account, phc, password)
	}
	return right, nil
}

// upgrade replaces the hash of a password that was just right by one with the
// present parameters. The password stays the same, and so does its id.
func (z *Authenticator) upgrade(ctx context.Context, account accounts.Account, old string, password []byte) {
	phc := z.hasher.hash(password)
	_, err := z.accounts.Update(ctx, account.Name, 0, func(a *accounts.Account) error {
		if a.ID == account.ID && a.Password != nil && a.Password.Hash == old {
			a.Password.Hash = phc
		}
		return nil
	}, accounts.Forced)
	if err != nil {
		z.log.Warn("a password hash was not upgraded", "account", account.Name, "error", err)
	}
}

// longest is the longest password that is looked at, in bytes.
const longest = 1024

// prepare writes a password in one form, so that it is the same from every
// keyboard (PRECIS OpaqueString, RFC 8265). What has none is taken as it is.
func prepare(password string) []byte {
	if len(password) > longest {
		// Longer than any that can be set: no match, at the cost of any other.
		return []byte(password[:longest+1])
	}
	if plain, err := precis.OpaqueString.String(password); err == nil {
		return []byte(plain)
	}
	return []byte(password)
}

// remember counts a failure, or ends the row of them.
func (z *Authenticator) remember(ctx context.Context, p *Proof, a Attempt, right bool) (err error) {
	if right {
		// What was right moments ago does not stand for what is right now: an open
		// session of requests must not cover up for somebody who guesses.
		if p.Attempt.Locked || !p.failed || !p.hashed {
			return nil
		}
		return z.failures.forget(ctx, p.Account.ID) // only an account's password is ever right
	}
	site := p.Effective.Site()
	started, err := z.failures.fail(ctx, site, z.subject(*p, a), a.Password)
	if err != nil {
		return fmt.Errorf("count a failed login: %w", err)
	}
	p.LockStarted = started && p.Account.ID != ""
	if p.BanStarted, err = z.failures.suspect(ctx, site, a.Address, claimed(a), a.Password); err != nil {
		return fmt.Errorf("count a failed login: %w", err)
	}
	return nil
}

// LogValue leaves everything secret out.
func (p Proof) LogValue() slog.Value {
	return slog.GroupValue(slog.String("account", p.Account.Name), slog.Bool("proved", p.Attempt.Credential.Proved))
}
