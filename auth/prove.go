package auth

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/text/secure/precis"

	"gatehouse/policy"
	"gatehouse/protocols/places"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/accounts/links"
	"gatehouse/storage/accounts/names"
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
	// Proved is what a session of it is based on.
	Proved *Proved
	// Link is the link that was good.
	Link links.Link
	// Why says what was wrong with the credential, for administrators, where more
	// is known than that it was not proved.
	Why string
	// LockStarted and BanStarted tell that this failure was the one too many.
	LockStarted, BanStarted bool

	ends        bool // before any work
	failed      bool // there were failures before
	hashed      bool // the password was hashed, not remembered
	codeMissing bool
	failing     failing
	wrong       string // the secret that was
}

// failing is what a wrong secret counts for.
type failing int

const (
	failsNothing failing = iota
	failsAddress         // its account is not known, or has counted it
	failsBoth
)

// NeedsCode returns what a door asks for a code with, nil where nothing is asked
// or the door has no words for it.
func (p Proof) NeedsCode() *CodeNeededError {
	if !p.codeMissing {
		return nil
	}
	return &CodeNeededError{Proved: p.Proved}
}

// Prove finds out who is there. A password costs one hash whatever the outcome,
// but for a door that is closed and a banned address. An error says that nothing
// could be found out; a wrong credential is no error.
func (z *Authenticator) Prove(ctx context.Context, a Attempt, how How) (Proof, error) {
	a = a.plain()
	seen := z.accounts.Seen()
	p, err := z.met(ctx, a, how)
	if err == nil && z.missed(ctx, p, seen) {
		p, err = z.metAgain(ctx, p, a, how)
	}
	if err != nil {
		return Proof{}, err
	}
	if p.ends {
		p.Attempt.Credential = claim(p, a)
		p.Proved = p.proved(a)
		return p, nil
	}
	if p.Attempt.Credential.Proved {
		if p.Account.HasCode() && !z.opensFactor(p.Account) {
			z.log.Error("a second factor cannot be opened: it must be set up anew", "account", p.Account.Name)
		}
		p.Attempt.Credential.Code = z.codeState(p.Account, p.Effective, p.Attempt.Credential.Kind, nil)
		if err := z.askCode(ctx, &p, a); err != nil {
			return Proof{}, err
		}
	}
	p.Proved = p.proved(a)
	return p, z.remember(ctx, &p, a)
}

// met is an attempt as far as it goes without a code and without being counted.
func (z *Authenticator) met(ctx context.Context, a Attempt, how How) (Proof, error) {
	p, err := z.meet(ctx, a)
	if err != nil {
		return Proof{}, err
	}
	if p.ends = p.Ends(p.Effective.Admit(p.Attempt)); p.ends {
		return p, nil
	}
	return p, z.first(ctx, &p, a, how)
}

// missed reports whether an attempt that is to be refused was judged by less than
// other nodes had written by then: an account that was made there a moment ago, or
// given another password. It costs one look at the state where there are several
// nodes, and nothing where an address is banned.
func (z *Authenticator) missed(ctx context.Context, p Proof, seen uint64) bool {
	if p.Attempt.Banned || !z.accounts.Shared() {
		return false
	}
	if d := p.Effective.Admit(p.Attempt); p.Attempt.Credential.Proved && (d.Allowed || d.Rule == policy.RuleSecondFactor) {
		return false
	}
	now, err := z.accounts.Current(ctx)
	return err == nil && now != seen
}

// metAgain is met once this node knows more. What was hashed is hashed again only
// where the account is another by now: else whoever changes accounts, and nobody who
// guesses, would decide on what an attempt costs.
func (z *Authenticator) metAgain(ctx context.Context, p Proof, a Attempt, how How) (Proof, error) {
	if !p.hashed {
		return z.met(ctx, a, how)
	}
	latest, err := z.look(ctx, a)
	if err != nil && !errors.Is(err, accounts.ErrNotFound) {
		return Proof{}, fmt.Errorf("read the account: %w", err)
	}
	if latest.Account.ID != p.Account.ID || latest.Account.Revision != p.Account.Revision {
		return z.met(ctx, a, how)
	}
	p.Effective = latest.Effective
	return p, nil
}

// first judges what comes before a code.
func (z *Authenticator) first(ctx context.Context, p *Proof, a Attempt, how How) error {
	c := &p.Attempt.Credential
	switch {
	case a.Proved != nil:
		*c = z.resume(*p, a.Proved)
	case a.Certificate != nil:
		var err error
		if *c, err = certificateCredential(p.Account, p.Effective.Site(), a.Certificate); err != nil {
			p.Why = err.Error()
		}
	case a.Key != nil:
		*c = matchKey(p.Account, a.Key)
	case a.Token != "":
		z.token(p, a)
	case a.Link != "":
		z.link(p, a)
	default:
		return z.password(ctx, p, a, how)
	}
	return nil
}

// resume takes a proof of moments ago for what it is now.
func (z *Authenticator) resume(p Proof, was *Proved) policy.Credential {
	if p.Attempt.Time.After(was.Resumable()) {
		return policy.Credential{ID: was.credential.ID, Kind: was.credential.Kind}
	}
	return present(p.Account, p.Effective, was)
}

// meet reads the account and what stands against the attempt already. The
// credential is taken for proved, to ask what refuses without it.
func (z *Authenticator) meet(ctx context.Context, a Attempt) (Proof, error) {
	p, err := z.look(ctx, a)
	if err != nil && !errors.Is(err, accounts.ErrNotFound) {
		return Proof{}, fmt.Errorf("read the account: %w", err)
	}
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
	p.Attempt.Locked, p.failed = !until.IsZero() && p.Account.ID != "", failed
	return p, err
}

// look finds the account that an attempt is for: by name or, where a token or a
// link says itself whose it is, by that.
func (z *Authenticator) look(ctx context.Context, a Attempt) (p Proof, err error) {
	switch {
	case a.Link != "":
		return z.meetLink(ctx, a)
	case a.Token == "":
		p.Account, p.Effective, err = z.accounts.Look(ctx, a.Account)
		return p, err
	}
	owner := z.owner(ctx, a.Token)
	if a.Account != "" && owner.ID != "" && claimed(a) != claimed(Attempt{Account: owner.Name}) {
		owner.ID = "" // the name that was given with it is another's
	}
	if owner.ID == "" {
		p.Effective, err = z.accounts.Effective(ctx, stranger())
		return p, err
	}
	p.Account, p.Effective, err = z.accounts.LookByID(ctx, owner.ID)
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
	if name, err := names.Canonical(a.Account); err == nil {
		return name
	}
	return a.Account
}

func kindOf(a Attempt) policy.CredentialKind {
	switch {
	case a.Proved != nil:
		return a.Proved.credential.Kind
	case a.Certificate != nil:
		return policy.KindCertificate
	case a.Key != nil:
		return policy.KindKey
	case a.Token != "":
		return policy.KindToken
	case a.Link != "":
		return policy.KindLink
	}
	if _, _, ok := credentials.ParseSecret(a.Password); ok {
		return policy.KindAppPassword
	}
	return policy.KindPassword
}

// Ends reports whether a refusal ends an attempt before work is done: a closed
// door and a banned address do, nothing else. That a credential is not for the
// door is known only once it was proved; it names the refusal of a banned
// address, and costs no more for it.
func (p Proof) Ends(d policy.Decision) bool {
	if d.Allowed {
		return false
	}
	return p.Attempt.Banned || d.Rule == policy.RuleDoorSite || d.Rule == policy.RuleDoorAccount
}

// password judges what came as one: a main password, or the secret of an app
// password or a client, which has a form of its own.
func (z *Authenticator) password(ctx context.Context, p *Proof, a Attempt, how How) error {
	id, secret, ok := credentials.ParseSecret(a.Password)
	if ok {
		return z.appPassword(ctx, p, a, how, id, secret)
	}
	phc := z.dummy
	// Nobody's password is empty, not even one whose imported hash says so.
	if p.Account.Password != nil && a.Password != "" {
		phc = p.Account.Password.Hash
	}
	c := passwordCredential(p.Account, p.Effective)
	p.Attempt.Credential = c
	right, err := z.verify(ctx, a, how, []string{z.who(*p, a), "password", c.ID, a.Password}, func() (bool, error) {
		p.hashed = true
		return z.hashOnce(ctx, p, a, phc)
	})
	if err := p.judged(right, err, a.Password); err != nil || !right {
		return err
	}
	return z.lookAgain(ctx, p)
}

// lookAgain asks once more whether the account is locked, when a password was
// right: of many guesses at once, the right one must not come in late, whether
// it was hashed or waited for one that was.
func (z *Authenticator) lookAgain(ctx context.Context, p *Proof) error {
	until, failed, err := z.failures.locked(ctx, p.Effective.Site(), p.Account.ID)
	p.Attempt.Locked, p.failed = p.Attempt.Locked || !until.IsZero(), p.failed || failed
	return err
}

// judged notes what came of a secret.
func (p *Proof) judged(right bool, err error, secret string) error {
	p.Attempt.Credential.Proved = right && err == nil
	if !right {
		p.failing, p.wrong = failsBoth, secret
	}
	return err
}

// who names the account in the keys of what is remembered.
func (z *Authenticator) who(p Proof, a Attempt) string {
	if p.Account.ID != "" {
		return p.Account.ID
	}
	return "no account " + a.Account
}

// verify asks, or answers from what a door asked moments ago.
func (z *Authenticator) verify(ctx context.Context, a Attempt, how How, key []string, ask func() (bool, error)) (bool, error) {
	if how == Once {
		return ask()
	}
	return z.proofs.verify(ctx, z.proofs.keyOf(key...), ask)
}

// hashOnce verifies against a hash, or against the dummy where it is unusable.
// Whatever comes of it, exactly one hash of the present parameters is computed.
func (z *Authenticator) hashOnce(ctx context.Context, p *Proof, a Attempt, phc string) (bool, error) {
	if err := z.slots.acquire(ctx, places.Network(a.Address)); err != nil {
		return false, err
	}
	defer z.slots.release()
	password, typed := prepare(a.Password), []byte(a.Password[:min(len(a.Password), longest+1)])
	began := time.Now()
	right, old, err := z.hasher.verify(phc, password, typed)
	if err == nil && !old {
		z.took(time.Since(began))
		return right, nil
	}
	if err == nil && right {
		z.upgrade(ctx, p.Account, phc, password)
		return true, nil
	}
	if err != nil {
		z.log.Warn("a password hash cannot be used", "account", p.Account.Name, "error", err)
	}
	_, _, err = z.hasher.verify(z.dummy, password, typed)
	return false, err
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
func (z *Authenticator) remember(ctx context.Context, p *Proof, a Attempt) (err error) {
	if p.failing == failsNothing {
		if !p.endsRow() {
			return nil
		}
		return z.failures.forget(ctx, p.Account.ID)
	}
	site := p.Effective.Site()
	if p.failing == failsBoth {
		c, err := z.failures.fail(ctx, site, z.subject(*p, a), p.wrong)
		if err != nil {
			return fmt.Errorf("count a failed login: %w", err)
		}
		p.LockStarted = c == hasLocked && p.Account.ID != ""
	}
	if p.BanStarted, err = z.failures.suspect(ctx, site, a.Address, claimed(a), p.wrong); err != nil {
		return fmt.Errorf("count a failed login: %w", err)
	}
	return nil
}

// endsRow reports whether a success ends the row of failures. What was right
// moments ago does not: an open session of requests must not cover up for
// somebody who guesses. Nor does a key, a token or an app password, whose holder
// could guess at the main password, or its code, for ever.
func (p *Proof) endsRow() bool {
	c := p.Attempt.Credential
	if p.Attempt.Locked || !p.failed || !c.Proved || c.Code == policy.CodeNeeded {
		return false
	}
	return c.Code == policy.CodeProved || c.Kind == policy.KindPassword && p.hashed
}

// LogValue leaves everything secret out.
func (p Proof) LogValue() slog.Value {
	return slog.GroupValue(slog.String("account", p.Account.Name), slog.Bool("proved", p.Attempt.Credential.Proved))
}
