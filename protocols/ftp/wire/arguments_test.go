package wire

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

func TestSpans(t *testing.T) {
	for arg, want := range map[string]Span{"": Whole, "3": {3, -1}, "3 5": {3, 2}, "3 3": {3, 0}, " 0  10 ": {0, 10}} {
		if got, ok := ParseSpan(arg); !ok || got != want {
			t.Errorf("%q: %v, %v", arg, got, ok)
		}
	}
	for _, arg := range []string{"x", "-1", "3 2", "1 2 3", "1 x", "99999999999999999999"} {
		if got, ok := ParseSpan(arg); ok {
			t.Errorf("%q is taken for %v", arg, got)
		}
	}
}

func TestQuoted(t *testing.T) {
	for arg, want := range map[string][2]string{
		`"a b" 1 2`: {"a b", "1 2"}, `"a""b"`: {`a"b`, ""}, `""`: {"", ""}, `"a"x`: {"a", "x"}, `""""  1`: {`"`, " 1"},
	} {
		if name, rest, ok := Quoted(arg); !ok || name != want[0] || rest != want[1] {
			t.Errorf("%s: %q, %q, %v", arg, name, rest, ok)
		}
	}
	for _, arg := range []string{"", "a", `"a`, `"`, `"a""`} {
		if name, rest, ok := Quoted(arg); ok || rest != arg {
			t.Errorf("%s: %q, %q", arg, name, rest)
		}
	}
}

func TestTimes(t *testing.T) {
	if got, ok := Time("20200229030405.5"); !ok || !got.Equal(time.Date(2020, 2, 29, 3, 4, 5, 0, time.UTC)) {
		t.Errorf("got %v, %v", got, ok)
	}
	for _, arg := range []string{"", "2020", "20210229030405", "20200229030405.", "20200229030405.x", "2020022903040 ", "+0200229030405"} {
		if got, ok := Time(arg); ok {
			t.Errorf("%q is taken for %v", arg, got)
		}
	}
}

func TestWithoutOptions(t *testing.T) {
	for arg, want := range map[string][2]string{
		"-la": {"la", ""}, "-l -a d": {"la", "d"}, "-la d e": {"la", "d e"}, "./-l": {"", "./-l"}, "": {"", ""}, "-": {"", ""}, "- x": {"", "x"}, "--sort=dead -l d": {"l", "d"},
	} {
		if options, rest := WithoutOptions(arg); options != want[0] || rest != want[1] {
			t.Errorf("%q: %q, %q", arg, options, rest)
		}
	}
}

// An idle connection holds next to nothing, also after a long line.
func TestIdleLines(t *testing.T) {
	l := NewLines(strings.NewReader("NOOP\r\nSTOR " + strings.Repeat("x", 5000) + "\r\nNOOP\r\n"))
	for {
		if _, err := l.Next(); err != nil {
			break
		}
	}
	if len(l.buf) > idle {
		t.Errorf("%d bytes are held", len(l.buf))
	}
}

// Text is the same whatever the pieces it comes in, and what is stored and sent
// again is what came.
func FuzzText(f *testing.F) {
	for _, s := range []string{"", "a\r\nb", "\r\r\n\n", "\n", "\r", "a\rb\r\n\r", "no line"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		stored := strings.ReplaceAll(sent, "\r\n", "\n")
		for name, r := range map[string]io.Reader{
			"whole": strings.NewReader(sent), "by bytes": iotest.OneByteReader(strings.NewReader(sent)), "with its end": iotest.DataErrReader(strings.NewReader(sent)),
		} {
			got, err := io.ReadAll(iotest.OneByteReader(NewTextReader(r)))
			if err != nil || string(got) != stored {
				t.Errorf("%q is stored as %q, want %q (%s, %v)", sent, got, stored, name, err)
			}
			if got, _ = io.ReadAll(NewTextReader(strings.NewReader(sent))); string(got) != stored {
				t.Errorf("%q is stored as %q, want %q", sent, got, stored)
			}
		}
		want := strings.ReplaceAll(strings.ReplaceAll(sent, "\r\n", "\n"), "\n", "\r\n")
		var whole, pieces bytes.Buffer
		_, _ = NewTextWriter(&whole).Write([]byte(sent))
		w := NewTextWriter(&pieces)
		for i := range len(sent) {
			_, _ = w.Write([]byte{sent[i]})
		}
		if whole.String() != want || pieces.String() != want {
			t.Errorf("%q is sent as %q and %q, want %q", sent, whole.String(), pieces.String(), want)
		}
	})
}

// Whatever an argument is, it is read or refused.
func FuzzArguments(f *testing.F) {
	for _, s := range []string{"127,0,0,1,200,1", "|1|127.0.0.1|5000|", "|2|::1|1|", `"a""b" 1 2`, "20200101000000.1", "-la x", "1 2"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		if a, err := ParsePORT(arg); err == nil && !a.Addr().Is4() {
			t.Errorf("PORT %q is %v", arg, a)
		}
		if a, err := ParseEPRT(arg); err == nil && (!a.IsValid() || a.Addr().Zone() != "") {
			t.Errorf("EPRT %q is %v", arg, a)
		}
		if s, ok := ParseSpan(arg); ok && (s.First < 0 || s.Length < -1) {
			t.Errorf("%q is %v", arg, s)
		}
		if n, ok := Number(arg); ok && n < 0 {
			t.Errorf("%q is %d", arg, n)
		}
		if when, ok := Time(arg); ok && FormatTime(when) != arg[:14] {
			t.Errorf("%q is %v", arg, when)
		}
		if name, rest, ok := Quoted(arg); ok && len(name)+len(rest) > len(arg) {
			t.Errorf("%q is %q and %q", arg, name, rest)
		}
		if options, rest := WithoutOptions(arg); strings.HasPrefix(rest, "-") || !strings.HasSuffix(arg, rest) {
			t.Errorf("%q is %q and %q", arg, options, rest)
		}
	})
}

// However much is written at once, little of it stands in memory converted.
func TestTextIsConvertedInPieces(t *testing.T) {
	var out bytes.Buffer
	largest := 0
	w := NewTextWriter(writer(func(b []byte) (int, error) {
		largest = max(largest, len(b))
		return out.Write(b)
	}))
	text := strings.Repeat("\n", 10*textPiece+1)
	if n, err := io.WriteString(w, text); n != len(text) || err != nil {
		t.Errorf("%d of %d bytes, %v", n, len(text), err)
	}
	if largest > 2*textPiece || out.String() != strings.Repeat("\r\n", len(text)) {
		t.Errorf("%d bytes came out, %d at once", out.Len(), largest)
	}
}

type writer func([]byte) (int, error)

func (w writer) Write(b []byte) (int, error) { return w(b) }
