package subsystem

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"gatehouse/auth/session"
	"gatehouse/protocols/sftp/wire"
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

// appendLong appends a file's line in the form of ls -l, in which clients show it
// and some read it. Times are UTC.
func appendLong(b []byte, i session.Info, now time.Time) []byte {
	modified := i.ModTime().UTC()
	when := "Jan _2 15:04"
	if age := now.Sub(modified); age < 0 || age > halfYear {
		when = "Jan _2  2006"
	}
	b = appendLetters(b, wire.Mode(i.Mode()))
	b = append(b, "    1 "...)
	b = appendWide(b, strings.ReplaceAll(Printable(i.Owner()), " ", "_"))
	b = appendWide(append(b, ' '), group)
	b = append(b, ' ')
	start := len(b)
	b = strconv.AppendInt(b, max(i.Size(), 0), 10)
	for len(b)-start < width {
		b = slices.Insert(b, start, ' ')
	}
	b = modified.AppendFormat(append(b, ' '), when)
	return append(append(b, ' '), Printable(i.Name())...)
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
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
