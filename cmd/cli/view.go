package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"gatehouse/admin/record"
	"gatehouse/policy"
)

// accountPairs is all that there is to tell of an account; what is not set is
// left out.
func accountPairs(x record.AccountView) [][2]string {
	pairs := [][2]string{
		{"username", x.Username}, {"id", x.ID}, {"display name", x.DisplayName}, {"e-mail", x.Email}, {"role", x.Role},
		{"status", statusText(x) + because(x.Status)}, {"home", x.Home}, {"root", textOr(x.Root)}, {"root at one door", rootsText(x.Roots)},
		{"protocols", doorsText(x.Protocols)}, {"allowed from", strings.Join(x.AllowedIPs, ", ")},
		{"site's list of addresses", note(x.Bypass, "does not hold for it")},
		{"plain FTP", x.PlainFTP}, {"uploads", x.Uploads}, {"share links", x.ShareLinks}, {"programs that sync", x.DesktopAccess},
		{"groups", strings.Join(x.Groups, ", ")}, {"limits", limitsText(x.Limits)}, {"quota", quotaText(x.Quota)},
		{"recovery e-mail", x.RecoveryEmail}, {"language", x.Language}, {"time zone", x.TimeZone}, {"theme", x.Theme}, {"notes", x.Notes},
		{"manages", managesText(x)}, {"shared", note(x.Shared, "yes")}, {"on disk", ownerText(x.UID, x.GID)},
		{"password", passwordText(x)}, {"second factor", factorText(x)}, {"other credentials", countsText(x.Credentials)},
		{"created", when(x.Created)}, {"last login", loginText(x.LastLogin)},
	}
	if x.ManagedBy != nil {
		pairs = append(pairs, [2]string{"managed by", managersText(x.ManagedBy)})
	}
	if x.ExpiresAt != nil {
		pairs = append(pairs, [2]string{"expires", expiryText(x)})
	}
	if x.FailedLogins > 0 {
		pairs = append(pairs, [2]string{"failed logins", strconv.Itoa(x.FailedLogins)})
	}
	for _, k := range x.Keys {
		pairs = append(pairs, [2]string{"key", k.Fingerprint + " " + k.Name + " (" + k.ID + ")"})
	}
	for _, g := range x.Grants {
		pairs = append(pairs, [2]string{"grant", grantText(g)})
	}
	return pairs
}

func factorText(x record.AccountView) string {
	text := x.SecondFactor
	switch f := x.TOTP; {
	case f != nil && f.Confirmed:
		text += ", enrolled " + when(f.Added)
	case f != nil:
		text += ", begun and not confirmed"
	}
	if x.SecondFactorWithKey {
		text += ", also after a key"
	}
	return strings.TrimPrefix(text, ", ")
}

func managesText(x record.AccountView) string {
	var list []string
	for what, yes := range map[string]bool{"users": x.ManageUsers, "guests": x.ManageGuests, "personal groups": x.ManagePersonalGroups} {
		if yes {
			list = append(list, what)
		}
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func idText(id *int) string {
	if id == nil {
		return "the mount's"
	}
	return strconv.Itoa(*id)
}

func because(s record.StatusView) string {
	if s.Why == "" {
		return ""
	}
	return " (" + s.Why + ")"
}

func grantText(g record.GrantView) string {
	text := g.Path + " " + strings.Join(g.Permissions, ",")
	if g.At != "" {
		text += " at /" + g.At
	}
	if !g.Recursive {
		text += ", not recursive"
	}
	if g.Cut != nil {
		text += ", cut to " + g.Cut.To
	}
	return text + " (" + g.ID + ")"
}

func textOr(text *string) string {
	if text == nil {
		return ""
	}
	return *text
}

// note is a text where something is so, else nothing.
func note(is bool, text string) string {
	if is {
		return text
	}
	return ""
}

func rootsText(roots map[string]string) string {
	var list []string
	for _, door := range slices.Sorted(maps.Keys(roots)) {
		list = append(list, door+"="+roots[door])
	}
	return strings.Join(list, ", ")
}

func doorsText(doors *[]string) string {
	if doors == nil {
		return ""
	}
	return orDash(strings.Join(*doors, ", "))
}

func limitsText(l *policy.Limits) string {
	if l == nil {
		return ""
	}
	set := map[string]int64{
		"sessions": int64(l.Sessions), "sessions_per_address": int64(l.AddressSession), "upload_rate": l.UploadRate,
		"download_rate": l.DownloadRate, "largest_upload": l.LargestUpload, "bytes_per_day": l.BytesPerDay,
		"bytes_per_month": l.BytesPerMonth, "ops_per_second": int64(l.OpsPerSecond),
	}
	var list []string
	for _, name := range limitNames {
		if n := set[name]; n != 0 {
			list = append(list, name+"="+limitText(name, n))
		}
	}
	return strings.Join(list, ", ")
}

// limitText writes a limit's figure: a count or a size.
func limitText(name string, n int64) string {
	switch {
	case n <= 0:
		return "unlimited"
	case strings.HasPrefix(name, "sessions"), name == "ops_per_second":
		return strconv.FormatInt(n, 10)
	}
	return size(&n)
}

func quotaText(q *record.QuotaSettings) string {
	if q == nil {
		return ""
	}
	return size(q.LimitBytes) + ", files " + countText(q.LimitFiles)
}

// countText writes a number; nil is unlimited.
func countText(n *int64) string {
	if n == nil {
		return "unlimited"
	}
	return strconv.FormatInt(*n, 10)
}

func ownerText(uid, gid *int) string {
	if uid == nil && gid == nil {
		return ""
	}
	return "uid " + idText(uid) + ", gid " + idText(gid)
}

func passwordText(x record.AccountView) string {
	age := ""
	if x.PasswordMaxAge != nil {
		age = fmt.Sprintf(", good for %d days", *x.PasswordMaxAge)
		if *x.PasswordMaxAge == 0 {
			age = ", good for ever"
		}
	}
	if x.Password == nil {
		return "none"
	}
	return "set " + when(x.Password.Changed) + age + note(x.Password.MustChange, ", must be changed")
}

func countsText(c *record.CredentialCounts) string {
	if c == nil {
		return ""
	}
	var list []string
	for _, one := range []struct {
		n    int
		what string
	}{{c.AppPasswords, "app passwords"}, {c.Tokens, "tokens"}, {c.Clients, "clients"}} {
		if one.n > 0 {
			list = append(list, fmt.Sprintf("%d %s", one.n, one.what))
		}
	}
	return strings.Join(list, ", ")
}

func loginText(l *record.LoginView) string {
	if l == nil {
		return ""
	}
	return when(l.Time) + " " + l.Door + " " + l.Address
}
