package policy

import (
	"fmt"
	"slices"
	"time"
)

// An answer is what one rule says of an attempt.
type answer struct {
	allowed bool
	because string
}

func allow(because string) answer  { return answer{true, because} }
func refuse(because string) answer { return answer{false, because} }

func answerOf(allowed bool, yes, no string) answer {
	if allowed {
		return allow(yes)
	}
	return refuse(no)
}

// admission is the order in which a refusal is named.
var admission = []struct {
	rule Rule
	ask  func(*resolved, *Attempt) answer
}{
	{RuleDoorSite, doorSite},
	{RuleDoorAccount, doorAccount},
	{RuleDoorCredential, doorCredential},
	{RuleBan, ban},
	{RuleLockout, lockout},
	{RuleStatus, status},
	{RuleExpiry, expiry},
	{RuleAddress, address},
	{RuleCredentialAddress, credentialAddress},
	{RuleTransport, transport},
	{RulePlainFTP, plainFTP},
	{RuleCredential, credential},
	{RuleCredentialExpiry, credentialExpiry},
	{RuleMustChange, mustChange},
	{RuleSessionsAccount, sessionsAccount},
	{RuleSessionsAddress, sessionsAddress},
	{RuleSessionsSite, sessionsSite},
}

// Admit decides whether the attempt may come in. Rules are asked in the
// order of the specification and the first that refuses is the answer. An
// attempt that is let in only to change its password is allowed with rule
// RuleMustChange (see ChangesPassword).
func (e Effective) Admit(a Attempt) Decision {
	if a.Transport == Local {
		return Decision{Allowed: true, Rule: RuleLocalSocket, Because: RuleLocalSocket.Text().Asks}
	}
	r := e.get()
	for _, step := range admission {
		if got := step.ask(r, &a); !got.allowed {
			return Decision{Rule: step.rule, Because: got.because}
		}
	}
	until := r.ends(&a)
	if changesPassword(&a) {
		return Decision{Allowed: true, Rule: RuleMustChange, Because: "only to change the password", Until: until}
	}
	return Decision{Allowed: true, Rule: RuleAdmitted, Because: "no rule refuses", Until: until}
}

// Stay judges an open session anew: as Admit, but for what stops new logins
// only (bans, lockouts and counts).
func (e Effective) Stay(a Attempt) Decision {
	a.Banned, a.Locked, a.Sessions = false, false, Sessions{Account: -1, Address: -1, All: -1}
	return e.Admit(a)
}

// Chain is Admit with every rule's own answer, for explain.
func (e Effective) Chain(a Attempt) []Step {
	if a.Transport == Local {
		return []Step{{RuleLocalSocket, true, RuleLocalSocket.Text().Asks}}
	}
	r := e.get()
	steps := make([]Step, 0, len(admission))
	for _, step := range admission {
		got := step.ask(r, &a)
		steps = append(steps, Step{step.rule, got.allowed, got.because})
	}
	return steps
}

// ChangesPassword reports whether d lets somebody in for nothing but changing
// the password.
func (d Decision) ChangesPassword() bool { return d.Allowed && d.Rule == RuleMustChange }

// ends returns the moment at which time alone will refuse what is now allowed.
func (r *resolved) ends(a *Attempt) time.Time {
	var first time.Time
	for _, t := range []time.Time{r.expires(), a.Credential.Expires} {
		if t.After(a.Time) && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

func (r *resolved) expires() time.Time {
	if r.account.Expires == nil {
		return time.Time{}
	}
	return r.account.Expires.Instant
}

func doorSite(r *resolved, a *Attempt) answer {
	if !slices.Contains(Doors(), a.Door) {
		return refuse("there is no such door")
	}
	return answerOf(len(r.site.Doors) == 0 || slices.Contains(r.site.Doors, a.Door),
		"the door is open on the site", "the door is not among the site's doors")
}

func doorAccount(r *resolved, a *Attempt) answer {
	door := r.door(a.Door)
	if door.Allowed {
		return allow("the account may use the door")
	}
	return refuse(fmt.Sprintf("%s is not among the protocols (%s)", a.Door, door.Origin))
}

func doorCredential(_ *resolved, a *Attempt) answer {
	return answerOf(a.Credential.Doors == nil || slices.Contains(a.Credential.Doors, a.Door),
		"the credential is for this door", "the credential is not for this door")
}

func ban(_ *resolved, a *Attempt) answer {
	return answerOf(!a.Banned, "the address is not banned", "the address is banned")
}

func lockout(r *resolved, a *Attempt) answer {
	switch {
	case !a.Locked:
		return allow("the account is not locked")
	case r.site.Lockout.Scope == LockoutAll:
		return refuse("the account is locked, for every credential")
	case a.Credential.Kind == KindPassword:
		return refuse("the account is locked for passwords")
	}
	return allow("the account is locked, but for passwords only")
}

func status(r *resolved, _ *Attempt) answer {
	if r.account.Name == "" && r.account.ID == "" {
		return refuse("there is no such account")
	}
	if !r.account.Status.Disabled {
		return allow("the account is enabled")
	}
	because := "the account is disabled"
	if r.account.Status.By != "" {
		because += " by " + r.account.Status.By
	}
	if r.account.Status.Why != "" {
		because += ": " + r.account.Status.Why
	}
	return refuse(because)
}

func expiry(r *resolved, a *Attempt) answer {
	switch x := r.account.Expires; {
	case x == nil:
		return allow("the account does not expire")
	case x.Instant.IsZero():
		return refuse("the account's expiry is not resolved")
	case a.Time.Before(x.Instant):
		return allow("the account has not expired")
	default:
		return refuse("the account expired at " + x.Instant.Format(time.RFC3339))
	}
}

func address(r *resolved, a *Attempt) answer { return r.allowsAddress(a.Address) }

func credentialAddress(_ *resolved, a *Attempt) answer {
	if len(a.Credential.AllowedIPs) == 0 {
		return allow("the credential has no list of addresses")
	}
	for _, p := range a.Credential.AllowedIPs {
		if plainPrefix(p).Contains(PlainAddress(a.Address)) {
			return allow("the credential's list holds the address")
		}
	}
	return refuse("the credential's list does not hold the address")
}

func transport(_ *resolved, a *Attempt) answer {
	switch a.Door {
	case SFTP:
		return answerOf(a.Transport == SSH, "SSH keeps the credential secret", "SFTP comes over SSH")
	case FTP:
		return answerOf(a.Transport == TLS || a.Transport == Clear, "see plain-ftp", "FTP comes over TCP or TLS")
	}
	switch a.Transport {
	case TLS, TLSProxied:
		return allow("TLS keeps the credential secret")
	case Clear:
		return answerOf(PlainAddress(a.Address).IsLoopback(),
			"clear HTTP from loopback", "clear HTTP from beyond loopback, and no trusted proxy says https")
	}
	return refuse("HTTP comes over TCP or TLS")
}

func plainFTP(r *resolved, a *Attempt) answer {
	if a.Door != FTP || a.Transport != Clear {
		return allow("not FTP without TLS")
	}
	return r.plainFTP()
}

func credential(_ *resolved, a *Attempt) answer {
	return answerOf(a.Credential.Proved, "the credential was proved", "the credential was not proved")
}

func credentialExpiry(_ *resolved, a *Attempt) answer {
	x := a.Credential.Expires
	switch {
	case x.IsZero():
		return allow("the credential does not expire")
	case a.Time.Before(x):
		return allow("the credential has not expired")
	case changesPassword(a):
		return allow("the password has expired, and may be changed here")
	}
	return refuse("the credential expired at " + x.Format(time.RFC3339))
}

func mustChange(_ *resolved, a *Attempt) answer {
	switch {
	case !a.Credential.MustChange:
		return allow("the password need not be changed")
	case changesPassword(a):
		return allow("the password must be changed, and may be changed here")
	}
	return refuse("the password must be changed first")
}

// changesPassword reports whether the attempt comes with what may change a
// password, at a door where it can be changed, and must do so.
func changesPassword(a *Attempt) bool {
	if a.Door.IsFile() || a.Credential.Kind != KindPassword && a.Credential.Kind != KindCookie {
		return false
	}
	expired := a.Credential.Kind == KindPassword && !a.Credential.Expires.IsZero() && !a.Time.Before(a.Credential.Expires)
	return a.Credential.MustChange || expired
}

func sessionsAccount(r *resolved, a *Attempt) answer {
	return within(a.Sessions.Account, r.limits.Sessions, "the account")
}

func sessionsAddress(r *resolved, a *Attempt) answer {
	return within(a.Sessions.Address, r.limits.AddressSession, "the address")
}

func sessionsSite(r *resolved, a *Attempt) answer {
	return within(a.Sessions.All, r.site.MaxSessions, "the site")
}

func within(open, limit int, whose string) answer {
	if limit <= 0 {
		return allow("sessions are not limited")
	}
	if open < limit {
		return allow("fewer sessions than the limit")
	}
	return refuse(fmt.Sprintf("%s has %d sessions, of at most %d", whose, open, limit))
}
