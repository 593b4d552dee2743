package policy

import "time"

// PasswordExpires returns the moment from which a password that was changed at
// changed must be changed again, as the account says, else the site; the cycle
// begins anew with each change. The zero time is never.
func (e Effective) PasswordExpires(changed time.Time) time.Time {
	age := e.PasswordAge()
	if age.Days <= 0 {
		return time.Time{}
	}
	return changed.UTC().AddDate(0, 0, age.Days)
}

// maxPasswordAge is the longest cycle that can be set, in days.
const maxPasswordAge = 36500

// An AgeOrigin is after how many days a password must be changed, 0 for never,
// and where that is set.
type AgeOrigin struct {
	Days   int    `json:"days"`
	Origin string `json:"origin"`
}

// PasswordAge returns after how many days the account's password is due. That of
// a shared account never is: nobody could change it.
func (e Effective) PasswordAge() AgeOrigin {
	r := e.get()
	days, origin := r.site.Password.MaxAgeDays, OriginSite
	if own := r.account.PasswordAge; own != nil {
		days, origin = *own, OriginAccount
	}
	if r.account.Shared {
		return AgeOrigin{0, OriginShared}
	}
	if days <= 0 && origin == OriginSite {
		return AgeOrigin{0, OriginDefault}
	}
	return AgeOrigin{min(max(days, 0), maxPasswordAge), origin}
}

func mustChange(r *resolved, a *Attempt) answer {
	switch {
	case !a.Credential.MustChange:
		return allow("the password need not be changed")
	case a.Credential.Kind == KindLink:
		return allow("a link opens nothing but its page")
	case changesPassword(r, a):
		return allow("the password must be changed, and may be changed here")
	case r.ownPassword() != "":
		return refuse("the password must be changed first, and " + r.ownPassword())
	}
	return refuse("the password must be changed first")
}

// changesPassword reports whether the attempt comes with what may change a
// password, at a door where it can be changed, and must do so.
func changesPassword(r *resolved, a *Attempt) bool {
	x := a.Credential.Expires
	expired := !x.IsZero() && a.Credential.Kind == KindPassword && !a.Time.Before(x)
	return (a.Credential.MustChange || expired) && interactive(a) && r.ownPassword() == ""
}

// ownPassword says why the account cannot set its own password, "" where it can.
func (r *resolved) ownPassword() string {
	switch {
	case r.account.Role == RoleGuest:
		return "a guest's is set by its managers and by administrators"
	case r.account.Shared:
		return "a shared account changes none of its credentials"
	}
	return ""
}

// interactive reports whether somebody is there who can be asked for more: a
// password, or the cookie that it gave, at a door that is not for files.
func interactive(a *Attempt) bool {
	return !a.Door.IsFile() && (a.Credential.Kind == KindPassword || a.Credential.Kind == KindCookie)
}
