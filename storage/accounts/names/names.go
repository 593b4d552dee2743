// Package names compares names of accounts and groups as people do: whatever case
// or width they are written in, and with nothing in them that is not seen.
package names

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"

	"gatehouse/storage/accounts/field"
	"gatehouse/storage/mount"
)

// MaxUsername is the longest username, in runes.
const MaxUsername = 50

// Canonical returns the form under which usernames and group names are compared:
// PRECIS UsernameCaseMapped (RFC 8265) of each word, the words joined by single
// spaces. It returns an *field.Error where name cannot be a username.
func Canonical(name string) (string, error) {
	if isPlain(name) { // every request of WebDAV asks for one
		return name, nil
	}
	return canonical(name)
}

func canonical(name string) (string, error) {
	if why := unfit(name); why != "" {
		return "", &field.Error{Field: "username", Why: why}
	}
	words := strings.Split(name, " ")
	for i, word := range words {
		folded, err := foldWord(word)
		if err != nil {
			return "", &field.Error{Field: "username", Why: "holds characters that a username cannot hold"}
		}
		words[i] = folded
	}
	folded := strings.Join(words, " ")
	// Width mapping can make a slash or a dot name out of what was none.
	if why := unfit(folded); why != "" {
		return "", &field.Error{Field: "username", Why: why}
	}
	return folded, nil
}

// Reserved reports whether a canonical name is one by which events name who is no
// account: the gateway, and who is at the local socket.
func Reserved(folded string) bool {
	return folded == "gatehouse" || folded == "socket" || strings.HasPrefix(folded, "socket (")
}

// foldWord applies the profile until it changes nothing more: one pass is not
// always stable (RFC 8264, section 7).
func foldWord(word string) (string, error) {
	for range 3 {
		folded, err := precis.UsernameCaseMapped.String(word)
		if err != nil || folded == word {
			return folded, err
		}
		word = folded
	}
	return precis.UsernameCaseMapped.String(word)
}

// isPlain reports a name of small letters and digits, which is canonical as it is.
func isPlain(name string) bool {
	if name == "" || len(name) > MaxUsername {
		return false
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// unfit says why name cannot be a username, "" where nothing speaks against it.
func unfit(name string) string {
	switch {
	case name == "":
		return "must not be empty"
	case !utf8.ValidString(name):
		return "is not UTF-8"
	case utf8.RuneCountInString(name) > MaxUsername:
		return "is longer than 50 characters"
	case name == "." || name == ".." || name == mount.Reserved:
		return "is reserved"
	case strings.HasPrefix(name, " ") || strings.HasSuffix(name, " "):
		return "begins or ends with a space"
	case strings.Contains(name, "  "):
		return "holds two spaces in a row"
	case strings.ContainsAny(name, "/\\\x00"):
		return "holds a slash, a backslash or NUL"
	case strings.ContainsFunc(name, invisible):
		return "holds control or invisible characters"
	}
	return ""
}

// invisible reports control, bidi and zero-width characters, and joiners that
// PRECIS would allow in context.
func invisible(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Bidi_Control, r) ||
		unicode.Is(unicode.Variation_Selector, r) || unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r)
}
