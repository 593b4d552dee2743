package auth

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/codes"
)

// codeState is how it stands with the second factor of an account for a proof of
// some kind.
func (z *Authenticator) codeState(a accounts.Account, e policy.Effective, kind policy.CredentialKind, was *Proved) policy.CodeState {
	factor := policy.FactorNone
	switch {
	case !a.HasCode():
	case !z.opensFactor(a):
		if e.Code(kind, policy.FactorAsked) == policy.CodeNeeded || isSecret(kind) {
			// Nobody could prove it any more: it is enrolled anew.
			return policy.CodeEnrol
		}
	case was != nil && was.hasFactor(a.TOTP.ID):
		factor = policy.FactorProved
	default:
		factor = policy.FactorAsked
	}
	return e.Code(kind, factor)
}

// isSecret reports whether a credential of this kind is a secret of its account's
// own making.
func isSecret(kind policy.CredentialKind) bool {
	return kind == policy.KindAppPassword || kind == policy.KindToken || kind == policy.KindClient
}

// opensFactor reports whether the account has a second factor that counts and
// whose secret can be read.
func (z *Authenticator) opensFactor(a accounts.Account) bool {
	if !a.HasCode() {
		return false
	}
	_, err := z.openFactor(a)
	return err == nil
}

func (z *Authenticator) openFactor(a accounts.Account) ([]byte, error) {
	return z.sealer.Open(sealedFor(a.ID, a.TOTP.ID), a.TOTP.Sealed)
}

// sealedFor names the record that a second factor's secret is sealed for.
func sealedFor(account, totp string) string { return "totp/" + account + "/" + totp }

// asks reports whether a door can ask for a code.
func asks(d policy.Door) bool { return d != policy.FTP && d != policy.WebDAV }

// askCode judges the code of a proof that lacks nothing else; where something
// else refuses, it is not looked at, and not used up.
func (z *Authenticator) askCode(ctx context.Context, p *Proof, a Attempt) error {
	if !asks(a.Door) || p.Effective.Admit(p.Attempt).Rule != policy.RuleSecondFactor {
		return nil
	}
	if a.Code == "" {
		p.codeMissing = true
		return nil
	}
	// There are so few codes that each try counts before it is looked at, also the
	// same one again: of many at once no more are looked at than may be wrong.
	nonce := rand.Text()
	c, err := z.failures.fail(ctx, p.Effective.Site(), p.Account.ID, "code "+nonce)
	if err != nil {
		return fmt.Errorf("count a code: %w", err)
	}
	if c == wasLocked {
		p.Attempt.Locked = true
		return nil
	}
	right, err := z.rightCode(ctx, p.Account, a.Code)
	if err != nil {
		return err
	}
	if right {
		p.Attempt.Credential.Code, p.failed = policy.CodeProved, c != notCounted
		return nil
	}
	p.wrong, p.failing, p.LockStarted = "code "+nonce, failsAddress, c == hasLocked
	p.Why = "the code was wrong, or used before"
	return nil
}

// rightCode reports whether a code is one of the account's, and uses it up.
func (z *Authenticator) rightCode(ctx context.Context, a accounts.Account, code string) (bool, error) {
	secret, err := z.openFactor(a)
	if err != nil {
		return false, fmt.Errorf("open the second factor: %w", err)
	}
	code = strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, code)
	if len(code) != digits {
		return used(z.accounts.UseRecovery(ctx, a.ID, code))
	}
	step, ok := matchStep(secret, code, time.Now())
	if !ok {
		return false, nil
	}
	return used(z.accounts.UseCode(ctx, a.ID, a.TOTP.ID, step))
}

// used reports whether a code could be used up.
func used(err error) (bool, error) {
	if errors.Is(err, codes.ErrUsed) || errors.Is(err, accounts.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("use up a code: %w", err)
	}
	return true, nil
}
