// Package record translates records between the store and the API: settings that
// are written, views that are shown. It decides nothing.
package record

import (
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// AccountSettings is what can be set of an account.
type AccountSettings struct {
	DisplayName   string            `json:"display_name,omitempty" maxLength:"200"`
	Email         string            `json:"email,omitempty" maxLength:"254"`
	RecoveryEmail string            `json:"recovery_email,omitempty" maxLength:"254" doc:"default: email"`
	Language      string            `json:"language,omitempty" maxLength:"35"`
	TimeZone      string            `json:"time_zone,omitempty" maxLength:"64"`
	Theme         string            `json:"theme,omitempty" maxLength:"32"`
	Notes         string            `json:"notes,omitempty" maxLength:"4000" doc:"seen by administrators alone"`
	Role          string            `json:"role,omitempty" enum:"admin,auditor,user,guest"`
	Home          string            `json:"home,omitempty" maxLength:"4096" doc:"a tree path; default /home/USERNAME"`
	Root          *string           `json:"root,omitempty" nullable:"true" doc:"the folder seen as /; default the home, an admin's /"`
	Roots         map[string]string `json:"roots,omitempty" doc:"overrides of root by door: sftp, ftp, webdav"`
	Protocols     *[]string         `json:"protocols,omitempty" nullable:"true" doc:"null inherits"`
	PlainFTP      string            `json:"plain_ftp,omitempty" enum:"inherit,allow,deny"`
	AllowedIPs    []string          `json:"allowed_ips,omitempty" nullable:"true" doc:"addresses or CIDR"`
	Bypass        bool              `json:"bypass_site_allowed_ips,omitempty"`
	Expires       *string           `json:"expires,omitempty" nullable:"true" doc:"YYYY-MM-DD (through that day, in time_zone) or an RFC 3339 instant"`
	Quota         *QuotaSettings    `json:"quota,omitempty"`
	Uploads       string            `json:"uploads,omitempty" enum:"in-place,atomic,inherit"`
	Limits        *policy.Limits    `json:"limits,omitempty"`
	Groups        []string          `json:"groups,omitempty" nullable:"true" doc:"names of groups"`
	Shared        bool              `json:"shared,omitempty" doc:"a bot: changes none of its own credentials, e-mails or time zone"`
	UID           *int              `json:"uid,omitempty" nullable:"true" doc:"owner on disk of what the account makes"`
	GID           *int              `json:"gid,omitempty"`

	ManagedBy            *ManagersSettings `json:"managed_by,omitempty" doc:"who manages the account; changed by administrators alone"`
	ManageUsers          bool              `json:"manage_users,omitempty" doc:"may make and change users that it manages"`
	ManageGuests         bool              `json:"manage_guests,omitempty" doc:"may make and change guests that it manages"`
	ManagePersonalGroups bool              `json:"manage_personal_groups,omitempty"`
	ShareLinks           string            `json:"share_links,omitempty" enum:"inherit,allow,deny"`
	DesktopAccess        string            `json:"desktop_access,omitempty" enum:"inherit,allow,deny"`

	SecondFactor        string `json:"second_factor,omitempty" enum:"inherit,required,exempt" doc:"inherit: as the site says"`
	SecondFactorWithKey bool   `json:"second_factor_with_key,omitempty" doc:"SFTP asks for a code after a key or certificate, too"`
	PasswordMaxAge      *int   `json:"password_max_age_days,omitempty" nullable:"true" minimum:"0" doc:"null inherits the site's, 0 is never"`
}

// ManagersSettings names the accounts and groups that manage an account.
type ManagersSettings struct {
	Accounts []string `json:"accounts,omitempty" nullable:"true" doc:"usernames"`
	Groups   []string `json:"groups,omitempty" nullable:"true" doc:"names of groups, whose managers it is then"`
}

// The words of second_factor beside inherit.
const (
	factorRequired = "required"
	factorExempt   = "exempt"
)

// SettingsOf reads the settings of an account; d names groups and managers.
func SettingsOf(x accounts.Account, d *Directory) AccountSettings {
	s := AccountSettings{
		DisplayName: x.DisplayName, Email: x.Email, RecoveryEmail: x.RecoveryEmail,
		Language: x.Language, TimeZone: x.TimeZone, Theme: x.Theme, Notes: x.Notes,
		Role: string(x.Role), Home: x.Home.String(), PlainFTP: choiceText(x.PlainFTP),
		Bypass: x.Bypass, Uploads: string(x.Uploads), Shared: x.Shared, UID: x.UID, GID: x.GID,
		AllowedIPs: prefixTexts(x.AllowedIPs), PasswordMaxAge: x.PasswordAge,
		ManageUsers: x.Manage.Users, ManageGuests: x.Manage.Guests, ManagePersonalGroups: x.Manage.PersonalGroups,
		ShareLinks: string(x.ShareLinks), DesktopAccess: string(x.Desktop),
		SecondFactor: FactorText(x.SecondFactor.Required), SecondFactorWithKey: x.SecondFactor.WithKey,
	}
	if x.Root != nil {
		s.Root = new(x.Root.String())
	}
	for door, p := range x.Roots {
		if s.Roots == nil {
			s.Roots = map[string]string{}
		}
		s.Roots[string(door)] = p.String()
	}
	if x.Protocols != nil {
		s.Protocols = new(doorTexts(x.Protocols))
	}
	s.Quota = quotaSettingsOf(x.Quota)
	if x.Limits != (policy.Limits{}) {
		s.Limits = &x.Limits
	}
	s.Expires = ExpiryText(x.Expires)
	s.Groups = Named(x.Groups, d.GroupName) // a membership of a group that is gone does not count
	s.ManagedBy = ManagersOf(x.ManagedBy, d)
	return s
}

// ManagersOf names those who manage an account.
func ManagersOf(ids []string, d *Directory) *ManagersSettings {
	m := ManagersSettings{Accounts: Named(ids, d.AccountName), Groups: Named(ids, d.GroupName)}
	if m.Accounts == nil && m.Groups == nil {
		return nil
	}
	return &m
}

func choiceText(c policy.Choice) string {
	if c == "" {
		return string(policy.Inherit)
	}
	return string(c)
}

// FactorText is a choice of second_factor as its word.
func FactorText(c policy.Choice) string {
	switch c {
	case policy.Allow:
		return factorRequired
	case policy.Deny:
		return factorExempt
	}
	return ""
}

// ExpiryText is what was set: a date or an instant.
func ExpiryText(e *policy.Expiry) *string {
	switch {
	case e == nil:
		return nil
	case e.Date != "":
		return new(e.Date)
	}
	return new(e.Instant.Format(time.RFC3339))
}
