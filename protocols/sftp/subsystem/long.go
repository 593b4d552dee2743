package subsystem

import (
	"fmt"
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

func attributes(i session.Info) wire.Attrs {
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

// long is a file's line in the form of ls -l, in which clients show it and
// some read it. Times are UTC.
func long(i session.Info, now time.Time) string {
	modified := i.ModTime().UTC()
	when := modified.Format("Jan _2 15:04")
	if age := now.Sub(modified); age < 0 || age > halfYear {
		when = modified.Format("Jan _2  2006")
	}
	owner := strings.ReplaceAll(printable(i.Owner()), " ", "_")
	return fmt.Sprintf("%s    1 %-8s %-8s %8d %s %s",
		letters(wire.Mode(i.Mode())), owner, group, max(i.Size(), 0), when, printable(i.Name()))
}

// letters are a mode in the form of ls -l.
func letters(mode uint32) string {
	b := []byte("?rwxrwxrwx")
	switch mode >> 12 {
	case 0o10:
		b[0] = '-'
	case 0o04:
		b[0] = 'd'
	case 0o12:
		b[0] = 'l'
	}
	for i := range 9 {
		if mode&(1<<(8-i)) == 0 {
			b[1+i] = '-'
		}
	}
	return string(b)
}

// printable replaces what could forge a line of a listing.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, s)
}
