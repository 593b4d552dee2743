package wire

import (
	"strconv"
	"strings"
	"time"
)

// stamp is how RFC 3659, 2.3 writes a time, in UTC.
const stamp = "20060102150405"

// Number reads a count as clients send it: digits alone.
func Number(s string) (int64, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// Time reads a time of RFC 3659, to the second: fractions are dropped.
func Time(s string) (time.Time, bool) {
	whole, fraction, some := strings.Cut(s, ".")
	if _, digits := Number(whole); !digits || len(whole) != len(stamp) {
		return time.Time{}, false
	}
	if _, digits := Number(fraction); some && !digits {
		return time.Time{}, false
	}
	t, err := time.Parse(stamp, whole)
	return t, err == nil
}

// FormatTime writes a time as RFC 3659 has it.
func FormatTime(t time.Time) string { return t.UTC().Format(stamp) }

// WithoutOptions drops what clients pass on to ls, and returns the letters. A name
// that begins with a dash is written ./-name.
func WithoutOptions(arg string) (options, rest string) {
	for strings.HasPrefix(arg, "-") {
		var one string
		one, arg, _ = strings.Cut(arg, " ")
		if !strings.HasPrefix(one, "--") {
			options += one[1:]
		}
	}
	return options, arg
}

// Quoted reads a name in quotes, with quotes in it doubled, and what follows
// it. ok is false where there is no such name.
func Quoted(arg string) (name, rest string, ok bool) {
	if !strings.HasPrefix(arg, `"`) {
		return "", arg, false
	}
	var b strings.Builder
	for i := 1; i < len(arg); i++ {
		switch {
		case arg[i] != '"':
			b.WriteByte(arg[i])
		case i+1 < len(arg) && arg[i+1] == '"':
			b.WriteByte('"')
			i++
		default:
			return b.String(), strings.TrimPrefix(arg[i+1:], " "), true
		}
	}
	return "", arg, false
}

// A Span is the bytes of a file from First on, Length of them; a negative Length
// is to its end.
type Span struct{ First, Length int64 }

// Whole is all of a file.
var Whole = Span{Length: -1}

// ParseSpan reads the two ends that follow a name, either of which may be
// missing: where to begin, and where to stop, which is not part of it.
func ParseSpan(arg string) (Span, bool) {
	fields := strings.Fields(arg)
	if len(fields) == 0 {
		return Whole, true
	}
	first, ok := Number(fields[0])
	switch {
	case !ok || len(fields) > 2:
		return Span{}, false
	case len(fields) == 1:
		return Span{first, -1}, true
	}
	end, ok := Number(fields[1])
	if !ok || end < first {
		return Span{}, false
	}
	return Span{first, end - first}, true
}
