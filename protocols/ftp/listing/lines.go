package listing

import (
	"io/fs"
	"strconv"
	"strings"
	"time"

	"gatehouse/auth/session"
	"gatehouse/protocols/stamp"
)

// A Line appends an entry without its line end; target is where a link leads.
type Line func(b []byte, i *session.Info, target string) []byte

// Machine is how MLSD shows an entry.
func Machine(f Facts) Line {
	return func(b []byte, i *session.Info, target string) []byte {
		return append(append(f.Append(b, i, target), ' '), i.Name()...)
	}
}

// Names is how NLST shows an entry: by a path that the client can send back.
func Names(folder string) Line {
	prefix := ""
	if folder != "" {
		prefix = strings.TrimSuffix(folder, "/") + "/"
	}
	return func(b []byte, i *session.Info, _ string) []byte {
		return append(append(b, prefix...), i.Name()...)
	}
}

// Long is how LIST shows an entry: as ls -l would, times in UTC, which clients
// have come to read.
func Long(now time.Time) Line {
	var owner, shown string // of the last entry, and as its column shows it
	return func(b []byte, i *session.Info, target string) []byte {
		kind, size := byte('-'), i.Size()
		switch {
		case i.IsDir():
			kind, size = 'd', 0
		case i.Mode().Type() == fs.ModeSymlink:
			kind = 'l'
		}
		if o := i.Owner(); o != owner || shown == "" {
			owner, shown = o, column(o)
		}
		b = append(b, kind)
		b = appendMode(b, i.Mode())
		b = append(append(append(append(b, " 1 "...), shown...), ' '), shown...)
		b = append(appendRight(append(b, ' '), size, 12), ' ')
		b = append(appendTime(b, i.ModTime(), now), ' ')
		b = append(b, i.Name()...)
		if target != "" {
			b = append(append(b, " -> "...), target...)
		}
		return b
	}
}

func appendTime(b []byte, modified, now time.Time) []byte {
	if age := now.Sub(modified); age < -time.Hour || age > 180*24*time.Hour {
		return stamp.AppendListedOfOld(b, modified)
	}
	return stamp.AppendListed(b, modified)
}

func appendMode(b []byte, m fs.FileMode) []byte {
	for i, letter := range []byte("rwxrwxrwx") {
		if m&(1<<(8-i)) == 0 {
			letter = '-'
		}
		b = append(b, letter)
	}
	return b
}

// appendRight appends a number in a column of a width, aligned to the right.
func appendRight(b []byte, n int64, width int) []byte {
	var digits [20]byte
	text := strconv.AppendInt(digits[:0], n, 10)
	for range width - len(text) {
		b = append(b, ' ')
	}
	return append(b, text...)
}

// column is a value that stays within one column.
func column(s string) string {
	return strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, s)
}

// Carries reports whether a line can hold s. It could pass for two otherwise.
func Carries(s string) bool { return !strings.ContainsAny(s, "\r\n\x00") }
