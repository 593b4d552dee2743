// Package wire reads and writes the packets of the SSH File Transfer Protocol,
// version 3 (draft-ietf-secsh-filexfer-02), with the extensions of OpenSSH. It
// trusts no length and no count of a client, and knows nothing of files.
package wire

import (
	"encoding/binary"
	"errors"
)

// Version is the version of the protocol that the package speaks.
const Version = 3

// Bounds of a packet. A packet's length leaves its own four bytes out, as the
// protocol counts. Payloads are those that OpenSSH asks for: a packet of the
// largest size less room for what stands around them.
const (
	MaxPacket  = 256 << 10
	MaxPayload = 255 << 10
)

// Type tells packets apart.
type Type uint8

// The packets of clients.
const (
	Init     Type = 1
	Open     Type = 3
	Close    Type = 4
	Read     Type = 5
	Write    Type = 6
	Lstat    Type = 7
	Fstat    Type = 8
	Setstat  Type = 9
	Fsetstat Type = 10
	Opendir  Type = 11
	Readdir  Type = 12
	Remove   Type = 13
	Mkdir    Type = 14
	Rmdir    Type = 15
	Realpath Type = 16
	Stat     Type = 17
	Rename   Type = 18
	Readlink Type = 19
	Symlink  Type = 20
	Extended Type = 200
)

// The packets of servers.
const (
	version       Type = 2
	status        Type = 101
	handle        Type = 102
	data          Type = 103
	name          Type = 104
	attrs         Type = 105
	extendedReply Type = 201
)

// The flags of Open (section 6.3).
const (
	FlagRead   uint32 = 1 << iota
	FlagWrite         // writing
	FlagAppend        // every write goes to the end
	FlagCreate        // the file is made where there is none
	FlagTruncate
	FlagExclusive // a file that is there is an error
)

// Code is the outcome in a status packet (section 7).
type Code uint32

// The codes of version 3.
const (
	OK               Code = 0
	EOF              Code = 1
	NoSuchFile       Code = 2
	PermissionDenied Code = 3
	Failure          Code = 4
	BadMessage       Code = 5
	Unsupported      Code = 8
)

// The extensions that requests name.
const (
	PosixRename   = "posix-rename@openssh.com"
	StatVFS       = "statvfs@openssh.com"
	FstatVFS      = "fstatvfs@openssh.com"
	Hardlink      = "hardlink@openssh.com"
	Fsync         = "fsync@openssh.com"
	Lsetstat      = "lsetstat@openssh.com"
	Limits        = "limits@openssh.com"
	ExpandPath    = "expand-path@openssh.com"
	HomeDirectory = "home-directory"
	CopyData      = "copy-data"
	NamesByID     = "users-groups-by-id@openssh.com"
)

// ErrMalformed says that a packet is shorter than what it must hold, or holds
// a length that passes its end.
var ErrMalformed = errors.New("malformed packet")

// A cursor reads fields off the front of a packet. After the first field that
// is not there it yields zero values, and bad stays true.
type cursor struct {
	rest []byte
	bad  bool
}

func (c *cursor) take(n uint32) []byte {
	if c.bad || uint64(n) > uint64(len(c.rest)) {
		c.bad = true
		return nil
	}
	out := c.rest[:n:n]
	c.rest = c.rest[n:]
	return out
}

func (c *cursor) uint32() uint32 {
	b := c.take(4)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint32(b)
}

func (c *cursor) uint64() uint64 {
	b := c.take(8)
	if b == nil {
		return 0
	}
	return binary.BigEndian.Uint64(b)
}

// bytes reads a string without copying it.
func (c *cursor) bytes() []byte { return c.take(c.uint32()) }

// MaxIDs is how many ids one request may ask names for.
const MaxIDs = 4096

// numbers reads a string that holds nothing but numbers.
func (c *cursor) numbers() []uint32 {
	inner := &cursor{rest: c.bytes()}
	if len(inner.rest)%4 != 0 || len(inner.rest)/4 > MaxIDs {
		c.bad = true
		return nil
	}
	var list []uint32
	for len(inner.rest) > 0 {
		list = append(list, inner.uint32())
	}
	return list
}

func (c *cursor) string() string { return string(c.bytes()) }
