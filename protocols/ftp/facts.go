package ftp

import (
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"gatehouse/auth/session"
	"gatehouse/policy"
)

// facts is the set of MLSD's facts that a client wants (RFC 3659, 7.5).
type facts uint8

const (
	factType facts = 1 << iota
	factSize
	factModify
	factPerm
	factUnique
	factMode

	allFacts = factType | factSize | factModify | factPerm | factUnique | factMode
)

// factNames are in the order of their bits.
var factNames = []string{"type", "size", "modify", "perm", "unique", "UNIX.mode"}

// factsOf reads the argument of OPTS MLST.
func factsOf(arg string) facts {
	var f facts
	for want := range strings.SplitSeq(arg, ";") {
		for i, name := range factNames {
			if strings.EqualFold(want, name) {
				f |= 1 << i
			}
		}
	}
	return f
}

// feature is the facts as FEAT shows them: those in use with a star.
func (f facts) feature() string {
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

// names is the facts in use.
func (f facts) names() string {
	var b strings.Builder
	for i, name := range factNames {
		if f&(1<<i) != 0 {
			b.WriteString(name + ";")
		}
	}
	return b.String()
}

// of describes an entry; the name follows after a space.
func (f facts) of(i session.Info, target string) string {
	size := ""
	if !i.IsDir() {
		size = strconv.FormatInt(i.Size(), 10)
	}
	values := [...]string{
		kindFact(i, target), size, i.ModTime().UTC().Format("20060102150405"),
		permFact(i), i.ID(), fmt.Sprintf("%04o", i.Mode().Perm()),
	}
	var b strings.Builder
	for n, value := range values {
		if f&(1<<n) != 0 && (value != "" || 1<<n == factPerm) {
			b.WriteString(factNames[n] + "=" + value + ";")
		}
	}
	return b.String()
}

func kindFact(i session.Info, target string) string {
	switch {
	case i.IsDir():
		return "dir"
	case i.Mode().Type() != fs.ModeSymlink:
		return "file"
	case target == "" || strings.ContainsAny(target, "; "):
		return "OS.unix=symlink"
	default:
		return "OS.unix=slink:" + target
	}
}

// permFact is what the account may do with an entry, in the letters of RFC 3659,
// 7.5.5.
func permFact(i session.Info) string {
	rights := []struct {
		right        policy.Permissions
		file, folder string
	}{
		{policy.List, "", "l"},
		{policy.Read, "r", ""},
		{policy.Create, "", "cm"},
		{policy.Write, "aw", ""},
		{policy.Delete, "df", "dfp"},
	}
	var b strings.Builder
	if i.IsDir() {
		b.WriteString("e")
	}
	for _, r := range rights {
		switch {
		case i.Permissions()&r.right == 0:
		case i.IsDir():
			b.WriteString(r.folder)
		default:
			b.WriteString(r.file)
		}
	}
	return b.String()
}
