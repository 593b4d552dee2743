package wire

import (
	"slices"
	"strings"
	"testing"
)

func TestPattern(t *testing.T) {
	names := []string{"a.txt", "b.txt", "b.dat", ".hidden.txt", "bb", "[x"}
	for word, want := range map[string][]string{
		"*.txt":    {"a.txt", "b.txt"},
		"b*":       {"b.txt", "b.dat", "bb"},
		"?.dat":    {"b.dat"},
		"[!a].*":   {"b.txt", "b.dat"},
		"[ab].txt": {"a.txt", "b.txt"},
		".h*":      {".hidden.txt"},
		"zz*":      nil,
	} {
		match, ok := Pattern(word)
		if !ok {
			t.Errorf("%q is taken for a name", word)
			continue
		}
		var got []string
		for _, name := range names {
			if match(name) {
				got = append(got, name)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q stands for %q, want %q", word, got, want)
		}
	}
	for _, word := range []string{"", "plain", "[x", "a[", strings.Repeat("*", 256)} {
		if _, ok := Pattern(word); ok {
			t.Errorf("%q is taken for a pattern", word)
		}
	}
}
