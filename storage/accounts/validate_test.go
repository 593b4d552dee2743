package accounts

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/state/memory"
)

func TestWhatIsRefused(t *testing.T) {
	s := open(t, memory.New())
	create(t, s, "alice", nil)
	negative := int64(-1)
	no, days, endless := -1, 90, 1_000_000
	boss := create(t, s, "boss", nil)
	guest := create(t, s, "guest", func(a *Account) { guestOf(a, boss) })
	team := group(t, s, Group{Kind: PersonalGroup, Group: policy.Group{Name: "team", Owner: boss.ID}})
	for name, c := range map[string]struct {
		field  string
		change func(*Account)
	}{
		"name":            {"username", func(a *Account) { a.Name = "bob" }},
		"id":              {"id", func(a *Account) { a.ID = "x" }},
		"role":            {"role", func(a *Account) { a.Role = "king" }},
		"door":            {"protocols", func(a *Account) { a.Protocols = []policy.Door{"gopher"} }},
		"plain FTP":       {"plain_ftp", func(a *Account) { a.PlainFTP = "maybe" }},
		"uploads":         {"uploads", func(a *Account) { a.Uploads = "sometimes" }},
		"grant of none":   {"grants", func(a *Account) { a.Grants = []policy.Grant{{Path: path.MustParse("/x")}} }},
		"grant at a path": {"grants", func(a *Account) { a.Grants = []policy.Grant{{Permissions: policy.Full, At: "a/b"}} }},
		"grants at one name": {"grants", func(a *Account) {
			a.Grants = []policy.Grant{
				{Path: path.MustParse("/x"), Permissions: policy.Full, At: "n"},
				{Path: path.MustParse("/y"), Permissions: policy.Full, At: "n"},
			}
		}},
		"grant twice": {"grants", func(a *Account) {
			a.Grants = []policy.Grant{{ID: "1", Permissions: policy.Full}, {ID: "1", Permissions: policy.Full}}
		}},
		"address":         {"allowed_ips", func(a *Account) { a.AllowedIPs = []netip.Prefix{{}} }},
		"expiry zone":     {"expires.zone", func(a *Account) { a.Expires = &policy.Expiry{Date: "2026-01-01", Zone: "Atlantis/Capital"} }},
		"expiry here":     {"expires.zone", func(a *Account) { a.Expires = &policy.Expiry{Date: "2026-01-01", Zone: "Local"} }},
		"expiry date":     {"expires", func(a *Account) { a.Expires = &policy.Expiry{Date: "2026-02-30"} }},
		"expiry of none":  {"expires", func(a *Account) { a.Expires = &policy.Expiry{} }},
		"quota":           {"quota.bytes", func(a *Account) { a.Quota.Bytes = &negative }},
		"quota of files":  {"quota.files", func(a *Account) { a.Quota.Files = &negative }},
		"limit":           {"limits.sessions", func(a *Account) { a.Limits.Sessions = -2 }},
		"e-mail":          {"email", func(a *Account) { a.Email = "not an address" }},
		"e-mail and name": {"email", func(a *Account) { a.Email = "Alice <alice@example.org>" }},
		"recovery e-mail": {"recovery_email", func(a *Account) { a.RecoveryEmail = "a@b\r\nBcc: c@d" }},
		"language":        {"language", func(a *Account) { a.Language = "klingon!" }},
		"time zone":       {"time_zone", func(a *Account) { a.TimeZone = "../../etc/passwd" }},
		"display name":    {"display_name", func(a *Account) { a.DisplayName = "a\x1b[2J" }},
		"notes":           {"notes", func(a *Account) { a.Notes = strings.Repeat("x", 5000) }},
		"uid":             {"uid", func(a *Account) { a.UID = &no }},
		"home":            {"home", func(a *Account) { a.Home = path.Root }},
		"group":           {"groups", func(a *Account) { a.Groups = []string{"nobody's"} }},
		"key":             {"public_key", func(a *Account) { a.Keys = []Key{{PublicKey: "ssh-rsa AAAA"}} }},
		"disabled admin": {"status", func(a *Account) {
			admin(a)
			a.Status.Disabled = true
		}},
		"authentication": {"authentication", func(a *Account) { a.Authentication = "magic" }},
		"shared, must change": {"must_change", func(a *Account) {
			a.Shared, a.Password = true, &Password{ID: "1", Hash: "x", MustChange: true}
		}},
		"shared, password age": {"password_max_age_days", func(a *Account) {
			a.Shared, a.PasswordAge, a.Password = true, &days, &Password{ID: "1", Hash: "x"}
		}},
		"no password, age":  {"password_max_age_days", func(a *Account) { a.PasswordAge = &days }},
		"negative age":      {"password_max_age_days", func(a *Account) { a.PasswordAge = &no }},
		"endless age":       {"password_max_age_days", func(a *Account) { a.PasswordAge = &endless }},
		"guest of nobody":   {"managed_by", func(a *Account) { a.Role = policy.RoleGuest }},
		"guest of a guest":  {"managed_by", func(a *Account) { a.Role, a.ManagedBy = policy.RoleGuest, []string{guest.ID} }},
		"managed by nobody": {"managed_by", func(a *Account) { a.ManagedBy = []string{"nobody"} }},
		"managed by itself": {"managed_by", func(a *Account) { a.ManagedBy = []string{a.ID} }},
		"managed by a team": {"managed_by", func(a *Account) { a.ManagedBy = []string{team.ID} }},
		"guest over users":  {"manage", func(a *Account) { guestOf(a, boss); a.Manage.Users = true }},
		"guest over guests": {"manage", func(a *Account) { guestOf(a, boss); a.Manage.Guests = true }},
		"guest over groups": {"manage", func(a *Account) { guestOf(a, boss); a.Manage.PersonalGroups = true }},
		"guest, must change": {"must_change", func(a *Account) {
			guestOf(a, boss)
			a.Password = &Password{ID: "1", Hash: "x", MustChange: true}
		}},
		"share links":            {"share_links", func(a *Account) { a.ShareLinks = "maybe" }},
		"desktop access":         {"desktop_access", func(a *Account) { a.Desktop = "maybe" }},
		"second factor":          {"second_factor.required", func(a *Account) { a.SecondFactor.Required = "maybe" }},
		"shared, second factor":  {"second_factor.required", func(a *Account) { a.Shared, a.SecondFactor.Required = true, policy.Allow }},
		"shared, code with keys": {"second_factor.with_key", func(a *Account) { a.Shared, a.SecondFactor.WithKey = true, true }},
		"many credentials":       {"credentials", func(a *Account) { a.Credentials = make([]Credential, 1001) }},
		"half a second factor":   {"totp", func(a *Account) { a.TOTP = &TOTP{ID: "1"} }},
		"a secret left out": {"credentials", func(a *Account) {
			a.Credentials = []Credential{{ID: "1", Kind: policy.KindToken, Name: "x", Hash: "plain"}}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.Update(t.Context(), "alice", 0, func(a *Account) error { c.change(a); return nil }, Guarded)
			var invalid *InvalidError
			if !errors.As(err, &invalid) || invalid.Field != c.field || invalid.Why == "" {
				t.Errorf("got %v, want a refusal of %q", err, c.field)
			}
		})
	}
}

func guestOf(a *Account, manager Account) {
	a.Role, a.ManagedBy = policy.RoleGuest, []string{manager.ID}
}

// What is no contradiction must not be taken for one.
func TestWhatIsNotRefused(t *testing.T) {
	s := open(t, memory.New())
	boss := create(t, s, "boss", nil)
	never := 0
	for name, change := range map[string]func(*Account){
		"shared, never":         func(a *Account) { a.Shared, a.PasswordAge = true, &never },
		"no password, never":    func(a *Account) { a.PasswordAge = &never },
		"guest with a password": func(a *Account) { guestOf(a, boss); a.Password = &Password{ID: "1", Hash: "x"} },
		"delegate":              func(a *Account) { a.ManagedBy, a.Manage.Users = []string{boss.ID}, true },
		"an old hash":           func(a *Account) { a.Password = &Password{ID: "1", Hash: "$apr1$salt$hash"} },
	} {
		a := Account{Account: policy.Account{Name: name}}
		change(&a)
		if _, err := s.Create(t.Context(), a); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An account that was brought without its password keeps what its next one is to
// be: an export without secrets can be applied. Nothing is set anew for a password
// that there is not.
func TestBroughtAccountAwaitsItsPassword(t *testing.T) {
	s := open(t, memory.New())
	days, more := 30, 60
	create(t, s, "alice", func(a *Account) { a.Imported, a.PasswordAge = time.Now(), &days })
	set := func(f func(*Account)) error {
		_, err := s.Update(t.Context(), "alice", 0, func(a *Account) error { f(a); return nil }, Guarded)
		return err
	}
	if err := set(func(a *Account) { a.Notes = "x" }); err != nil {
		t.Errorf("a change of something else: %v", err)
	}
	var invalid *InvalidError
	if err := set(func(a *Account) { a.PasswordAge = &more }); !errors.As(err, &invalid) || invalid.Field != "password_max_age_days" {
		t.Errorf("another age: got %v, want a refusal", err)
	}
	if err := set(func(a *Account) { a.PasswordAge = nil }); err != nil {
		t.Errorf("no age: %v", err)
	}
	if err := set(func(a *Account) { a.PasswordAge = &days }); !errors.As(err, &invalid) {
		t.Errorf("an age anew: got %v, want a refusal", err)
	}
}

// A guest whose managers are gone can still be changed, and be given another;
// one who has managers does not lose the last.
func TestGuestKeepsAManager(t *testing.T) {
	s := open(t, memory.New())
	boss, other := create(t, s, "boss", nil), create(t, s, "other", nil)
	create(t, s, "guest", func(a *Account) { guestOf(a, boss) })
	set := func(managers ...string) error {
		_, err := s.Update(t.Context(), "guest", 0, func(a *Account) error { a.ManagedBy = managers; return nil }, Guarded)
		return err
	}
	var invalid *InvalidError
	if err := set(); !errors.As(err, &invalid) || invalid.Field != "managed_by" {
		t.Errorf("the last one taken away: got %v, want a refusal", err)
	}
	if _, err := s.Delete(t.Context(), "boss", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	a, err := s.Update(t.Context(), "guest", 0, func(a *Account) error { a.Notes = "x"; return nil }, Guarded)
	if err != nil || len(a.ManagedBy) != 0 {
		t.Errorf("after its manager: got %v %v", a.ManagedBy, err)
	}
	if enters(t, s, "guest") {
		t.Error("a guest of nobody comes in")
	}
	if _, err := s.Disable(t.Context(), "guest", "admin", "", Guarded); err != nil {
		t.Errorf("disable: %v", err)
	}
	if _, err := s.Enable(t.Context(), "guest", "admin", Guarded); err != nil {
		t.Errorf("enable: %v", err)
	}
	if err := set(other.ID); err != nil || !enters(t, s, "guest") {
		t.Errorf("another one: %v, comes in %v", err, enters(t, s, "guest"))
	}
}

// Who changed the status, when and why is kept with every way of changing it.
func TestStatusChangesAreDated(t *testing.T) {
	s := open(t, memory.New())
	create(t, s, "alice", nil)
	a, err := s.Update(t.Context(), "alice", 0, func(a *Account) error {
		a.Status = policy.Status{Disabled: true, By: "admin", Why: "left"}
		return nil
	}, Guarded)
	if err != nil || a.Status.At.IsZero() || a.Status.By != "admin" || a.Status.Why != "left" {
		t.Errorf("got %+v %v", a.Status, err)
	}
}

func TestWhatIsNormalised(t *testing.T) {
	s := open(t, memory.New())
	a := create(t, s, "alice", func(a *Account) {
		a.Protocols = []policy.Door{policy.WebDAV, policy.SFTP, policy.WebDAV}
		a.AllowedIPs = []netip.Prefix{
			netip.MustParsePrefix("192.0.2.77/24"), netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("::ffff:198.51.100.1/128"),
		}
		a.Grants = []policy.Grant{{Path: path.MustParse("/x"), Permissions: policy.ReadOnly}}
		a.TimeZone = "Asia/Tokyo"
		a.Expires = &policy.Expiry{Date: "2030-06-01"}
	})
	if want := []policy.Door{policy.SFTP, policy.WebDAV}; !slices.Equal(a.Protocols, want) {
		t.Errorf("got protocols %v, want %v", a.Protocols, want)
	}
	if got, want := fmt.Sprint(a.AllowedIPs), "[192.0.2.0/24 198.51.100.1/32]"; got != want {
		t.Errorf("got addresses %s, want %s", got, want)
	}
	if a.Grants[0].ID == "" {
		t.Error("the grant has no id")
	}
	if got, want := a.Expires.Instant.UTC().Format(time.RFC3339), "2030-06-01T15:00:00Z"; got != want || a.Expires.Zone != "Asia/Tokyo" {
		t.Errorf("got expiry %s in %s, want %s", got, a.Expires.Zone, want)
	}
	none := create(t, s, "none", func(a *Account) { a.Protocols = []policy.Door{} })
	again, err := open(t, s.state).Account(t.Context(), "none")
	if err != nil || none.Protocols == nil || again.Protocols == nil || len(again.Protocols) != 0 {
		t.Errorf("no protocol at all became %v, then %v (%v)", none.Protocols, again.Protocols, err)
	}
}
