package policy

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"gatehouse/policy/path"
)

// ErrName is what a refused new name is.
var ErrName = errors.New("the name cannot be used")

// A NameError says why the site's names rule refuses a new name.
type NameError struct{ Why string }

func (e *NameError) Error() string { return "the name cannot be used: " + e.Why }

// Is makes a NameError an ErrName.
func (e *NameError) Is(target error) bool { return target == ErrName }

// NamesPortable is the names rule that refuses what not every system can hold.
const NamesPortable = "portable"

// ValidNewName judges the name of something new against the site's names rule:
// nil, an error of path.ValidName or a *NameError.
func (e Effective) ValidNewName(name string) error {
	if err := path.ValidName(name); err != nil {
		return err
	}
	if e.get().site.Names != NamesPortable {
		return nil
	}
	if why := notPortable(name); why != "" {
		return &NameError{why}
	}
	return nil
}

func notPortable(name string) string {
	if !utf8.ValidString(name) {
		return "it is not UTF-8"
	}
	for _, r := range name {
		if unicode.IsControl(r) {
			return "it holds a control character"
		}
		if strings.ContainsRune(`<>:"\|?*`, r) {
			return "Windows cannot hold " + string(r)
		}
	}
	if last := name[len(name)-1]; last == '.' || last == ' ' {
		return "Windows cannot hold a dot or a space at the end"
	}
	if windowsDevice(name) {
		return "it is the name of a device on Windows"
	}
	return ""
}

// windowsDevice reports names such as NUL, com1 and LPT¹.txt.
func windowsDevice(name string) bool {
	stem, _, _ := strings.Cut(name, ".")
	stem = strings.ToUpper(strings.TrimRight(stem, " "))
	switch stem {
	case "CON", "PRN", "AUX", "NUL", "CONIN$", "CONOUT$":
		return true
	}
	digit, ok := strings.CutPrefix(stem, "COM")
	if !ok {
		digit, ok = strings.CutPrefix(stem, "LPT")
	}
	return ok && utf8.RuneCountInString(digit) == 1 && strings.Contains("0123456789¹²³", digit)
}
