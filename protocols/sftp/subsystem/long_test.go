package subsystem

import (
	"strings"
	"testing"
	"time"

	"gatehouse/auth/session"
)

// The zero Info is a file without a name or a time: nothing of it may break a
// listing.
func TestLongOfNothing(t *testing.T) {
	l := long{now: time.Now()}
	line := string(l.append(nil, &session.Info{}))
	if !strings.HasPrefix(line, "----------    1 ") || !strings.Contains(line, "Jan  1  0001") {
		t.Errorf("the line is %q", line)
	}
	if a := Attributes(session.Info{}); a.Modified != 0 || a.Accessed != 0 {
		t.Errorf("the times are %d and %d", a.Modified, a.Accessed)
	}
}

func TestLetters(t *testing.T) {
	for mode, want := range map[uint32]string{
		0o100644: "-rw-r--r--", 0o040750: "drwxr-x---", 0o120777: "lrwxrwxrwx", 0o600: "?rw-------", 0o100000: "----------",
	} {
		if got := string(appendLetters(nil, mode)); got != want {
			t.Errorf("%o is %q, want %q", mode, got, want)
		}
	}
}

// The column of an owner is that of the one at hand, and numbers stand right.
func TestColumns(t *testing.T) {
	for n, want := range map[int64]string{0: "       0", 12345678: "12345678", 1234567890: "1234567890"} {
		if got := string(appendRight(nil, n)); got != want {
			t.Errorf("%d is %q, want %q", n, got, want)
		}
	}
	for name, want := range map[string]string{"a b~": "a b~", "a\tb": "a?b", "\x7f": "?", "\xff": "\ufffd", "\u00e4": "\u00e4"} {
		if got := Printable(name); got != want {
			t.Errorf("%q prints as %q, want %q", name, got, want)
		}
	}
}
