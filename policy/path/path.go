// Package path holds the canonical tree path. A name that arrives at a door is
// parsed once; nothing beyond the door handles a path in any other form.
package path

import (
	"cmp"
	"errors"
	"iter"
	"strings"
)

// Limits of a path, in bytes. They are those of Linux file systems, so that
// what is accepted at the door can be stored.
const (
	MaxName   = 255
	MaxLength = 4096
)

// Errors of Parse and Join. Front ends answer all of them as an invalid name.
var (
	ErrInvalid = errors.New("the name holds a NUL byte, a slash or is a dot name")
	ErrTooLong = errors.New("the name is too long")
	ErrClimbs  = errors.New("the path holds .. and is refused")
)

// A Path is an absolute, clean path. Its zero value is the root. Paths are
// compared as bytes: nothing is folded or normalised, every byte but NUL and
// the slash is kept as sent. Values are comparable with ==.
type Path struct{ s string } // "" is the root, otherwise "/a/b"

// Root is the top of the tree, the zero Path.
var Root = Path{}

// Parse makes a Path of s as a client sent it, absolute or relative to the
// root. Empty and "." elements are dropped, ".." is resolved before anything
// else and never climbs above the root.
func Parse(s string) (Path, error) {
	return parse(s, func(out []string) ([]string, error) {
		if len(out) == 0 {
			return out, nil
		}
		return out[:len(out)-1], nil
	})
}

// ParseStrict is Parse for doors that refuse ".." wherever it stands
// (WebDAV): it returns ErrClimbs for it.
func ParseStrict(s string) (Path, error) {
	return parse(s, func([]string) ([]string, error) { return nil, ErrClimbs })
}

// MustParse is Parse for constants of the program; it panics on an error.
func MustParse(s string) Path {
	p, err := Parse(s)
	if err != nil {
		panic(err)
	}
	return p
}

func parse(s string, up func([]string) ([]string, error)) (Path, error) {
	if strings.IndexByte(s, 0) >= 0 {
		return Path{}, ErrInvalid
	}
	if len(s) > MaxLength {
		return Path{}, ErrTooLong
	}
	var out []string
	var err error
	for name := range strings.SplitSeq(s, "/") {
		switch name {
		case "", ".":
		case "..":
			if out, err = up(out); err != nil {
				return Path{}, err
			}
		default:
			if len(name) > MaxName {
				return Path{}, ErrTooLong
			}
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return Path{}, nil
	}
	clean := "/" + strings.Join(out, "/")
	if len(clean) > MaxLength {
		return Path{}, ErrTooLong
	}
	return Path{clean}, nil
}

// ValidName reports whether name can be one element of a path: ErrInvalid,
// ErrTooLong or nil.
func ValidName(name string) error {
	if name == "" || name == "." || name == ".." || strings.IndexByte(name, '/') >= 0 || strings.IndexByte(name, 0) >= 0 {
		return ErrInvalid
	}
	if len(name) > MaxName {
		return ErrTooLong
	}
	return nil
}

// String returns the path as text, "/" for the root.
func (p Path) String() string {
	if p.s == "" {
		return "/"
	}
	return p.s
}

// IsRoot reports whether p is the top of the tree.
func (p Path) IsRoot() bool { return p.s == "" }

// Base returns the last element, "" for the root.
func (p Path) Base() string { return p.s[strings.LastIndexByte(p.s, '/')+1:] }

// Dir returns the folder that holds p; the root's is the root.
func (p Path) Dir() Path {
	if p.s == "" {
		return p
	}
	return Path{p.s[:strings.LastIndexByte(p.s, '/')]}
}

// First splits p at its first element: the name, and the rest as seen from
// there. The root's is "" and the root.
func (p Path) First() (name string, rest Path) {
	if p.s == "" {
		return "", p
	}
	i := strings.IndexByte(p.s[1:], '/')
	if i < 0 {
		return p.s[1:], Path{}
	}
	return p.s[1 : i+1], Path{p.s[i+1:]}
}

// Join returns the path of name in the folder p.
func (p Path) Join(name string) (Path, error) {
	if err := ValidName(name); err != nil {
		return Path{}, err
	}
	if len(p.s)+1+len(name) > MaxLength {
		return Path{}, ErrTooLong
	}
	return Path{p.s + "/" + name}, nil
}

// Append returns the path of rel below p: rel's root stands at p.
func (p Path) Append(rel Path) Path { return Path{p.s + rel.s} }

// Contains reports whether q is p or below it.
func (p Path) Contains(q Path) bool {
	return strings.HasPrefix(q.s, p.s) && (len(q.s) == len(p.s) || q.s[len(p.s)] == '/')
}

// Holds reports whether q stands directly in the folder p.
func (p Path) Holds(q Path) bool {
	return q.s != "" && len(p.s) == strings.LastIndexByte(q.s, '/') && strings.HasPrefix(q.s, p.s)
}

// Compare orders paths so that a folder stands right before all that is below
// it: element by element, each as bytes.
func (p Path) Compare(q Path) int {
	n := min(len(p.s), len(q.s))
	for i := range n {
		a, b := p.s[i], q.s[i]
		if a == b {
			continue
		}
		if a == '/' {
			return -1
		}
		if b == '/' {
			return 1
		}
		return cmp.Compare(a, b)
	}
	return cmp.Compare(len(p.s), len(q.s))
}

// Rel returns q as seen from p, the inverse of Append; ok is false where p
// does not contain q.
func (p Path) Rel(q Path) (rel Path, ok bool) {
	if !p.Contains(q) {
		return Path{}, false
	}
	return Path{q.s[len(p.s):]}, true
}

// Names yields the elements from the top down; none for the root.
func (p Path) Names() iter.Seq[string] {
	return func(yield func(string) bool) {
		if p.s == "" {
			return
		}
		for name := range strings.SplitSeq(p.s[1:], "/") {
			if !yield(name) {
				return
			}
		}
	}
}

// Above yields p and every folder above it, from p up to the root.
func (p Path) Above() iter.Seq[Path] {
	return func(yield func(Path) bool) {
		for {
			if !yield(p) || p.s == "" {
				return
			}
			p = p.Dir()
		}
	}
}

// MarshalText writes the path as String does, so that records and API carry it.
func (p Path) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote; a path that is not clean and
// absolute is refused.
func (p *Path) UnmarshalText(b []byte) error {
	q, err := Parse(string(b))
	if err != nil {
		return err
	}
	if q.String() != string(b) {
		return errors.New("the path is not absolute and clean")
	}
	*p = q
	return nil
}
