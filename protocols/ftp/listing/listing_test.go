package listing

import (
	"strings"
	"testing"
	"time"

	"gatehouse/auth/session"
)

func TestFacts(t *testing.T) {
	for arg, want := range map[string]string{
		"": "", "type;size;": "type;size;", "SIZE;Modify": "size;modify;", "bogus;unix.MODE;": "UNIX.mode;", ";;perm;;": "perm;",
	} {
		if got := FactsOf(arg).Names(); got != want {
			t.Errorf("%q: %q, want %q", arg, got, want)
		}
	}
	if got := AllFacts.Feature(); got != "type*;size*;modify*;perm*;unique*;UNIX.mode*;" {
		t.Errorf("FEAT: %q", got)
	}
}

func TestColumns(t *testing.T) {
	for n, want := range map[int64]string{0: "           0", 7: "           7", 123456789012: "123456789012", 1 << 62: "4611686018427387904"} {
		if got := string(appendRight(nil, n, 12)); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
	if got := column("a b\tc\x7f\u00e4"); got != "a_b_c_\u00e4" {
		t.Errorf("an owner: %q", got)
	}
	if got := string(appendMode(nil, 0o754)); got != "rwxr-xr--" {
		t.Errorf("a mode: %q", got)
	}
}

// A line is one line, whatever a name holds, and appends to what is there.
func FuzzCarries(f *testing.F) {
	f.Add("name")
	f.Add("a\r\nb")
	f.Fuzz(func(t *testing.T, name string) {
		if !Carries(name) {
			return
		}
		for _, line := range []Line{Machine(AllFacts), Long(time.Now()), Names("d")} {
			got := string(line([]byte("before"), &session.Info{}, name))
			if !strings.HasPrefix(got, "before") || strings.ContainsAny(got, "\r\n\x00") {
				t.Errorf("%q", got)
			}
		}
	})
}
