package explain

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// Situation tells what stands against an account and an address now.
func (x *Explainer) Situation(ctx context.Context, a accounts.Account, from netip.Addr) (banned, locked bool, counts policy.Sessions, err error) {
	if banned, err = x.auth.Banned(ctx, from); err != nil {
		return false, false, counts, err
	}
	until, err := x.auth.Locked(ctx, a.ID)
	if err != nil {
		return banned, false, counts, err
	}
	counts, err = x.sessions.Count(ctx, a, policy.PlainAddress(from))
	return banned, !until.IsZero(), counts, err
}

// Again is an attempt of before as it stands now, for policy to judge anew.
type Again struct {
	Account   accounts.Account
	Effective policy.Effective
	Attempt   policy.Attempt
}

// Again returns the attempt that an event tells of, as it stands now: from the
// same address, at the same door, with the same credential, which is assumed to
// be right (see auth.Authenticator.Assume) and not proved where it is gone; present bans, locks and
// counts. A code that was missing is missing still. accounts.ErrNotFound where
// the account is gone, or the attempt was nobody's.
func (x *Explainer) Again(ctx context.Context, e events.Event) (Again, error) {
	a, effective, err := x.accounts.LookByID(ctx, e.AccountID)
	if err != nil {
		return Again{}, fmt.Errorf("look for whose attempt it was: %w", err)
	}
	kind, id, _ := strings.Cut(e.Credential, ":")
	t := policy.Attempt{
		Door: policy.Door(e.Door), Address: e.Address, Transport: transportOf(e), Time: time.Now(),
		Credential: x.assumed(a, effective, policy.CredentialKind(kind), id),
	}
	if e.Rule == string(policy.RuleSecondFactor) && t.Credential.Code == policy.CodeProved {
		t.Credential.Code = policy.CodeNeeded
	}
	t.Banned, t.Locked, t.Sessions, err = x.Situation(ctx, a, e.Address)
	return Again{Account: a, Effective: effective, Attempt: t}, err
}

// assumed is the credential of an attempt of before. Of a certificate nothing is
// kept that could be looked at again, and a cookie came of a password.
func (x *Explainer) assumed(a accounts.Account, e policy.Effective, kind policy.CredentialKind, id string) policy.Credential {
	switch kind {
	case policy.KindCertificate, policy.KindCookie:
		id = ""
	case policy.KindLink:
		// Which links are good is the links' own matter.
		return policy.Credential{ID: id, Kind: kind, Proved: true}
	}
	return x.auth.Assume(a, e, kind, id)
}

// transportOf is the transport of an attempt, or of its door where an event of
// old does not say.
func transportOf(e events.Event) policy.Transport {
	switch {
	case e.Transport != "":
		return policy.Transport(e.Transport)
	case policy.Door(e.Door) == policy.SFTP:
		return policy.SSH
	}
	return policy.TLS
}
