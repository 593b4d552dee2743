package field

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"gatehouse/policy"
)

// What people type is kept as they type it; what would be read as something else
// is not: ends of lines in a name, escapes of a terminal, bytes that are no text.
func TestText(t *testing.T) {
	const most = 20
	for name, c := range map[string]struct {
		text        string
		line, lines bool
	}{
		"plain":        {"Zoë Ångström", true, true},
		"empty":        {"", true, true},
		"two lines":    {"a\nb", false, true},
		"a tab":        {"a\tb", false, true},
		"an escape":    {"a\x1b[2Jb", false, false},
		"NUL":          {"a\x00b", false, false},
		"not UTF-8":    {"a\xffb", false, false},
		"C1 controls":  {"a\u0085b", false, false},
		"too long":     {strings.Repeat("x", most+1), false, false},
		"just as long": {strings.Repeat("x", most), true, true},
	} {
		if got := Text(c.text, most) == ""; got != c.line {
			t.Errorf("%s: taken for a line %v, want %v", name, got, c.line)
		}
		if got := Lines(c.text, most) == ""; got != c.lines {
			t.Errorf("%s: taken for lines %v, want %v", name, got, c.lines)
		}
	}
}

// Sets are written in one way, so that a change of nothing is none, and one that
// is empty is not taken for one that is not said.
func TestSetsHaveOneForm(t *testing.T) {
	if got := Doors([]policy.Door{"gopher", policy.WebDAV, policy.SFTP, policy.WebDAV}); !slices.Equal(got, Doors([]policy.Door{policy.SFTP, policy.WebDAV, "gopher"})) || len(got) != 3 {
		t.Errorf("got %v", got)
	}
	if Doors(nil) != nil || Doors([]policy.Door{}) == nil {
		t.Error("no doors at all, and doors that are not said, are the same")
	}
	if got := Unique([]string{"b", "a", "b"}); !slices.Equal(got, []string{"b", "a"}) {
		t.Errorf("got %v", got)
	}
	list := []netip.Prefix{
		netip.MustParsePrefix("192.0.2.7/24"), netip.MustParsePrefix("::ffff:192.0.2.0/120"), netip.MustParsePrefix("2001:db8::1/32"),
	}
	want := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")}
	if got := Prefixes(list); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// An address that is passed to a mailer is an address and nothing else.
func TestEmail(t *testing.T) {
	for address, ok := range map[string]bool{
		"": true, "a@b.c": true, "zoë@example.org": true,
		"Ann <a@b.c>": false, "a@b.c\r\nBcc: d@e.f": false, "a@b.c, d@e.f": false, "a": false, "@b.c": false,
		strings.Repeat("x", MaxName) + "@b.c": false,
	} {
		if err := Email("email", address); (err == nil) != ok {
			t.Errorf("%q: got %v, want it taken %v", address, err, ok)
		}
	}
}

// A zone that is another one on every machine says nothing.
func TestZone(t *testing.T) {
	for name, ok := range map[string]bool{"UTC": true, "Europe/Berlin": true, "Local": false, "": false, "Nowhere": false, "../etc/passwd": false} {
		if _, err := Zone(name); (err == nil) != ok {
			t.Errorf("%q: got %v, want it taken %v", name, err, ok)
		}
	}
}
