package scp

import (
	"errors"
	"strings"
	"testing"

	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/words"
)

func TestParseEntry(t *testing.T) {
	for line, want := range map[string]entry{
		"0644 12 name":         {0o644, 12, "name"},
		"0755 0 with a blank ": {0o755, 0, "with a blank "},
		"7777 1 \xff":          {0o777, 1, "\xff"},
		"0600 1 -rf":           {0o600, 1, "-rf"},
	} {
		if got, err := parseEntry(line); err != nil || got != want {
			t.Errorf("%q is %+v, %v, want %+v", line, got, err, want)
		}
	}
	for _, line := range []string{"", "0644", "0644 1", "0644 1 ", "0644 -1 f", "0644 x f", "0888 1 f", "00644 1 f", "0644 1 ..", "0644 1 a/b", "0644  1 f", "+644 1 f"} {
		if got, err := parseEntry(line); !errors.Is(err, errProtocol) {
			t.Errorf("%q is %+v, %v", line, got, err)
		}
	}
}

func TestParseTimes(t *testing.T) {
	got, err := parseTimes("1000000000 0 2000000000 0")
	if err != nil || got.modified.Unix() != 1_000_000_000 || got.accessed.Unix() != 2_000_000_000 {
		t.Errorf("%+v, %v", got, err)
	}
	for _, line := range []string{"", "1 0 1", "1 0 1 0 1", "-1 0 1 0", "x 0 1 0", "1  0 1 0", "99999999999999 0 1 0"} {
		if got, err := parseTimes(line); !errors.Is(err, errProtocol) {
			t.Errorf("%q is %+v, %v", line, got, err)
		}
	}
}

// Whatever a line says, its name is one element of a path, its size and mode are
// what a file can have.
func FuzzLine(f *testing.F) {
	for _, line := range []string{"0644 12 name", "0644 1 ../x", "1 0 1 0", "", "0644 99999999999999999999 x"} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		if e, err := parseEntry(line); err == nil {
			if path.ValidName(e.name) != nil || strings.ContainsAny(e.name, "/\x00") || e.size < 0 || e.mode&^0o777 != 0 {
				t.Errorf("%q is %+v", line, e)
			}
		}
		if when, err := parseTimes(line); err == nil && (when.modified.Unix() < 0 || when.accessed.Unix() < 0) {
			t.Errorf("%q is %+v", line, when)
		}
		if list, err := words.Split(line); err == nil {
			if o, err := parse(list); err == nil && (o.from == o.to || len(o.paths) == 0) {
				t.Errorf("%q is %+v", line, o)
			}
		}
	})
}
