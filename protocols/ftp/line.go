package ftp

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// maxLine bounds a command line: a path of path.MaxLength with every byte
// doubled as Telnet asks, and the command before it.
const maxLine = 8<<10 + 64

// mostSkipped bounds how much of a longer one is read to find its end.
const mostSkipped = 64 << 10

var (
	errLongLine = errors.New("the command line is too long")
	errFlood    = errors.New("the command line has no end")
)

// Telnet's bytes, as far as FTP control connections know them (RFC 854).
const (
	telnetSE   = 240
	telnetWill = 251
	telnetDont = 254
	telnetIAC  = 255
)

// lines reads command lines.
type lines struct{ r *bufio.Reader }

func newLines(r io.Reader) *lines { return &lines{bufio.NewReaderSize(r, maxLine)} }

// next returns the next line without its end and Telnet's commands. After
// errLongLine the line has been skipped.
func (l *lines) next() (string, error) {
	b, err := l.r.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", l.skip()
	}
	if err != nil {
		return "", err
	}
	b = b[:len(b)-1]
	if n := len(b); n > 0 && b[n-1] == '\r' {
		b = b[:n-1]
	}
	return withoutTelnet(b), nil
}

func (l *lines) skip() error {
	for skipped := maxLine; skipped < mostSkipped; {
		b, err := l.r.ReadSlice('\n')
		if err == nil {
			return errLongLine
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		skipped += len(b)
	}
	return errFlood
}

// pending reports whether more than the last line has come in already.
func (l *lines) pending() bool { return l.r.Buffered() > 0 }

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

// split parts a line into the command, in capitals, and its argument as sent.
func split(line string) (verb, arg string) {
	verb, arg, _ = strings.Cut(line, " ")
	return strings.ToUpper(verb), arg
}
