package policy

import (
	"fmt"
	"net/netip"
	"strings"
	"time"
	"unicode"

	"gatehouse/policy/path"
)

// A Problem is a field that cannot stand, by its name in JSON, and why.
type Problem struct{ Field, Why string }

func (p Problem) Error() string { return p.Field + ": " + p.Why }

// problems gathers what is wrong.
type problems []Problem

func (p *problems) add(field, format string, args ...any) {
	*p = append(*p, Problem{field, fmt.Sprintf(format, args...)})
}

func (p *problems) word(field, got string, want ...string) {
	for _, w := range want {
		if got == w {
			return
		}
	}
	p.add(field, "%q is none of %q", got, want)
}

func (p *problems) notNegative(field string, v int) {
	if v < 0 {
		p.add(field, "%d is negative", v)
	}
}

// Problems returns everything that cannot stand in a site policy. Whether a
// time zone exists is for those to ask who can look.
func (s Site) Problems() []Problem {
	var p problems
	p.doors("doors", s.Doors)
	p.prefixes("allowed_ips", s.AllowedIPs)
	p.word("plain_ftp", string(s.PlainFTP), string(Allow), string(Deny))
	p.word("symlinks", string(s.Symlinks), string(Allow), string(Deny))
	p.word("names", s.Names, NamesAny, NamesPortable)
	p.word("uploads", string(s.Uploads), string(InPlace), string(Atomic))
	p.word("second_factor", s.SecondFactor, SecondFactorOptional, SecondFactorRequired)
	p.word("lockout.scope", s.Lockout.Scope, LockoutPasswords, LockoutAll)
	p.word("audit.on_failure", s.Audit.OnFailure, AuditRefuse, AuditContinue)
	p.failures("lockout", s.Lockout.Failures, s.Lockout.Period)
	p.failures("ban", s.Ban.Failures, s.Ban.Period)
	p.notNegative("password.min_length", s.Password.MinLength)
	p.days("password.max_age_days", s.Password.MaxAgeDays)
	p.notNegative("disable_inactive_after_days", s.Inactive)
	p.notNegative("audit.keep_days", s.Audit.KeepDays)
	p.notNegative("max_sessions", s.MaxSessions)
	for _, ca := range s.SSHUserCAs {
		if strings.TrimSpace(ca) == "" || strings.ContainsAny(ca, "\r\n") {
			p.add("ssh_user_cas", "holds what is no public key in one line")
		}
	}
	return p
}

// days refuses what is no age of a password.
func (p *problems) days(field string, n int) {
	p.notNegative(field, n)
	if n > maxPasswordAge {
		p.add(field, "%d days are more than %d: for never, set 0", n, maxPasswordAge)
	}
}

func (p *problems) choice(field string, c Choice) {
	p.word(field, string(c), "", string(Inherit), string(Allow), string(Deny))
}

func (p *problems) failures(key string, n int, period string) {
	p.notNegative(key+".failures", n)
	d, err := time.ParseDuration(period)
	if err != nil {
		p.add(key+".period", "%q is no duration such as 15m", period)
		return
	}
	if d < 0 || d == 0 && n > 0 {
		p.add(key+".period", "%q is no time to wait", period)
	}
}

func (p *problems) doors(field string, doors []Door) {
	for _, d := range doors {
		if !oneOf(d, Doors()...) {
			p.add(field, "%q is none of %q", d, Doors())
		}
	}
}

func (p *problems) prefixes(field string, list []netip.Prefix) {
	for _, x := range list {
		if !x.IsValid() {
			p.add(field, "holds what is no network")
		}
	}
}

func (p *problems) grants(field string, grants []Grant) {
	at := map[string]path.Path{}
	for _, g := range grants {
		if err := g.Validate(); err != nil {
			p.add(field, "%s: %s", g.Path, err)
		}
		other, taken := at[g.At]
		if g.At != "" && taken && other != g.Path {
			p.add(field, "%s: the name %q is already that of %s", g.Path, g.At, other)
		}
		at[g.At] = g.Path
	}
}

// Validate reports why a grant cannot stand.
func (g Grant) Validate() error {
	if g.Permissions == 0 {
		return fmt.Errorf("it gives no permission")
	}
	if g.Permissions&^Full != 0 {
		return fmt.Errorf("it gives what is no permission")
	}
	if g.At == "" {
		return nil
	}
	if err := path.ValidName(g.At); err != nil {
		return fmt.Errorf("at %q: %w", g.At, err)
	}
	for _, r := range g.At {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return fmt.Errorf("at %q: the name holds what not every door can show", g.At)
		}
	}
	return nil
}

// Problems returns everything of an account that policy could not use.
func (a Account) Problems() []Problem {
	var p problems
	if !oneOf(a.Role, RoleAdmin, RoleAuditor, RoleUser, RoleGuest) {
		p.add("role", "%q is none of admin, auditor, user, guest", a.Role)
	}
	if a.Role == RoleAdmin && a.Status.Disabled {
		p.add("status", "an admin is not disabled: take the role away first")
	}
	if a.Expires != nil && a.Expires.Instant.IsZero() {
		p.add("expires", "it is not resolved to an instant")
	}
	for d := range a.Roots {
		if !d.IsFile() {
			p.add("roots", "%q is none of sftp, ftp, webdav", d)
		}
	}
	p.doors("protocols", a.Protocols)
	p.prefixes("allowed_ips", a.AllowedIPs)
	p.choice("plain_ftp", a.PlainFTP)
	p.choice("share_links", a.ShareLinks)
	p.choice("desktop_access", a.Desktop)
	p.word("uploads", string(a.Uploads), "", string(InPlace), string(Atomic))
	p.grants("grants", a.Grants)
	p.credentials(a)
	return p
}

// credentials are the rules of an account's password, second factor and rights
// over others that do not go together.
func (p *problems) credentials(a Account) {
	if age := a.PasswordAge; age != nil {
		p.days("password_max_age_days", *age)
		if *age > 0 && a.Shared {
			p.add("password_max_age_days", "a shared account changes no password of its own")
		}
	}
	p.choice("second_factor.required", a.SecondFactor.Required)
	if a.SecondFactor.WithKey && (a.Shared || a.SecondFactor.Required == Deny) {
		p.add("second_factor.with_key", "an account that is exempt from the second factor asks for none with a key")
	}
	if a.Manage != (Manage{}) && (a.Role == RoleAuditor || a.Role == RoleGuest) {
		p.add("manage", "a %s manages nobody", a.Role)
	}
}

// Problems returns everything of a group that policy could not use.
func (g Group) Problems() []Problem {
	var p problems
	p.doors("protocols", g.Protocols)
	p.grants("grants", g.Grants)
	if g.Folder != nil && g.Folder.IsRoot() {
		p.add("folder", "must not be the top of the tree")
	}
	if g.Folder == nil && g.FolderQuota != (Quota{}) {
		p.add("folder_quota", "there is no folder")
	}
	if g.Personal() {
		p.personal(g)
	}
	return p
}

// personal refuses what only an administrator's group has.
func (p *problems) personal(g Group) {
	switch {
	case g.Protocols != nil:
		p.add("protocols", "a personal group has no defaults")
	case g.Limits != (Limits{}):
		p.add("limits", "a personal group has no defaults")
	case g.Quota != (Quota{}):
		p.add("quota", "a personal group has no defaults")
	case g.Folder != nil:
		p.add("folder", "a personal group has no folder of its own")
	}
}
