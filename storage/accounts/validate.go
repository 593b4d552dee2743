package accounts

import (
	"fmt"
	"slices"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/accounts/field"
	"gatehouse/storage/state/typed"
)

// Bounds of what an account may hold.
const (
	maxGrants = 10_000
	maxKeys   = 1_000
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
	if err := field.First(s.validateGroups(next, cur), s.validateManagers(next, cur)); err != nil {
		return err
	}
	if err := resolveExpiry(next, s.index.Site().TimeZone); err != nil {
		return err
	}
	if next.Home.IsRoot() {
		return &InvalidError{Field: "home", Why: "must not be the top of the tree"}
	}
	if p := next.Problems(); len(p) > 0 {
		return &InvalidError{Field: p[0].Field, Why: p[0].Why}
	}
	for _, check := range []func(*Account) error{
		validateProfile, validateSizes, validateOwner, s.validateCredentials,
	} {
		if err := check(next); err != nil {
			return err
		}
	}
	if err := validateSelfService(next, cur); err != nil {
		return err
	}
	if next.Authentication != Local {
		return &InvalidError{Field: "authentication", Why: fmt.Sprintf("%q is not known", next.Authentication)}
	}
	return field.First(field.Quota("quota", next.Quota), field.Limits(next.Limits))
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
	a.AllowedIPs = field.Prefixes(a.AllowedIPs)
	a.Groups = field.Unique(a.Groups)
	a.ManagedBy = field.Unique(a.ManagedBy)
	a.Protocols = field.Doors(a.Protocols)
	for i := range a.Grants {
		if a.Grants[i].ID == "" {
			a.Grants[i].ID = typed.NewID()
		}
	}
}

func orInherit(c policy.Choice) policy.Choice {
	if c == "" {
		return policy.Inherit
	}
	return c
}

// validateGroups refuses groups that do not exist, but for those that the
// account was in when they were deleted: these are dropped.
func (s *Store) validateGroups(next, cur *Account) error {
	var known []string
	for _, id := range next.Groups {
		if _, ok := s.index.GroupByID(id); ok {
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
	location, err := field.Zone(zone)
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

func validateProfile(a *Account) error {
	texts := []struct{ name, value string }{
		{"display_name", a.DisplayName}, {"theme", a.Theme},
		{"status.by", a.Status.By}, {"status.why", a.Status.Why},
	}
	for _, t := range texts {
		if why := field.Text(t.value, field.MaxName); why != "" {
			return &InvalidError{Field: t.name, Why: why}
		}
	}
	if why := field.Lines(a.Notes, field.MaxText); why != "" {
		return &InvalidError{Field: "notes", Why: why}
	}
	if a.TimeZone != "" {
		if _, err := field.Zone(a.TimeZone); err != nil {
			return &InvalidError{Field: "time_zone", Why: err.Error()}
		}
	}
	if err := field.Language(a.Language); err != nil {
		return err
	}
	return field.First(field.Email("email", a.Email), field.Email("recovery_email", a.RecoveryEmail))
}

func validateSizes(a *Account) error {
	sizes := []struct {
		name      string
		size, max int
	}{
		{"grants", len(a.Grants), maxGrants}, {"keys", len(a.Keys), maxKeys},
		{"groups", len(a.Groups), field.MaxList}, {"allowed_ips", len(a.AllowedIPs), field.MaxList},
		{"managed_by", len(a.ManagedBy), field.MaxList},
	}
	for _, s := range sizes {
		if s.size > s.max {
			return &InvalidError{Field: s.name, Why: fmt.Sprintf("are more than %d", s.max)}
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
func validateSelfService(a, cur *Account) error {
	must := a.Password != nil && a.Password.MustChange
	switch {
	case a.Shared && must:
		return &InvalidError{Field: "must_change", Why: "a shared account changes no password of its own"}
	case a.Role == policy.RoleGuest && must:
		return &InvalidError{Field: "must_change", Why: "a guest's password is set by its managers"}
	case a.Password == nil && a.PasswordAge != nil && *a.PasswordAge > 0 && !awaitsPassword(a, cur):
		return &InvalidError{Field: "password_max_age_days", Why: "the account has no password"}
	case a.Shared && !a.HasCode() && a.SecondFactor.Required == policy.Allow:
		return &InvalidError{Field: "second_factor.required", Why: "a shared account sets up no second factor of its own"}
	}
	return nil
}

// awaitsPassword reports whether an account was brought from elsewhere without its
// password, and has kept since what its next one is to be.
func awaitsPassword(a, cur *Account) bool {
	return !a.Imported.IsZero() && (cur == nil || cur.PasswordAge != nil && *cur.PasswordAge == *a.PasswordAge)
}

// maxOwner is the largest id of an owner on disk; the one above means none.
const maxOwner = 1<<32 - 2

func validateOwner(a *Account) error {
	for name, id := range map[string]*int{"uid": a.UID, "gid": a.GID} {
		if id != nil && (*id < 0 || *id > maxOwner) {
			return &InvalidError{Field: name, Why: fmt.Sprintf("%d is not an id", *id)}
		}
	}
	return nil
}

// validateCredentials refuses what can prove nobody, and ids that another
// account's credential has.
func (s *Store) validateCredentials(a *Account) error {
	if err := credentials.CheckKeys(a.Keys); err != nil {
		return err
	}
	if len(a.Credentials) > maxCredentials {
		return &InvalidError{Field: "credentials", Why: fmt.Sprintf("are more than %d", maxCredentials)}
	}
	ids := make(map[string]bool, len(a.Credentials))
	for i := range a.Credentials {
		c := &a.Credentials[i]
		if ids[c.ID] || s.index.CredentialTaken(c.ID, a.ID) {
			return &InvalidError{Field: "credentials", Why: fmt.Sprintf("the id %q is there already", c.ID)}
		}
		ids[c.ID] = true
		if err := c.Check(); err != nil {
			return err
		}
	}
	if a.TOTP == nil {
		return nil
	}
	return a.TOTP.Check()
}
