package admin

import (
	"fmt"
	"net/netip"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
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
	Shared        bool              `json:"shared,omitempty"`
	UID           *int              `json:"uid,omitempty" nullable:"true" doc:"owner on disk of what the account makes"`
	GID           *int              `json:"gid,omitempty"`
}

// QuotaSettings is a limit; null is unlimited.
type QuotaSettings struct {
	LimitBytes *int64 `json:"limit_bytes" nullable:"true" required:"false" minimum:"0"`
	LimitFiles *int64 `json:"limit_files" nullable:"true" required:"false" minimum:"0"`
}

// AccountView is what administrators see of an account.
type AccountView struct {
	ID       string `json:"id"`
	Username string `json:"username"`
	AccountSettings
	Created   time.Time     `json:"created"`
	Status    StatusView    `json:"status"`
	ExpiresAt *time.Time    `json:"expires_at,omitempty" doc:"the instant that expires resolves to"`
	Password  *PasswordView `json:"password,omitempty" doc:"absent: none is set"`
	Keys      []KeyView     `json:"keys"`
	Grants    []GrantView   `json:"grants"`
	LastLogin *LoginView    `json:"last_login,omitempty"`
}

// StatusView is whether the account may come in.
type StatusView struct {
	State string     `json:"state" enum:"enabled,disabled,expired"`
	By    string     `json:"by,omitempty"`
	At    *time.Time `json:"at,omitempty"`
	Why   string     `json:"why,omitempty"`
}

// PasswordView says about a password what is no secret.
type PasswordView struct {
	Changed    time.Time `json:"changed"`
	MustChange bool      `json:"must_change"`
}

// LoginView is the last login.
type LoginView struct {
	Time    time.Time `json:"time"`
	Address string    `json:"address"`
	Door    string    `json:"door"`
}

// KeyView is an SSH public key.
type KeyView struct {
	ID          string     `json:"id"`
	Name        string     `json:"name"`
	PublicKey   string     `json:"public_key"`
	Fingerprint string     `json:"fingerprint"`
	Added       time.Time  `json:"added"`
	Expires     *time.Time `json:"expires,omitempty"`
	AllowedIPs  []string   `json:"allowed_ips,omitempty"`
	LastUsed    *time.Time `json:"last_used,omitempty"`
}

// GrantView is a grant.
type GrantView struct {
	ID          string   `json:"id"`
	Path        string   `json:"path"`
	Permissions []string `json:"permissions"`
	Recursive   bool     `json:"recursive"`
	At          string   `json:"at,omitempty"`
}

// settingsOf reads the settings of an account; groups are named by nameOf.
func settingsOf(x accounts.Account, nameOf func(id string) string) AccountSettings {
	s := AccountSettings{
		DisplayName: x.DisplayName, Email: x.Email, RecoveryEmail: x.RecoveryEmail,
		Language: x.Language, TimeZone: x.TimeZone, Theme: x.Theme, Notes: x.Notes,
		Role: string(x.Role), Home: x.Home.String(), PlainFTP: string(x.PlainFTP),
		Bypass: x.Bypass, Uploads: string(x.Uploads), Shared: x.Shared, UID: x.UID, GID: x.GID,
		AllowedIPs: prefixTexts(x.AllowedIPs),
	}
	if s.PlainFTP == "" {
		s.PlainFTP = string(policy.Inherit)
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
	if x.Quota.Bytes != nil || x.Quota.Files != nil {
		s.Quota = &QuotaSettings{x.Quota.Bytes, x.Quota.Files}
	}
	if x.Limits != (policy.Limits{}) {
		s.Limits = &x.Limits
	}
	s.Expires = expiryText(x.Expires)
	for _, id := range x.Groups {
		if name := nameOf(id); name != "" { // a membership of a group that is gone does not count
			s.Groups = append(s.Groups, name)
		}
	}
	return s
}

// write puts the settings into an account. zone is the site's, for a date.
func (s AccountSettings) write(x *accounts.Account, zone string, idOf func(group string) (string, error)) error {
	x.DisplayName, x.Email, x.RecoveryEmail = s.DisplayName, s.Email, s.RecoveryEmail
	x.Language, x.TimeZone, x.Theme, x.Notes = s.Language, s.TimeZone, s.Theme, s.Notes
	x.Role, x.PlainFTP, x.Uploads = policy.Role(s.Role), policy.Choice(s.PlainFTP), policy.Uploads(s.Uploads)
	x.Bypass, x.Shared, x.UID, x.GID = s.Bypass, s.Shared, s.UID, s.GID
	if x.Role == "" {
		x.Role = policy.RoleUser
	}
	if s.Uploads == "inherit" {
		x.Uploads = ""
	}
	x.Limits, x.Quota = policy.Limits{}, policy.Quota{}
	if s.Limits != nil {
		x.Limits = *s.Limits
	}
	if s.Quota != nil {
		x.Quota = policy.Quota{Bytes: s.Quota.LimitBytes, Files: s.Quota.LimitFiles}
	}
	for _, step := range []func(*accounts.Account) error{s.writePaths, s.writeNetwork, s.writeExpiry(zone), s.writeGroups(idOf)} {
		if err := step(x); err != nil {
			return err
		}
	}
	return nil
}

func (s AccountSettings) writePaths(x *accounts.Account) error {
	home, err := parsePath("home", s.Home)
	if err != nil {
		return err
	}
	if s.Home != "" && home.IsRoot() {
		return &accounts.InvalidError{Field: "home", Why: "cannot be the whole tree; root can"}
	}
	x.Home, x.Root, x.Roots = home, nil, nil
	if s.Root != nil {
		root, err := parsePath("root", *s.Root)
		if err != nil {
			return err
		}
		x.Root = &root
	}
	for door, text := range s.Roots {
		p, err := parsePath("roots."+door, text)
		if err != nil {
			return err
		}
		if x.Roots == nil {
			x.Roots = map[policy.Door]path.Path{}
		}
		x.Roots[policy.Door(door)] = p
	}
	return nil
}

func (s AccountSettings) writeNetwork(x *accounts.Account) error {
	var err error
	if x.AllowedIPs, err = parsePrefixes("allowed_ips", s.AllowedIPs); err != nil {
		return err
	}
	x.Protocols = nil
	if s.Protocols != nil {
		x.Protocols = []policy.Door{}
		for _, d := range *s.Protocols {
			x.Protocols = append(x.Protocols, policy.Door(d))
		}
	}
	return nil
}

// expiryText is what was set: a date or an instant.
func expiryText(e *policy.Expiry) *string {
	switch {
	case e == nil:
		return nil
	case e.Date != "":
		return new(e.Date)
	}
	return new(e.Instant.Format(time.RFC3339))
}

// writeExpiry leaves a date that stays as it is in the zone that it was set in.
func (s AccountSettings) writeExpiry(zone string) func(*accounts.Account) error {
	return func(x *accounts.Account) error {
		if was := expiryText(x.Expires); was != nil && s.Expires != nil && *was == *s.Expires {
			return nil
		}
		x.Expires = nil
		if s.Expires == nil || *s.Expires == "" {
			return nil
		}
		location, err := time.LoadLocation(zoneOf(s.TimeZone, zone))
		if err != nil {
			return &accounts.InvalidError{Field: "time_zone", Why: "is no time zone"}
		}
		e, err := policy.ParseExpiry(*s.Expires, location)
		if err != nil {
			return &accounts.InvalidError{Field: "expires", Why: err.Error()}
		}
		x.Expires = &e
		return nil
	}
}

func (s AccountSettings) writeGroups(idOf func(string) (string, error)) func(*accounts.Account) error {
	return func(x *accounts.Account) error {
		x.Groups = nil
		for _, name := range s.Groups {
			id, err := idOf(name)
			if err != nil {
				return &accounts.InvalidError{Field: "groups", Why: fmt.Sprintf("there is no group %q", name)}
			}
			x.Groups = append(x.Groups, id)
		}
		return nil
	}
}

func zoneOf(own, site string) string {
	if own != "" {
		return own
	}
	return site
}

// parsePath reads a tree path that an administrator wrote: absolute, and
// without "..", which here can only be a mistake. Empty is the root.
func parsePath(field, text string) (path.Path, error) {
	p, err := path.ParseStrict(text)
	if err != nil {
		return p, &accounts.InvalidError{Field: field, Why: err.Error()}
	}
	if text != "" && text[0] != '/' {
		return p, &accounts.InvalidError{Field: field, Why: "is no absolute path: it begins with /"}
	}
	return p, nil
}

func parsePrefixes(field string, texts []string) ([]netip.Prefix, error) {
	list, err := policy.ParsePrefixes(texts)
	if err != nil {
		return nil, &accounts.InvalidError{Field: field, Why: err.Error()}
	}
	return list, nil
}

func prefixTexts(list []netip.Prefix) []string {
	var texts []string
	for _, p := range list {
		texts = append(texts, p.String())
	}
	return texts
}

func doorTexts(list []policy.Door) []string {
	texts := make([]string, len(list))
	for i, d := range list {
		texts[i] = string(d)
	}
	return texts
}
