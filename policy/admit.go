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
	{RuleDesktop, desktop},
	{RuleBan, ban},
	{RuleLockout, lockout},
	{RuleStatus, status},
	{RuleExpiry, expiry},
	{RuleManager, ruleManager},
	{RuleAddress, address},
	{RuleCredentialAddress, credentialAddress},
	{RuleTransport, transport},
	{RulePlainFTP, plainFTP},
	{RuleCredential, credential},
	{RuleCredentialExpiry, credentialExpiry},
	{RuleSecondFactor, secondFactor},
	{RuleEnrol, enrol},
	{RuleMustChange, mustChange},
	{RuleSessionsAccount, sessionsAccount},
	{RuleSessionsAddress, sessionsAddress},
	{RuleSessionsSite, sessionsSite},
}

// Admit decides whether the attempt may come in. Rules are asked in the
// order of the specification and the first that refuses is the answer. An
// attempt that is let in for one thing only is allowed with the rule that says
// so: RuleEnrol (see Enrols), RuleMustChange (see ChangesPassword), RuleLink.
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
	d := r.admitted(&a)
	d.Allowed, d.Until = true, r.ends(&a)
	return d
}

// admitted says for what an attempt is let in that nothing refuses.
func (r *resolved) admitted(a *Attempt) Decision {
	switch {
	case a.Credential.Kind == KindLink:
		return Decision{Rule: RuleLink, Because: "only for the page that the link is for"}
	case enrols(a):
		return Decision{Rule: RuleEnrol, Because: "only to set up a second factor"}
	case changesPassword(r, a):
		return Decision{Rule: RuleMustChange, Because: "only to change the password"}
	}
	return Decision{Rule: RuleAdmitted, Because: "no rule refuses"}
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
	first := sooner(time.Time{}, r.expires(), a.Time)
	first = sooner(first, a.Credential.Expires, a.Time)
	for _, t := range r.turns {
		first = sooner(first, t, a.Time)
	}
	return first
}

// sooner returns the earlier of first, zero for none, and t, where t is still
// to come.
func sooner(first, t, now time.Time) time.Time {
	if t.After(now) && (first.IsZero() || t.Before(first)) {
		return t
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
	if a.Door == AccountPages {
		return allow("the pages of /account/ are open on every site")
	}
	if !a.Door.known() {
		return refuse("there is no such door")
	}
	return answerOf(len(r.site.Doors) == 0 || slices.Contains(r.site.Doors, a.Door),
		"the door is open on the site", "the door is not among the site's doors")
}

func doorAccount(r *resolved, a *Attempt) answer {
	if a.Door == AccountPages {
		return allow("the pages of /account/ are open whatever the protocols say")
	}
	door := r.door(a.Door)
	return answer{door.Allowed, door.because}
}

func doorCredential(_ *resolved, a *Attempt) answer {
	c := &a.Credential
	if !c.Kind.Opens(a.Door) {
		return refuse(fmt.Sprintf("no credential of the kind %q opens the door %s", c.Kind, a.Door))
	}
	return answerOf(c.Doors == nil || slices.Contains(c.Doors, a.Door),
		"the credential is for this door", "the credential is not for this door")
}

func desktop(r *resolved, a *Attempt) answer {
	if a.Credential.Kind != KindClient {
		return allow("the credential is not a client's")
	}
	return answerOf(r.account.Desktop != Deny, "the account may use clients", "the account's desktop_access is deny")
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
		return refuse("the account is locked for passwords and codes")
	case takesCode(a):
		return refuse("the account is locked for codes, and this credential needs one")
	}
	return allow("the account is locked, but for passwords and codes only")
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
	return answerOf(a.Credential.Proved, "the credential was proved", unproved(a.Credential.Kind))
}

// unproved says what was wrong with a credential, as far as its kind tells.
func unproved(kind CredentialKind) string {
	switch kind {
	case KindPassword:
		return "the password is wrong"
	case KindAppPassword:
		return "the app password is wrong, or was removed"
	case KindToken:
		return "the token is wrong, or was removed"
	case KindClient:
		return "the client's secret is wrong, or the client was removed"
	case KindKey:
		return "the key is none of the account's"
	}
	return "the credential was not proved"
}

func credentialExpiry(r *resolved, a *Attempt) answer {
	from, x := a.Credential.Begins, a.Credential.Expires
	switch {
	case !from.IsZero() && a.Time.Before(from):
		return refuse("the credential is good only from " + from.Format(time.RFC3339) + " on")
	case x.IsZero():
		return allow("the credential does not expire")
	case a.Time.Before(x):
		return allow("the credential has not expired")
	case changesPassword(r, a):
		return allow("the password has expired, and may be changed here")
	}
	return refuse("the credential expired at " + x.Format(time.RFC3339))
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
