// Package wire reads what an FTP client says: command lines with what Telnet
// puts into them, and the arguments that are more than a path.
package wire

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// MaxLine bounds a command line: a path of the greatest length with every byte
// doubled as Telnet asks, and the command before it.
const MaxLine = 8<<10 + 64

// MostSkipped bounds how much of a longer one is read to find its end.
const MostSkipped = 64 << 10

// idle is what a connection holds that waits for a command.
const idle = 512

// Errors of Next: the line was skipped, or goes on and on.
var (
	ErrLong  = errors.New("the command line is too long")
	ErrFlood = errors.New("the command line has no end")
)

// Telnet's bytes, as far as FTP control connections know them (RFC 854).
const (
	telnetSE   = 240
	telnetWill = 251
	telnetDont = 254
	telnetIAC  = 255
)

// Lines reads command lines. Its memory grows with a long line, and shrinks
// once that was read.
type Lines struct {
	r          io.Reader
	buf        []byte
	start, end int // of what was read and not returned yet
}

// NewLines reads from r, once what is in before has been read.
func NewLines(r io.Reader, before ...byte) *Lines {
	l := &Lines{r: r, buf: make([]byte, max(idle, len(before)))}
	l.end = copy(l.buf, before)
	return l
}

// Next returns the next line without its end and Telnet's commands. After
// ErrLong the line has been skipped.
func (l *Lines) Next() (string, error) {
	for seen := 0; ; {
		if i := bytes.IndexByte(l.buf[l.start+seen:l.end], '\n'); i >= 0 {
			b := l.buf[l.start : l.start+seen+i]
			l.start += len(b) + 1
			if len(b) >= MaxLine {
				return "", ErrLong
			}
			return withoutTelnet(bytes.TrimSuffix(b, []byte{'\r'})), nil
		}
		if seen = l.end - l.start; seen >= MaxLine {
			return "", l.skip()
		}
		if err := l.fill(); err != nil {
			return "", err
		}
	}
}

func (l *Lines) skip() error {
	for skipped := 0; skipped < MostSkipped; {
		if i := bytes.IndexByte(l.buf[l.start:l.end], '\n'); i >= 0 {
			l.start += i + 1
			return ErrLong
		}
		skipped += l.end - l.start
		l.start = l.end
		if err := l.fill(); err != nil {
			return err
		}
	}
	return ErrFlood
}

// fill reads more behind what is there.
func (l *Lines) fill() error {
	switch held := l.end - l.start; {
	case held == 0 && len(l.buf) > idle:
		l.buf, l.start, l.end = make([]byte, idle), 0, 0
	case l.start > 0:
		l.start, l.end = 0, copy(l.buf, l.buf[l.start:l.end])
	case held == len(l.buf):
		l.buf = append(l.buf, make([]byte, held)...)
	}
	n, err := l.r.Read(l.buf[l.end:])
	l.end += n
	if n > 0 {
		return nil
	}
	return err
}

// Pending reports whether more than the last line has come in already.
func (l *Lines) Pending() bool { return l.end > l.start }

// withoutTelnet takes Telnet's commands out: those that come before an ABOR
// (whose last byte travels out of band), and a doubled IAC is one. What a client
// sent that knows nothing of Telnet stays as it is.
func withoutTelnet(b []byte) string {
	for len(b) > 0 && b[0] >= telnetSE {
		b = b[1:]
	}
	var out strings.Builder
	out.Grow(len(b))
	for i := 0; i < len(b); i++ {
		if b[i] != telnetIAC || i+1 == len(b) {
			out.WriteByte(b[i])
			continue
		}
		switch next := b[i+1]; {
		case next == telnetIAC:
			out.WriteByte(telnetIAC)
			i++
		case next >= telnetWill && next <= telnetDont:
			i += 2
		case next >= telnetSE:
			i++
		default:
			out.WriteByte(telnetIAC)
		}
	}
	return out.String()
}

// upper knows ASCII alone: other letters have capitals in there too.
func upper(r rune) rune {
	if r >= 'a' && r <= 'z' {
		r -= 'a' - 'A'
	}
	return r
}

// Split parts a line into the command, in capitals, and its argument as sent.
func Split(line string) (verb, arg string) {
	verb, arg, _ = strings.Cut(line, " ")
	return strings.Map(upper, verb), arg
}
