package wire

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
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

// Whatever a client takes for a pattern, a name with one letter left open fits
// it, and what is hidden fits none that does not begin with a dot.
func FuzzPattern(f *testing.F) {
	for _, word := range []string{"*.txt", "[!a]?", "[", `\*`, ".h*", "a[^]b]", strings.Repeat("*a", 100)} {
		f.Add(word, "name.txt")
	}
	f.Fuzz(func(t *testing.T, word, name string) {
		match, ok := Pattern(word)
		if ok && !strings.ContainsAny(word, "*?[") {
			t.Errorf("%q is taken for a pattern", word)
		}
		if ok && strings.HasPrefix(name, ".") && !strings.HasPrefix(word, ".") && match(name) {
			t.Errorf("%q stands for %q", word, name)
		}
		first, size := utf8.DecodeRuneInString(name)
		if first == '.' || first == '/' || strings.ContainsAny(name[size:], `*?[\`) || len(name) == 0 || len(name) > longestPattern {
			return
		}
		if open, ok := Pattern("?" + name[size:]); !ok || !open(name) {
			t.Errorf("%q does not stand for %q", "?"+name[size:], name)
		}
	})
}
