package record

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"gatehouse/admin/rest"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
)

// Write puts the settings into an account. zone is the site's, for a date.
func (s AccountSettings) Write(x *accounts.Account, zone string, d *Directory) error {
	x.DisplayName, x.Email, x.RecoveryEmail = s.DisplayName, s.Email, s.RecoveryEmail
	x.Language, x.TimeZone, x.Theme, x.Notes = s.Language, s.TimeZone, s.Theme, s.Notes
	x.Role, x.PlainFTP, x.Uploads = policy.Role(s.Role), policy.Choice(s.PlainFTP), policy.Uploads(s.Uploads)
	x.Bypass, x.Shared, x.UID, x.GID = s.Bypass, s.Shared, s.UID, s.GID
	x.Manage = policy.Manage{Users: s.ManageUsers, Guests: s.ManageGuests, PersonalGroups: s.ManagePersonalGroups}
	x.ShareLinks, x.Desktop, x.PasswordAge = policy.Choice(s.ShareLinks), policy.Choice(s.DesktopAccess), s.PasswordMaxAge
	if x.Role == "" {
		x.Role = policy.RoleUser
	}
	if s.Uploads == string(policy.Inherit) {
		x.Uploads = ""
	}
	x.Limits, x.Quota = policy.Limits{}, policy.Quota{}
	if s.Limits != nil {
		x.Limits = *s.Limits
	}
	if s.Quota != nil {
		x.Quota = policy.Quota{Bytes: s.Quota.LimitBytes, Files: s.Quota.LimitFiles}
	}
	steps := []func(*accounts.Account) error{
		s.writePaths, s.writeNetwork, s.WriteExpiry(zone), s.writeFactor, s.writeGroups(d), s.WriteManagers(d),
	}
	for _, step := range steps {
		if err := step(x); err != nil {
			return err
		}
	}
	return nil
}

func (s AccountSettings) writePaths(x *accounts.Account) error {
	home, err := ParsePath("home", s.Home)
	if err != nil {
		return err
	}
	if s.Home != "" && home.IsRoot() {
		return rest.Invalid("home", "cannot be the whole tree; root can")
	}
	x.Home, x.Root, x.Roots = home, nil, nil
	if s.Root != nil {
		root, err := ParsePath("root", *s.Root)
		if err != nil {
			return err
		}
		x.Root = &root
	}
	for door, text := range s.Roots {
		p, err := ParsePath("roots."+door, text)
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
	x.Protocols = doorsOf(s.Protocols)
	return nil
}

// doorsOf reads a list of doors; nil and empty differ.
func doorsOf(texts *[]string) []policy.Door {
	if texts == nil {
		return nil
	}
	doors := []policy.Door{}
	for _, d := range *texts {
		doors = append(doors, policy.Door(d))
	}
	return doors
}

// WriteExpiry leaves a date that stays as it is in the zone that it was set in.
func (s AccountSettings) WriteExpiry(zone string) func(*accounts.Account) error {
	return func(x *accounts.Account) error {
		if was := ExpiryText(x.Expires); was != nil && s.Expires != nil && *was == *s.Expires {
			return nil
		}
		x.Expires = nil
		if s.Expires == nil || *s.Expires == "" {
			return nil
		}
		location, err := time.LoadLocation(Zone(s.TimeZone, zone))
		if err != nil {
			return rest.Invalid("time_zone", "is no time zone")
		}
		e, err := policy.ParseExpiry(*s.Expires, location)
		if err != nil {
			return rest.Invalid("expires", err.Error())
		}
		x.Expires = &e
		return nil
	}
}

func (s AccountSettings) writeFactor(x *accounts.Account) error {
	x.SecondFactor.WithKey = s.SecondFactorWithKey
	switch s.SecondFactor {
	case "", string(policy.Inherit):
		x.SecondFactor.Required = ""
	case factorRequired:
		x.SecondFactor.Required = policy.Allow
	case factorExempt:
		x.SecondFactor.Required = policy.Deny
	default:
		return rest.Invalid("second_factor", "is none of inherit, required, exempt")
	}
	return nil
}

func (s AccountSettings) writeGroups(d *Directory) func(*accounts.Account) error {
	return func(x *accounts.Account) error {
		var err error
		x.Groups, err = idsOf("groups", "group", s.Groups, d.ofGroups(x.Groups))
		return err
	}
}

// WriteManagers puts who manages the account.
func (s AccountSettings) WriteManagers(d *Directory) func(*accounts.Account) error {
	return func(x *accounts.Account) error {
		had := x.ManagedBy
		x.ManagedBy = nil
		if s.ManagedBy == nil {
			return nil
		}
		people, err := idsOf("managed_by.accounts", "account", s.ManagedBy.Accounts, d.ofAccounts(had))
		if err != nil {
			return err
		}
		groups, err := idsOf("managed_by.groups", "group", s.ManagedBy.Groups, d.ofGroups(had))
		x.ManagedBy = append(people, groups...)
		return err
	}
}

func idsOf(field, what string, names []string, idOf func(string) (string, error)) ([]string, error) {
	var ids []string
	for _, name := range names {
		id, err := idOf(name)
		if errors.Is(err, errStrange) {
			top, _, _ := strings.Cut(field, ".")
			return nil, rest.Denied(policy.Verdict{Field: top, Decision: policy.Decision{
				Rule: policy.RuleGives, Because: fmt.Sprintf("the caller has no %s %q to name here", what, name),
			}})
		}
		if err != nil {
			return nil, rest.Invalid(field, fmt.Sprintf("there is no %s %q", what, name))
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// Zone is the time zone that holds for an account: its own, else the site's.
func Zone(own, site string) string {
	if own != "" {
		return own
	}
	return site
}

// ParsePath reads a tree path that an administrator wrote: absolute, and
// without "..", which here can only be a mistake. Empty is the root.
func ParsePath(field, text string) (path.Path, error) {
	p, err := path.ParseStrict(text)
	if err != nil {
		return p, rest.Invalid(field, err.Error())
	}
	if text != "" && text[0] != '/' {
		return p, rest.Invalid(field, "is no absolute path: it begins with /")
	}
	return p, nil
}

func parsePrefixes(field string, texts []string) ([]netip.Prefix, error) {
	list, err := policy.ParsePrefixes(texts)
	if err != nil {
		return nil, rest.Invalid(field, err.Error())
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
