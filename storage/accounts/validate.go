package accounts

import (
	"errors"
	"fmt"
	"net/mail"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"gatehouse/policy"
)

// Bounds of what an account may hold.
const (
	maxText   = 4096 // of notes, in bytes
	maxName   = 256  // of names and addresses, in bytes
	maxGrants = 10_000
	maxKeys   = 1_000
	maxList   = 1_000 // addresses, groups, managers
)

// validate puts an account into its stored form and refuses, with an
// *InvalidError, what cannot stand. cur is the account as it is, nil for a new one.
func (s *Store) validate(next, cur *Account) error {
	if cur != nil {
		if err := keepIdentity(next, cur); err != nil {
			return err
		}
	}
	normalise(next)
	if err := firstError(s.validateGroups(next, cur), s.validateManagers(next, cur)); err != nil {
		return err
	}
	if err := resolveExpiry(next, s.index.present().TimeZone); err != nil {
		return err
	}
	if next.Home.IsRoot() {
		return &InvalidError{Field: "home", Why: "must not be the top of the tree"}
	}
	if p := next.Problems(); len(p) > 0 {
		return &InvalidError{Field: p[0].Field, Why: p[0].Why}
	}
	for _, check := range []func(*Account) error{
		validateProfile, validateSizes, validateOwner, validateKeys, s.validateCredentials, validateTOTP, validateSelfService,
	} {
		if err := check(next); err != nil {
			return err
		}
	}
	if next.Authentication != Local {
		return &InvalidError{Field: "authentication", Why: fmt.Sprintf("%q is not known", next.Authentication)}
	}
	return firstError(validateQuota("quota", next.Quota), validateLimits(next.Limits))
}

// keepIdentity refuses to change what an account has for life.
func keepIdentity(next, cur *Account) error {
	switch {
	case next.Name != cur.Name:
		return &InvalidError{Field: "username", Why: "is fixed for life"}
	case next.ID != cur.ID:
		return &InvalidError{Field: "id", Why: "is fixed for life"}
	}
	next.Created, next.Revision = cur.Created, cur.Revision
	if next.Status.Disabled != cur.Status.Disabled && next.Status.At.Equal(cur.Status.At) {
		next.Status.At = time.Now().UTC().Truncate(time.Second)
	}
	return nil
}

// normalise gives what can be written in several ways one form.
func normalise(a *Account) {
	for _, choice := range []*policy.Choice{&a.PlainFTP, &a.ShareLinks, &a.Desktop, &a.SecondFactor.Required} {
		*choice = orInherit(*choice)
	}
	a.AllowedIPs = plainPrefixes(a.AllowedIPs)
	a.Groups = unique(a.Groups)
	a.ManagedBy = unique(a.ManagedBy)
	a.Protocols = inOrder(a.Protocols)
	for i := range a.Grants {
		if a.Grants[i].ID == "" {
			a.Grants[i].ID = newID()
		}
	}
}

func orInherit(c policy.Choice) policy.Choice {
	if c == "" {
		return policy.Inherit
	}
	return c
}

// plainPrefixes masks each prefix, writes IPv4 in IPv6 as IPv4, and drops doubles.
func plainPrefixes(list []netip.Prefix) []netip.Prefix {
	var plain []netip.Prefix
	for _, p := range list {
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p = p.Masked(); !slices.Contains(plain, p) {
			plain = append(plain, p)
		}
	}
	return plain
}

// unique drops doubles, and keeps nil and empty apart from nothing else.
func unique(list []string) []string {
	var kept []string
	for _, v := range list {
		if !slices.Contains(kept, v) {
			kept = append(kept, v)
		}
	}
	return kept
}

// inOrder writes a set of doors in one order; nil and empty differ.
func inOrder(doors []policy.Door) []policy.Door {
	if doors == nil {
		return nil
	}
	kept := []policy.Door{}
	for _, d := range append(policy.Doors(), doors...) {
		if slices.Contains(doors, d) && !slices.Contains(kept, d) {
			kept = append(kept, d)
		}
	}
	return kept
}

// validateGroups refuses groups that do not exist, but for those that the
// account was in when they were deleted: these are dropped.
func (s *Store) validateGroups(next, cur *Account) error {
	var known []string
	for _, id := range next.Groups {
		if _, ok := s.index.groupByID(id); ok {
			known = append(known, id)
			continue
		}
		if cur == nil || !slices.Contains(cur.Groups, id) {
			return &InvalidError{Field: "groups", Why: fmt.Sprintf("there is no group %q", id)}
		}
	}
	next.Groups = known
	return nil
}

// resolveExpiry fills in the moment at which a date ends, in the zone it was
// set in: its own, the account's, or the site's.
func resolveExpiry(a *Account, site string) error {
	if a.Expires == nil {
		return nil
	}
	zone := a.Expires.Zone
	for _, z := range []string{a.TimeZone, site, "UTC"} {
		if zone == "" {
			zone = z
		}
	}
	location, err := loadZone(zone)
	if err != nil {
		return &InvalidError{Field: "expires.zone", Why: err.Error()}
	}
	x, err := a.Expires.Resolve(location)
	if err != nil {
		return &InvalidError{Field: "expires", Why: err.Error()}
	}
	a.Expires = &x
	return nil
}

// loadZone refuses "Local", which is another zone on every machine.
func loadZone(name string) (*time.Location, error) {
	location, err := time.LoadLocation(name)
	if err != nil || name == "Local" || name == "" {
		return nil, fmt.Errorf("%q is not a time zone", name)
	}
	return location, nil
}

func validateProfile(a *Account) error {
	texts := []struct{ field, value string }{
		{"display_name", a.DisplayName}, {"theme", a.Theme},
		{"status.by", a.Status.By}, {"status.why", a.Status.Why},
	}
	for _, t := range texts {
		if why := unfitText(t.value, maxName); why != "" {
			return &InvalidError{Field: t.field, Why: why}
		}
	}
	if why := unfitLines(a.Notes, maxText); why != "" {
		return &InvalidError{Field: "notes", Why: why}
	}
	if a.TimeZone != "" {
		if _, err := loadZone(a.TimeZone); err != nil {
			return &InvalidError{Field: "time_zone", Why: err.Error()}
		}
	}
	if err := validateLanguage(a.Language); err != nil {
		return err
	}
	return firstError(validateEmail("email", a.Email), validateEmail("recovery_email", a.RecoveryEmail))
}

// unfitText says why a line for people cannot be kept, "" where it can.
func unfitText(s string, most int) string {
	if strings.ContainsAny(s, "\n\t\r") {
		return "holds control characters"
	}
	return unfitLines(s, most)
}

// unfitLines is unfitText for a text of several lines.
func unfitLines(s string, most int) string {
	switch {
	case len(s) > most:
		return fmt.Sprintf("is longer than %d bytes", most)
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case strings.ContainsFunc(s, func(r rune) bool {
		return unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r'
	}):
		return "holds control characters"
	}
	return ""
}

func validateLanguage(tag string) error {
	if tag == "" {
		return nil
	}
	if _, err := language.Parse(tag); err != nil {
		return &InvalidError{Field: "language", Why: fmt.Sprintf("%q is not a language tag", tag)}
	}
	return nil
}

// validateEmail asks for a bare address (RFC 5321), without a name before it.
func validateEmail(field, address string) error {
	if address == "" {
		return nil
	}
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || len(address) > maxName || strings.ContainsFunc(address, unicode.IsControl) {
		return &InvalidError{Field: field, Why: "is not an e-mail address"}
	}
	return nil
}

func validateSizes(a *Account) error {
	sizes := []struct {
		field     string
		size, max int
	}{
		{"grants", len(a.Grants), maxGrants}, {"keys", len(a.Keys), maxKeys},
		{"groups", len(a.Groups), maxList}, {"allowed_ips", len(a.AllowedIPs), maxList},
		{"managed_by", len(a.ManagedBy), maxList},
	}
	for _, s := range sizes {
		if s.size > s.max {
			return &InvalidError{Field: s.field, Why: fmt.Sprintf("are more than %d", s.max)}
		}
	}
	ids := make(map[string]bool, len(a.Grants))
	for _, g := range a.Grants {
		if ids[g.ID] {
			return &InvalidError{Field: "grants", Why: fmt.Sprintf("the id %q is there twice", g.ID)}
		}
		ids[g.ID] = true
	}
	return nil
}

// validateSelfService refuses what asks an account to change what it has not, or
// may not change.
func validateSelfService(a *Account) error {
	must := a.Password != nil && a.Password.MustChange
	switch {
	case a.Shared && must:
		return &InvalidError{Field: "must_change", Why: "a shared account changes no password of its own"}
	case a.Role == policy.RoleGuest && must:
		return &InvalidError{Field: "must_change", Why: "a guest's password is set by its managers"}
	case a.Password == nil && a.PasswordAge != nil && *a.PasswordAge > 0:
		return &InvalidError{Field: "password_max_age_days", Why: "the account has no password"}
	case a.Shared && !a.HasCode() && a.SecondFactor.Required == policy.Allow:
		return &InvalidError{Field: "second_factor.required", Why: "a shared account sets up no second factor of its own"}
	}
	return nil
}

// maxOwner is the largest id of an owner on disk; the one above means none.
const maxOwner = 1<<32 - 2

func validateOwner(a *Account) error {
	for field, id := range map[string]*int{"uid": a.UID, "gid": a.GID} {
		if id != nil && (*id < 0 || *id > maxOwner) {
			return &InvalidError{Field: field, Why: fmt.Sprintf("%d is not an id", *id)}
		}
	}
	return nil
}

func validateQuota(field string, q policy.Quota) error {
	if q.Bytes != nil && *q.Bytes < 0 {
		return &InvalidError{Field: field + ".bytes", Why: "is negative"}
	}
	if q.Files != nil && *q.Files < 0 {
		return &InvalidError{Field: field + ".files", Why: "is negative"}
	}
	return nil
}

func validateLimits(l policy.Limits) error {
	limits := []struct {
		field string
		value int64
	}{
		{"sessions", int64(l.Sessions)}, {"sessions_per_address", int64(l.AddressSession)},
		{"upload_rate", l.UploadRate}, {"download_rate", l.DownloadRate},
		{"largest_upload", l.LargestUpload}, {"bytes_per_day", l.BytesPerDay},
		{"bytes_per_month", l.BytesPerMonth}, {"ops_per_second", int64(l.OpsPerSecond)},
	}
	for _, x := range limits {
		if x.value < 0 {
			return &InvalidError{Field: "limits." + x.field, Why: "is negative"}
		}
	}
	return nil
}

func validateSite(s *Site) error {
	s.AllowedIPs = plainPrefixes(s.AllowedIPs)
	s.Doors = inOrder(s.Doors)
	if p := s.Problems(); len(p) > 0 {
		return &InvalidError{Field: p[0].Field, Why: p[0].Why}
	}
	if _, err := loadZone(s.TimeZone); err != nil {
		return &InvalidError{Field: "time_zone", Why: err.Error()}
	}
	return firstError(validateLanguage(s.Language), validateLimits(s.Limits), validateCAs(s.SSHUserCAs))
}

// maxCAs is how many authorities for SSH certificates a site has.
const maxCAs = 100

// validateCAs asks for public keys such as accounts may have: an authority is no
// weaker than what it vouches for, and no certificate itself.
func validateCAs(lines []string) error {
	if len(lines) > maxCAs {
		return &InvalidError{Field: "ssh_user_cas", Why: fmt.Sprintf("are more than %d", maxCAs)}
	}
	seen := make(map[string]bool, len(lines))
	for i, line := range lines {
		k, err := ParseKey(line)
		var invalid *InvalidError
		if errors.As(err, &invalid) {
			return &InvalidError{Field: "ssh_user_cas", Why: fmt.Sprintf("line %d %s", i+1, invalid.Why)}
		}
		if err != nil {
			return err
		}
		if seen[k.Fingerprint] {
			return &InvalidError{Field: "ssh_user_cas", Why: fmt.Sprintf("line %d is there already", i+1)}
		}
		seen[k.Fingerprint] = true
		lines[i] = strings.TrimSpace(k.PublicKey + " " + k.Name)
	}
	return nil
}

func firstError(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}
