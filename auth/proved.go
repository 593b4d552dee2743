package auth

import (
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// resumable is how long a proof waits for its code.
const resumable = 2 * time.Minute

// A Proved is what somebody has proved an account with: a credential, and the
// second factor where there was one. It never changes, and holds no secret.
type Proved struct {
	account     string // id
	credential  policy.Credential
	factor      string // id of the second factor whose code was right
	certificate *ssh.Certificate
	at          time.Time
	// What the proof is also good for from the moment that the account says so:
	// the password that its own session is giving it, the factor it enrols.
	nextPassword, nextFactor string
	dropsFactor              bool // its own session takes the factor away
}

// Resumable is until when the proof waits for its code.
func (v *Proved) Resumable() time.Time { return v.at.Add(resumable) }

// Credential returns the credential as it was when it was proved.
func (v *Proved) Credential() policy.Credential { return v.credential }

// Interactive reports whether a person stood there: the main password, and the
// code where the account has a second factor.
func (v *Proved) Interactive() bool {
	return v.credential.Kind == policy.KindPassword && v.credential.Code != policy.CodeNeeded
}

// WithPassword returns a proof that a new password of the account proves as well.
func (v *Proved) WithPassword(id string) *Proved {
	next := *v
	next.nextPassword = id
	return &next
}

// WithFactor returns a proof that a code of a new second factor belongs to as well.
func (v *Proved) WithFactor(id string) *Proved {
	next := *v
	next.nextFactor = id
	return &next
}

// WithoutFactor returns a proof that goes on where the second factor is taken away.
func (v *Proved) WithoutFactor() *Proved {
	next := *v
	next.dropsFactor = true
	return &next
}

// Settled returns the proof once the account is as given: what it was also good
// for is what it is good for, or is forgotten.
func (v *Proved) Settled(a accounts.Account) *Proved {
	next := *v
	if a.Password != nil && next.nextPassword == a.Password.ID {
		next.credential.ID = a.Password.ID
	}
	if a.TOTP != nil && next.nextFactor == a.TOTP.ID {
		next.factor = a.TOTP.ID
	}
	if a.TOTP == nil && next.dropsFactor {
		next.factor = ""
	}
	next.nextPassword, next.nextFactor, next.dropsFactor = "", "", false
	return &next
}

// isPassword reports whether the proof is the password with this id.
func (v *Proved) isPassword(id string) bool {
	return id != "" && (v.credential.ID == id || v.nextPassword == id)
}

// hasFactor reports whether the proof came with a code of the factor with this id.
func (v *Proved) hasFactor(id string) bool {
	return id != "" && (v.factor == id || v.nextFactor == id)
}

// lostFactor reports whether the second factor that the proof came with is not
// the account's any more.
func (v *Proved) lostFactor(a accounts.Account) bool {
	if a.TOTP != nil {
		return v.factor != "" && !v.hasFactor(a.TOTP.ID)
	}
	return v.factor != "" && !v.dropsFactor
}

// Present returns what was proved before as it is now: not proved where the
// account has the credential no more, or another in its place. What was proved
// with a second factor ends with it, whatever is asked now.
func (z *Authenticator) Present(a accounts.Account, e policy.Effective, was *Proved) policy.Credential {
	c := present(a, e, was)
	if was.lostFactor(a) {
		c.Proved = false
	}
	if c.Proved {
		c.Code = z.codeState(a, e, c.Kind, was)
	}
	return c
}

// Assume returns a credential of an account as if it were proved, code and all:
// the one with this id or, for an empty one, whichever its kind has limits for.
// It is what explain judges.
func (z *Authenticator) Assume(a accounts.Account, e policy.Effective, kind policy.CredentialKind, id string) policy.Credential {
	was := &Proved{account: a.ID, credential: policy.Credential{ID: id, Kind: kind}}
	if kind == policy.KindPassword && a.Password != nil {
		was.credential.ID = a.Password.ID
	}
	if a.TOTP != nil {
		was.factor = a.TOTP.ID
	}
	c := present(a, e, was)
	if !c.Proved && id == "" {
		c = policy.Credential{Kind: kind, Proved: true, MustChange: mustChange(a)}
		if isSecret(kind) {
			c.Doors = accounts.Credential{Kind: kind}.OpenDoors()
		}
	}
	if c.Proved {
		c.Code = z.codeState(a, e, kind, was)
	}
	return c
}

func present(a accounts.Account, e policy.Effective, was *Proved) policy.Credential {
	gone := policy.Credential{ID: was.credential.ID, Kind: was.credential.Kind}
	if a.ID != was.account {
		return gone
	}
	switch was.credential.Kind {
	case policy.KindPassword:
		if a.Password == nil || !was.isPassword(a.Password.ID) {
			return gone
		}
		c := passwordCredential(a, e)
		c.Proved = true
		return c
	case policy.KindKey:
		for _, k := range a.Keys {
			if k.ID == was.credential.ID {
				return keyCredential(a, k)
			}
		}
	case policy.KindCertificate:
		if c, err := certificateCredential(a, e.Site(), was.certificate); err == nil {
			return c
		}
	case policy.KindAppPassword, policy.KindToken, policy.KindClient:
		if c, ok := a.Credential(was.credential.ID); ok && c.Kind == was.credential.Kind {
			return secretCredential(a, c)
		}
	}
	return gone
}

// proved is what p came to, for those who keep it.
func (p Proof) proved(a Attempt) *Proved {
	v := &Proved{account: p.Account.ID, credential: p.Attempt.Credential, certificate: a.Certificate, at: p.Attempt.Time}
	if a.Proved != nil {
		// It waits for its code since the first time it was asked for.
		v.certificate, v.at = a.Proved.certificate, a.Proved.at
	}
	if v.credential.Code == policy.CodeProved {
		v.factor = p.Account.TOTP.ID
	}
	return v
}
