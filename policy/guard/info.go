package guard

import (
	"fmt"
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
	info        backend.Info
	name        string
	rules       *rules
	asked, real path.Path
}

// nobody owns what is in nobody's home.
const nobody = "gatehouse"

func newInfo(r *rules, p *place, i backend.Info) Info {
	name := p.seen.Base()
	if p.seen.IsRoot() {
		name = "/"
	}
	return Info{info: i, name: name, rules: r, asked: p.asked, real: p.real}
}

// Name is the last element of the path as the account sees it.
func (i Info) Name() string { return i.name }

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
	if i.rules == nil {
		return nobody
	}
	home := i.rules.account.Home
	if home.IsRoot() || !home.Contains(i.real) {
		return nobody
	}
	return i.rules.account.Name
}

// ID identifies the file for as long as it exists, whatever its name.
func (i Info) ID() string { return fmt.Sprintf("%x-%x", i.info.ID.Device, i.info.ID.Inode) }

// Permissions is what the account may do there.
func (i Info) Permissions() policy.Permissions {
	if i.rules == nil {
		return 0
	}
	p := i.rules.policy.Permissions(policy.Target{Path: i.asked, Folder: i.IsDir()})
	if i.real != i.asked {
		p &= i.rules.policy.Permissions(policy.Target{Path: i.real, Folder: i.IsDir()})
	}
	return p
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
