package guard

import (
	"io/fs"
	"strconv"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// Info is what the account may know of a file. It implements fs.FileInfo, with
// Sys returning nil.
type Info struct {
	info  backend.Info // with the name that the account sees
	rules *rules
	// among is set for what a listing has found in the folder itself, asked and
	// real for all else.
	among       *members
	asked, real path.Path
}

// nobody owns what is in nobody's home.
const nobody = "gatehouse"

func newInfo(r *rules, p *place, i backend.Info) Info {
	i.Name = p.seen.Base()
	if p.seen.IsRoot() {
		i.Name = "/"
	}
	return Info{info: i, rules: r, asked: p.asked, real: p.real}
}

// Name is the last element of the path as the account sees it.
func (i Info) Name() string { return i.info.Name }

// Size is the length in bytes.
func (i Info) Size() int64 { return i.info.Size }

// Mode is type and permission bits.
func (i Info) Mode() fs.FileMode { return i.info.Mode }

// ModTime is the time of the last change.
func (i Info) ModTime() time.Time { return i.info.Modified }

// IsDir reports a folder.
func (i Info) IsDir() bool { return i.info.IsDir() }

// Sys is nil: what lies below is nobody's business.
func (i Info) Sys() any { return nil }

// Accessed is the time of the last access, as far as the store keeps it.
func (i Info) Accessed() time.Time { return i.info.Accessed }

// Owner is the account's name in its home, else "gatehouse".
func (i Info) Owner() string {
	switch {
	case i.rules == nil:
		return nobody
	case i.among != nil && i.among.alike:
		return i.among.owner
	}
	_, real := i.paths()
	return i.rules.owner(real)
}

// paths are the tree path asked for, and where that really is.
func (i Info) paths() (asked, real path.Path) {
	if i.among == nil {
		return i.asked, i.real
	}
	p, err := i.among.in.member(i.info.Name)
	if err != nil {
		return i.among.in.asked, i.among.in.real // shows has seen that it fits
	}
	return p.asked, p.real
}

// Direct reports what a listing has found in the folder itself: not a shared
// folder that appears there, nor what a link leads to.
func (i Info) Direct() bool { return i.among != nil && !i.info.IsLink() }

// ID identifies the file for as long as it exists, whatever its name.
func (i Info) ID() string { return string(i.AppendID(nil)) }

// AppendID appends what ID returns.
func (i Info) AppendID(b []byte) []byte {
	b = strconv.AppendUint(b, i.info.ID.Device, 16)
	return strconv.AppendUint(append(b, '-'), i.info.ID.Inode, 16)
}

// Permissions is what the account may do there.
func (i Info) Permissions() policy.Permissions {
	switch {
	case i.rules == nil:
		return 0
	case i.among != nil && i.among.alike:
		return i.among.of(i.IsDir()).permissions
	}
	asked, real := i.paths()
	return i.rules.permissions(asked, real, i.IsDir())
}

// ETag is a strong entity tag, with its quotes: another content has another. It
// stays while only a name, a mode or a property changes (RFC 4918 8.6).
func (i Info) ETag() string { return etag(i.info) }

// etag is made of what a change of the content changes: a replaced file is
// another inode, and a time that a client sets is none that another set (fraction).
func etag(i backend.Info) string {
	b := make([]byte, 0, 48)
	b = append(b, '"')
	b = strconv.AppendUint(b, i.ID.Inode, 16)
	b = append(b, '-')
	b = strconv.AppendInt(b, i.Size, 16)
	b = append(b, '-')
	b = strconv.AppendInt(b, i.Modified.UnixNano(), 16)
	return string(append(b, '"'))
}

// undated leaves out a time that the file shows already: setting it again is no
// change, and gives no other entity tag.
func undated(a backend.Attr, now backend.Info) backend.Attr {
	if a.Modified != nil && a.Modified.Nanosecond() == 0 && a.Modified.Unix() == now.Modified.Unix() {
		a.Modified = nil
	}
	return a
}

// fraction completes a time of whole seconds, which is what clients can say, by
// the present fraction of one: two contents of one size then differ in their
// entity tags also where both were given the same time.
func fraction(t, now time.Time) time.Time {
	if t.Nanosecond() != 0 {
		return t
	}
	return t.Add(time.Duration(now.Nanosecond()))
}
