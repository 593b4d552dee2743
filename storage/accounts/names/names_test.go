package names

import (
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"gatehouse/storage/accounts/field"
)

func TestCanonical(t *testing.T) {
	for name, c := range map[string]struct{ name, want string }{
		"plain":              {"alice", "alice"},
		"case":               {"ALICE", "alice"},
		"case beyond ASCII":  {"ÄÖÜ", "äöü"},
		"sharp s is its own": {"straße", "straße"},
		"e-mail":             {"Alice.B+x@Example.ORG", "alice.b+x@example.org"},
		"words":              {"Alice Example", "alice example"},
		"decomposed":         {"Zoe\u0308", "zo\u00eb"},
		"full width":         {"\uff21lice", "alice"},
		"hebrew":             {"\u05d0\u05d1", "\u05d0\u05d1"},
		"longest":            {strings.Repeat("ü", 50), strings.Repeat("ü", 50)},
		"dots within":        {"a..b", "a..b"},
		"hidden":             {".bashrc", ".bashrc"},
		"leading dash":       {"-rf", "-rf"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Canonical(c.name)
			if err != nil || got != c.want {
				t.Errorf("got %q %v, want %q", got, err, c.want)
			}
			again, err := Canonical(got)
			if err != nil || again != got {
				t.Errorf("not stable: got %q %v of %q", again, err, got)
			}
		})
	}
}

// The short way for plain names comes to the same as the long one.
func TestPlainNamesAreCanonical(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`[a-z0-9._ A-Z-]{0,51}`).Draw(t, "name")
		got, err := Canonical(name)
		want, wantErr := canonical(name)
		if got != want || (err == nil) != (wantErr == nil) {
			t.Fatalf("got %q %v, want %q %v", got, err, want, wantErr)
		}
	})
}

func TestCanonicalRefuses(t *testing.T) {
	for name, s := range map[string]string{
		"empty":                 "",
		"too long":              strings.Repeat("a", 51),
		"dot":                   ".",
		"dots":                  "..",
		"reserved":              ".gatehouse",
		"slash":                 "a/b",
		"backslash":             `a\b`,
		"NUL":                   "a\x00b",
		"line end":              "a\nb",
		"delete":                "a\x7fb",
		"C1 control":            "a\u0085b",
		"leading space":         " a",
		"trailing space":        "a ",
		"space alone":           " ",
		"two spaces":            "a  b",
		"no-break space":        "a\u00a0b",
		"zero width space":      "a\u200bb",
		"zero width joiner":     "a\u200db",
		"joiner after virama":   "\u0915\u094d\u200d\u0937",
		"byte order mark":       "\ufeffa",
		"right-to-left mark":    "a\u200fb",
		"override":              "a\u202eb",
		"isolate":               "a\u2066b",
		"soft hyphen":           "a\u00adb",
		"variation selector":    "a\ufe0fb",
		"mixed direction":       "a\u05d0",
		"not UTF-8":             "a\xffb",
		"slash once folded":     "a\uff0fb",
		"backslash once folded": "a\uff3cb",
		"dots once folded":      "\uff0e\uff0e",
		"ligature":              "\ufb01",
		"unassigned":            "a\U000e0fff",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Canonical(s)
			var invalid *field.Error
			if !errors.As(err, &invalid) || invalid.Field != "username" || invalid.Why == "" {
				t.Errorf("got %q %v, want a refusal of the username", got, err)
			}
		})
	}
}

// Whatever is taken folds to itself, and can stand in a path.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{"alice", "A b", "\uff0e\uff0e", "straße", "\u0130", "a@b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, err := Canonical(s)
		if err != nil {
			return
		}
		if again, err := Canonical(got); err != nil || again != got {
			t.Errorf("%q folds to %q, which folds to %q (%v)", s, got, again, err)
		}
		if strings.ContainsAny(got, "/\\\x00") || got == "." || got == ".." || len(got) > 200 {
			t.Errorf("%q folds to %q", s, got)
		}
	})
}
