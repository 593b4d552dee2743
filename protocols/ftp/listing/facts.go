// Package listing writes the entries of a folder as MLSD, LIST and NLST show
// them. It appends to a buffer: large folders are written piece by piece.
package listing

import (
	"io/fs"
	"strconv"
	"strings"

	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/protocols/stamp"
)

// Facts is the set of MLSD's facts that a client wants (RFC 3659, 7.5).
type Facts uint8

const (
	factType Facts = 1 << iota
	factSize
	factModify
	factPerm
	factUnique
	factMode

	// AllFacts is what a client gets that asks for none.
	AllFacts = factType | factSize | factModify | factPerm | factUnique | factMode
)

// factNames are in the order of their bits.
var factNames = [...]string{"type", "size", "modify", "perm", "unique", "UNIX.mode"}

// FactsOf reads the argument of OPTS MLST.
func FactsOf(arg string) Facts {
	var f Facts
	for want := range strings.SplitSeq(arg, ";") {
		for i, name := range factNames {
			if strings.EqualFold(want, name) {
				f |= 1 << i
			}
		}
	}
	return f
}

// Feature is the facts as FEAT shows them: those in use with a star.
func (f Facts) Feature() string {
	var b strings.Builder
	for i, name := range factNames {
		b.WriteString(name)
		if f&(1<<i) != 0 {
			b.WriteByte('*')
		}
		b.WriteByte(';')
	}
	return b.String()
}

// Names is the facts in use.
func (f Facts) Names() string {
	var b strings.Builder
	for i, name := range factNames {
		if f&(1<<i) != 0 {
			b.WriteString(name + ";")
		}
	}
	return b.String()
}

// Append describes an entry; the name follows after a space. target is where a
// link leads, "" where that is not shown.
func (f Facts) Append(b []byte, i *session.Info, target string) []byte {
	for n, name := range factNames {
		fact := Facts(1 << n)
		if f&fact == 0 {
			continue
		}
		before := len(b)
		b = append(append(b, name...), '=')
		value := len(b)
		switch b = appendValue(b, fact, i, target); {
		case len(b) == value && fact != factPerm:
			b = b[:before]
		default:
			b = append(b, ';')
		}
	}
	return b
}

func appendValue(b []byte, fact Facts, i *session.Info, target string) []byte {
	switch fact {
	case factType:
		return appendKind(b, i, target)
	case factSize:
		if i.IsDir() {
			return b
		}
		return strconv.AppendInt(b, i.Size(), 10)
	case factModify:
		return stamp.AppendPacked(b, i.ModTime())
	case factPerm:
		return appendPerm(b, i)
	case factUnique:
		return i.AppendID(b)
	default:
		bits := i.Mode().Perm()
		return append(b, '0', '0'+byte(bits>>6&7), '0'+byte(bits>>3&7), '0'+byte(bits&7))
	}
}

func appendKind(b []byte, i *session.Info, target string) []byte {
	switch {
	case i.IsDir():
		return append(b, "dir"...)
	case i.Mode().Type() != fs.ModeSymlink:
		return append(b, "file"...)
	case target == "" || strings.ContainsAny(target, "; "):
		return append(b, "OS.unix=symlink"...)
	default:
		return append(append(b, "OS.unix=slink:"...), target...)
	}
}

// letters are what the account may do with an entry (RFC 3659, 7.5.5).
var letters = []struct {
	right        policy.Permissions
	file, folder string
}{
	{policy.List, "", "l"},
	{policy.Read, "r", ""},
	{policy.Create, "", "cm"},
	{policy.Write, "aw", ""},
	{policy.Delete, "df", "dfp"},
}

func appendPerm(b []byte, i *session.Info) []byte {
	if i.IsDir() {
		b = append(b, 'e')
	}
	given := i.Permissions()
	for _, l := range letters {
		switch {
		case given&l.right == 0:
		case i.IsDir():
			b = append(b, l.folder...)
		default:
			b = append(b, l.file...)
		}
	}
	return b
}
