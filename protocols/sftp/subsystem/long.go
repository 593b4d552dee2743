package subsystem

import (
	"strconv"
	"strings"
	"time"

	"gatehouse/auth/session"
	"gatehouse/protocols/sftp/wire"
	"gatehouse/protocols/stamp"
)

// nobody is the number told for every owner and group: the gateway's owners
// are names, which the long listing shows.
const nobody = 65534

// group is the group that the long listing shows.
const group = "gatehouse"

// Attributes are what a client may know of a file.
func Attributes(i session.Info) wire.Attrs {
	accessed := i.Accessed()
	if accessed.IsZero() {
		accessed = i.ModTime()
	}
	return wire.Attrs{
		Has:  wire.HasSize | wire.HasOwner | wire.HasMode | wire.HasTimes,
		Size: uint64(max(i.Size(), 0)),
		UID:  nobody, GID: nobody,
		Mode:     wire.Mode(i.Mode()),
		Accessed: wire.Seconds(accessed),
		Modified: wire.Seconds(i.ModTime()),
	}
}

// halfYear is the age from which ls shows the year instead of the time of day.
const halfYear = 365 * 24 * time.Hour / 2

// A long writes files' lines in the form of ls -l, in which clients show them and
// some read them. Times are UTC. It keeps the last owner as its column shows it.
type long struct {
	now           time.Time
	owner, column string
}

func (l *long) append(b []byte, i *session.Info) []byte {
	if owner := i.Owner(); owner != l.owner || l.column == "" {
		l.owner, l.column = owner, strings.ReplaceAll(Printable(owner), " ", "_")
	}
	b = appendLetters(b, wire.Mode(i.Mode()))
	b = append(b, "    1 "...)
	b = appendWide(b, l.column)
	b = appendWide(append(b, ' '), group)
	b = appendRight(append(b, ' '), max(i.Size(), 0))
	b = l.appendTime(append(b, ' '), i.ModTime())
	return append(append(b, ' '), Printable(i.Name())...)
}

func (l *long) appendTime(b []byte, modified time.Time) []byte {
	if age := l.now.Sub(modified); age < 0 || age > halfYear {
		return stamp.AppendListedOfOld(b, modified)
	}
	return stamp.AppendListed(b, modified)
}

// width is that of the columns of a listing.
const width = 8

// appendWide appends a text and fills its column up.
func appendWide(b []byte, s string) []byte {
	b = append(b, s...)
	for n := len(s); n < width; n++ {
		b = append(b, ' ')
	}
	return b
}

// appendRight appends a number at the right of its column.
func appendRight(b []byte, n int64) []byte {
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], n, 10)
	for room := width - len(text); room > 0; room-- {
		b = append(b, ' ')
	}
	return append(b, text...)
}

// appendLetters appends a mode in the form of ls -l.
func appendLetters(b []byte, mode uint32) []byte {
	kind := byte('?')
	switch mode >> 12 {
	case 0o10:
		kind = '-'
	case 0o04:
		kind = 'd'
	case 0o12:
		kind = 'l'
	}
	b = append(b, kind)
	for i, letter := range []byte("rwxrwxrwx") {
		if mode&(1<<(8-i)) == 0 {
			letter = '-'
		}
		b = append(b, letter)
	}
	return b
}

// Printable replaces what could forge a line of a listing or of a message.
func Printable(s string) string {
	if isPlain(s) {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}

// isPlain reports a text that is ASCII and prints.
func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}
