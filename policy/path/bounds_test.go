package path

import (
	"errors"
	"strings"
	"testing"
)

// What is as long as paths and names may be is one, what is a byte longer is none; a NUL,
// where the machine would end a name, is nowhere in one.
func TestBounds(t *testing.T) {
	long := strings.Repeat("n", MaxName)
	folder := MustParse(strings.Repeat("/"+strings.Repeat("f", 99), MaxLength/100-1))
	fits := strings.Repeat("x", min(MaxName, MaxLength-len(folder.String())-1))
	for len(folder.String())+1+len(fits) < MaxLength {
		folder, fits = folder.Append(MustParse("/y")), strings.Repeat("x", min(MaxName, MaxLength-len(folder.String())-3))
	}
	for name, c := range map[string]struct {
		do   func() error
		want error
	}{
		"a name":             {func() error { return ValidName(long) }, nil},
		"a longer name":      {func() error { return ValidName(long + "n") }, ErrTooLong},
		"NUL in front":       {func() error { return ValidName("\x00name") }, ErrInvalid},
		"NUL in a name":      {func() error { return ValidName("na\x00me") }, ErrInvalid},
		"a path of NUL":      {func() error { _, err := Parse("\x00/a"); return err }, ErrInvalid},
		"a member":           {func() error { _, err := folder.Join(fits); return err }, nil},
		"a longer member":    {func() error { _, err := folder.Join(fits + "x"); return err }, ErrTooLong},
		"a text":             {func() error { _, err := Parse(strings.Repeat("/", MaxLength-1) + "a"); return err }, nil},
		"a longer text":      {func() error { _, err := Parse(strings.Repeat("/", MaxLength) + "a"); return err }, ErrTooLong},
		"a path":             {func() error { _, err := Parse(folder.String() + "/" + fits); return err }, nil},
		"a path without '/'": {func() error { _, err := Parse(folder.String()[1:] + "/" + fits + "x"); return err }, ErrTooLong},
	} {
		if err := c.do(); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}
