package wire

import (
	"errors"
	"io"
	"strings"
	"testing"
)

func TestLines(t *testing.T) {
	cases := map[string]struct {
		sent string
		want []string
		err  error
	}{
		"a command":                     {"NOOP\r\n", []string{"NOOP"}, io.EOF},
		"a line without carriage":       {"NOOP\nQUIT\n", []string{"NOOP", "QUIT"}, io.EOF},
		"a carriage return in a name":   {"STOR Icon\r\r\n", []string{"STOR Icon\r"}, io.EOF},
		"bytes are kept":                {"STOR \xc3\xa4 \xe4\xfe\r\n", []string{"STOR \xc3\xa4 \xe4\xfe"}, io.EOF},
		"Telnet's doubled IAC is one":   {"STOR a\xff\xffb\r\n", []string{"STOR a\xffb"}, io.EOF},
		"a client without Telnet":       {"STOR a\xffb\r\n", []string{"STOR a\xffb"}, io.EOF},
		"ABOR behind IP and Synch":      {"\xff\xf4\xff\xf2ABOR\r\n", []string{"ABOR"}, io.EOF},
		"ABOR, its mark out of band":    {"\xff\xf4\xffABOR\r\n", []string{"ABOR"}, io.EOF},
		"Telnet options are dropped":    {"NO\xff\xfb\x01OP\r\n", []string{"NOOP"}, io.EOF},
		"an option that is cut off":     {"NOOP\xff\xfb\n", []string{"NOOP"}, io.EOF},
		"nothing runs without its end":  {"DELE a", nil, io.EOF},
		"a line that is too long":       {"NOOP\nSTOR " + strings.Repeat("a", 2*MaxLine) + "\r\nQUIT\r\n", []string{"NOOP", "too long", "QUIT"}, io.EOF},
		"a line without end":            {"NOOP\nSTOR " + strings.Repeat("a", 2*MostSkipped) + "\r\nQUIT\r\n", []string{"NOOP"}, ErrFlood},
		"cut off where it is too long":  {"STOR " + strings.Repeat("a", 2*MaxLine), nil, io.EOF},
		"a path of the greatest length": {"STOR " + strings.Repeat("\xff\xff", 4096) + "\r\n", []string{"STOR " + strings.Repeat("\xff", 4096)}, io.EOF},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			l := NewLines(strings.NewReader(c.sent))
			var got []string
			for {
				line, err := l.Next()
				if errors.Is(err, ErrLong) {
					line, err = "too long", nil
				}
				if err != nil {
					if !errors.Is(err, c.err) {
						t.Errorf("ends with %v, want %v", err, c.err)
					}
					break
				}
				got = append(got, line)
			}
			if strings.Join(got, "|") != strings.Join(c.want, "|") {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

// Whatever is sent, a command has no line end in it, and nothing of one line
// shows up in the next.
func FuzzLines(f *testing.F) {
	f.Add("NOOP\r\nQUIT\r\n")
	f.Add("\xff\xf4\xff\xf2ABOR\r\n")
	f.Add("STOR a\xff\xff\xff\n\r\n\r\r\n")
	f.Fuzz(func(t *testing.T, sent string) {
		l := NewLines(strings.NewReader(sent))
		ends := strings.Count(sent, "\n")
		for n := 0; ; n++ {
			line, err := l.Next()
			if errors.Is(err, ErrLong) {
				continue
			}
			if err != nil {
				return
			}
			if n >= ends {
				t.Fatalf("more lines than ends in %q", sent)
			}
			if strings.Contains(line, "\n") || len(line) > MaxLine {
				t.Fatalf("%q is no line", line)
			}
			if verb, _ := Split(line); strings.Contains(verb, " ") {
				t.Fatalf("%q is no command", verb)
			}
		}
	})
}
