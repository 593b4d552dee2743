// Package field says what single fields of the records may hold, and gives what
// can be written in several ways one form.
package field

import (
	"fmt"
	"net/mail"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"gatehouse/policy"
)

// Bounds of what a field may hold.
const (
	MaxText = 4096  // of notes, in bytes
	MaxName = 256   // of names and addresses, in bytes
	MaxList = 1_000 // addresses, groups, managers
)

// An Error names the field that is wrong, by its name in the API, and why.
type Error struct{ Field, Why string }

func (e *Error) Error() string { return fmt.Sprintf("%s: %s", e.Field, e.Why) }

// Text says why a line for people cannot be kept, "" where it can.
func Text(s string, most int) string {
	if strings.ContainsAny(s, "\n\t\r") {
		return "holds control characters"
	}
	return Lines(s, most)
}

// Lines is Text for a text of several lines.
func Lines(s string, most int) string {
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

// Missing says so of an empty text.
func Missing(s string) string {
	if s == "" {
		return "must not be empty"
	}
	return ""
}

// Language refuses what is no language tag (BCP 47).
func Language(tag string) error {
	if tag == "" {
		return nil
	}
	if _, err := language.Parse(tag); err != nil {
		return &Error{Field: "language", Why: fmt.Sprintf("%q is not a language tag", tag)}
	}
	return nil
}

// Email asks for a bare address (RFC 5321), without a name before it.
func Email(field, address string) error {
	if address == "" {
		return nil
	}
	parsed, err := mail.ParseAddress(address)
	if err != nil || parsed.Address != address || len(address) > MaxName || strings.ContainsFunc(address, unicode.IsControl) {
		return &Error{Field: field, Why: "is not an e-mail address"}
	}
	return nil
}

// Zone refuses "Local", which is another zone on every machine.
func Zone(name string) (*time.Location, error) {
	location, err := time.LoadLocation(name)
	if err != nil || name == "Local" || name == "" {
		return nil, fmt.Errorf("%q is not a time zone", name)
	}
	return location, nil
}

// Quota refuses negative bounds.
func Quota(field string, q policy.Quota) error {
	if q.Bytes != nil && *q.Bytes < 0 {
		return &Error{Field: field + ".bytes", Why: "is negative"}
	}
	if q.Files != nil && *q.Files < 0 {
		return &Error{Field: field + ".files", Why: "is negative"}
	}
	return nil
}

// Limits refuses negative limits, but for -1, which is unlimited whatever groups
// and site say; 0 says nothing.
func Limits(l policy.Limits) error {
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
		if x.value < -1 {
			return &Error{Field: "limits." + x.field, Why: "is negative; unlimited is -1"}
		}
	}
	return nil
}

// First returns the first error of a list that is one.
func First(list ...error) error {
	for _, err := range list {
		if err != nil {
			return err
		}
	}
	return nil
}

// Copy returns a pointer to a copy of what p points to, nil for nil.
func Copy[T any](p *T) *T {
	if p == nil {
		return nil
	}
	return new(*p)
}
