package listing

import (
	"io/fs"
	"strconv"
	"strings"
	"time"

	"gatehouse/auth/session"
)

// A Line appends an entry without its line end; target is where a link leads.
type Line func(b []byte, i session.Info, target string) []byte

// Machine is how MLSD shows an entry.
func Machine(f Facts) Line {
	return func(b []byte, i session.Info, target string) []byte {
		return append(append(f.Append(b, i, target), ' '), i.Name()...)
	}
}

// Names is how NLST shows an entry: by a path that the client can send back.
func Names(folder string) Line {
	prefix := ""
	if folder != "" {
		prefix = strings.TrimSuffix(folder, "/") + "/"
	}
	return func(b []byte, i session.Info, _ string) []byte {
		return append(append(b, prefix...), i.Name()...)
	}
}

// Long is how LIST shows an entry: as ls -l would, times in UTC, which clients
// have come to read.
func Long(now time.Time) Line {
	return func(b []byte, i session.Info, target string) []byte {
		kind, size := byte('-'), i.Size()
		switch {
		case i.IsDir():
			kind, size = 'd', 0
		case i.Mode().Type() == fs.ModeSymlink:
			kind = 'l'
		}
		owner := column(i.Owner())
		b = append(b, kind)
		b = appendMode(b, i.Mode())
		b = append(append(append(append(b, " 1 "...), owner...), ' '), owner...)
		b = append(appendRight(append(b, ' '), size, 12), ' ')
		modified, layout := i.ModTime().UTC(), "Jan _2 15:04"
		if age := now.Sub(modified); age < -time.Hour || age > 180*24*time.Hour {
			layout = "Jan _2  2006"
		}
		b = append(append(modified.AppendFormat(b, layout), ' '), i.Name()...)
		if target != "" {
			b = append(append(b, " -> "...), target...)
		}
		return b
	}
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
