package words_test

import (
	"errors"
	"path"
	"reflect"
	"strings"
	"testing"

	"gatehouse/protocols/sftp/words"
)

func text(texts ...string) []words.Word {
	var all []words.Word
	for _, s := range texts {
		all = append(all, words.Word{Text: s})
	}
	return all
}

func TestSplit(t *testing.T) {
	for line, want := range map[string][]words.Word{
		"":                        nil,
		"  \t ":                   nil,
		"md5sum a b":              text("md5sum", "a", "b"),
		"  a   b  ":               text("a", "b"),
		`'a b' "c d" e\ f`:        text("a b", "c d", "e f"),
		`''`:                      text(""),
		`a''b"c"\d`:               text("abcd"),
		`'a"b' "a'b" \'\"`:        text(`a"b`, `a'b`, `'"`),
		`"a\"b\\c\d"`:             text(`a"b\c\d`),
		`'$HOME' "\$HOME" \$HOME`: text("$HOME", "$HOME", "$HOME"),
		"'a\nb'":                  text("a\nb"),
		"a\\\nb":                  text("ab"),
		"\"a\\\nb\"":              text("ab"),
		"a#b":                     text("a#b"),
		"'#'":                     text("#"),
		"a~ '~'":                  text("a~", "~"),
		"~bob/x":                  text("~bob/x"),
		"a{b,c}!":                 text("a{b,c}!"),
		"ü\xff":                   text("ü\xff"),
		"a]b-^":                   text("a]b-^"),
		"~":                       text(""),
		"~/x":                     text("/x"),
		"*.txt":                   {{Text: "*.txt", Pattern: "*.txt"}},
		`a?'*'\[`:                 {{Text: `a?*[`, Pattern: `a?\*\[`}},
		`[a-c]"-"`:                {{Text: `[a-c]-`, Pattern: `[a-c]\-`}},
		`[!a]b!`:                  {{Text: `[!a]b!`, Pattern: `[^a]b\!`}},
		`[a!]["!"a]`:              {{Text: `[a!][!a]`, Pattern: `[a\!][\!a]`}},
		`[[!a]`:                   {{Text: `[[!a]`, Pattern: `[[\!a]`}},
		`'*'`:                     text("*"),
	} {
		got, err := words.Split(line)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%q is %+v, %v, want %+v", line, got, err, want)
		}
	}
}

// A command line that only a shell could carry out is refused as a whole: nothing
// of it is taken for a name.
func TestWhatAShellWouldDoIsRefused(t *testing.T) {
	for _, line := range []string{
		"a; b", "a & b", "a | b", "a < b", "a > b", "(a)", "a $b", "a ${b}", "a `b`", `a "$b"`, "a \"`b`\"", "a\nb", "a\rb", "a #b", "# a",
		"[[:alpha:]]", "[^[.a.]]", "[[=a=]]",
		"a\x00b", "'a\x00b'", "a\\\x00b", "\"a\x00\"",
	} {
		if got, err := words.Split(line); !errors.Is(err, words.ErrShell) {
			t.Errorf("%q is %v, %v", line, got, err)
		}
	}
	for _, line := range []string{"'a", `"a`, `a\`, `"a\"`} {
		if got, err := words.Split(line); !errors.Is(err, words.ErrQuote) {
			t.Errorf("%q is %v, %v", line, got, err)
		}
	}
	for _, line := range []string{strings.Repeat("a", words.MaxLine+1), strings.Repeat("a ", words.MaxWords+2)} {
		if _, err := words.Split(line); !errors.Is(err, words.ErrLong) {
			t.Errorf("a line of %d bytes: %v", len(line), err)
		}
	}
}

// Quoting any name makes it one word that is that name, and unquoted text never
// comes out as something that was not in the line.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"a b", `'a'"b"\c`, "*?[", "~/x", "$x", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		list, err := words.Split(s)
		total := 0
		for _, w := range list {
			total += len(w.Text)
			if w.Pattern != "" {
				if ok, err := path.Match(w.Pattern, w.Text); err == nil && !ok && !strings.ContainsAny(w.Text, "/[") {
					t.Errorf("%q: the pattern %q does not match its own text %q", s, w.Pattern, w.Text)
				}
			}
		}
		if err == nil && total > len(s) {
			t.Errorf("%q has words of %d bytes", s, total)
		}
		if strings.Contains(s, "\x00") || len(s) > 1000 {
			return
		}
		quoted := "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
		if got, err := words.Split(quoted); err != nil || len(got) != 1 || got[0].Text != s || got[0].Pattern != "" {
			t.Errorf("%q quoted is %+v, %v", s, got, err)
		}
	})
}
