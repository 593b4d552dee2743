package policy

import (
	"fmt"
	"slices"

	"gatehouse/policy/path"
)

// An Actor is somebody who would read or change what is others'. Scopes of its
// Effective count: a read-only credential changes nothing here either.
type Actor struct {
	Effective Effective
	// Heads are the groups that it manages: it may add and remove members.
	Heads []Group
	// Local is the administrators' socket, which may do everything.
	Local bool
}

// A Verdict is a Decision on a change, with the first field that was refused by
// its name in JSON; "" where it is the change as a whole.
type Verdict struct {
	Decision
	Field string
}

func may(rule Rule, because string) Verdict {
	return Verdict{Decision: Decision{Allowed: true, Rule: rule, Because: because}}
}

func mayNot(rule Rule, field, format string, args ...any) Verdict {
	return Verdict{Decision{Rule: rule, Because: fmt.Sprintf(format, args...)}, field}
}

func (a Actor) account() *Account { return &a.Effective.get().account }

func (a Actor) admin() bool { return a.Local || a.account().Role == RoleAdmin }

func byRole() Verdict { return may(RuleAdministrator, "the caller is an administrator") }

// barred says what keeps the actor from changing anything at all.
func (a Actor) barred() Verdict {
	if a.Local {
		return may(RuleLocalSocket, "the caller is an administrator at the local socket")
	}
	for _, s := range a.Effective.Scopes() {
		if s.ReadOnly {
			return mayNot(RuleReadOnly, "", "the credential is read-only")
		}
	}
	switch a.account().Role {
	case RoleAuditor:
		return mayNot(RuleAuditor, "", "auditors change nothing")
	case RoleGuest:
		return mayNot(RuleGuest, "", "guests make and change nothing of others")
	}
	return a.confined()
}

// confined refuses a credential that is for a folder: it reads no account either.
func (a Actor) confined() Verdict {
	for _, s := range a.Effective.Scopes() {
		if s.Folder != nil && !a.Local {
			return mayNot(RuleFolder, "", "the credential is for %s only", s.Folder)
		}
	}
	return may(RuleAdmitted, "the credential is for everything")
}

// MayAdminister decides on what only administrators do: the site, its sessions,
// lockouts and bans, user groups, exports, other people's second factor, notes,
// adopting a home, owners on disk.
func (a Actor) MayAdminister() Verdict {
	if v := a.barred(); !v.Allowed {
		return v
	}
	if a.admin() {
		return byRole()
	}
	return mayNot(RuleAdministrator, "", "this takes an administrator")
}

// MayExport decides on lists and dumps that hold everything at once; auditors
// get none.
func (a Actor) MayExport() Verdict {
	if v := a.confined(); !v.Allowed {
		return v
	}
	if a.admin() {
		return byRole()
	}
	return mayNot(RuleAdministrator, "", "exports take an administrator")
}

// MayAudit decides on reading everything but secrets: accounts, groups, site,
// events, sessions.
func (a Actor) MayAudit() Verdict {
	v := a.confined()
	switch {
	case !v.Allowed:
		return v
	case a.admin():
		return byRole()
	case a.account().Role == RoleAuditor:
		return may(RuleAuditor, "auditors read everything but secrets and exports")
	}
	return mayNot(RuleAuditor, "", "this takes an administrator or an auditor")
}

// MayRead decides on reading an account, its sessions, usage and history, and on
// explaining what was refused to it.
func (a Actor) MayRead(target Account) Verdict {
	if v := a.MayAudit(); v.Allowed || v.Rule == RuleFolder {
		return v
	}
	return a.manages(target)
}

// MayEdit decides whether the actor may touch an account at all: its profile,
// status, sessions and credentials. What of its policy may be set to what is
// for MayChange.
func (a Actor) MayEdit(target Account) Verdict {
	if v := a.barred(); !v.Allowed {
		return v
	}
	if a.admin() {
		return byRole()
	}
	return a.manages(target)
}

// MayDelete decides on removing an account for good.
func (a Actor) MayDelete(target Account) Verdict { return a.MayEdit(target) }

// MaySetPassword decides on setting another account's password, or handing out
// a link for it. Who manages an account can come in as it, whatever it has:
// administrators alone say who does, and what the actor gives it is bounded.
func (a Actor) MaySetPassword(target Account) Verdict { return a.MayEdit(target) }

// manages decides whether the actor is the target's delegate: it has the right
// for the target's role, and the target, which has no such right itself, names
// it or a group that it manages in managed_by.
func (a Actor) manages(target Account) Verdict {
	if v := a.mayManage(target.Role); !v.Allowed {
		return v
	}
	if target.Manage != (Manage{}) {
		return mayNot(RuleDelegate, "", "%s has rights to manage others: only administrators touch it", target.Name)
	}
	if slices.ContainsFunc(target.ManagedBy, a.actsFor) {
		return may(RuleManagedBy, "managed_by of "+target.Name+" names the caller, or a group that it manages")
	}
	return mayNot(RuleManagedBy, "", "managed_by of %s names neither the caller nor a group that it manages", target.Name)
}

// mayManage decides whether the actor has the right for accounts of a role.
func (a Actor) mayManage(role Role) Verdict {
	own := a.account()
	if own.Role != RoleUser {
		return mayNot(RuleDelegate, "", "the caller manages no accounts")
	}
	switch role {
	case RoleUser:
		if own.Manage.Users {
			return may(RuleDelegate, "the caller has manage_users")
		}
		return mayNot(RuleDelegate, "role", "the caller does not have manage_users")
	case RoleGuest:
		if own.Manage.Guests {
			return may(RuleDelegate, "the caller has manage_guests")
		}
		return mayNot(RuleDelegate, "role", "the caller does not have manage_guests")
	}
	return mayNot(RuleDelegate, "role", "accounts of role %s are for administrators", role)
}

// actsFor reports whether an id in managed_by is the actor's own, or that of a
// group that it manages: to be in a group gives no right over anybody. Personal
// groups have nobody who acts for them.
func (a Actor) actsFor(id string) bool {
	return id != "" && (id == a.account().ID || a.heads(id))
}

func (a Actor) heads(group string) bool {
	return slices.ContainsFunc(a.Heads, func(g Group) bool { return g.ID == group && !g.Personal() })
}

func (a Actor) in(group string) bool {
	return slices.ContainsFunc(a.Effective.get().defaults, func(g Group) bool { return g.ID == group })
}

// MayBreakLock decides on ending somebody's lock on p: administrators may, and
// who manages the folder. Owner is the account in whose home p lies, the zero
// value where it is in none.
func (a Actor) MayBreakLock(p path.Path, owner Account) Verdict {
	if v := a.barred(); !v.Allowed {
		return v
	}
	if a.admin() {
		return byRole()
	}
	if home := a.account().Home; !home.IsRoot() && home.Contains(p) {
		return may(RuleHome, "the lock is in the caller's home "+home.String())
	}
	for _, g := range a.Heads {
		if g.Folder != nil && !g.Personal() && g.Folder.Contains(p) {
			return may(RuleGroupManager, "the lock is in the folder of the group "+g.Name)
		}
	}
	if owner.ID != "" && owner.Home.Contains(p) {
		return a.manages(owner)
	}
	return mayNot(RuleAdministrator, "", "the caller does not manage the folder")
}
