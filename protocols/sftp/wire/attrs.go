package wire

import (
	"encoding/binary"
	"io/fs"
	"time"
)

// The fields of Attrs that Has names (section 5).
const (
	HasSize     uint32 = 0x1
	HasOwner    uint32 = 0x2
	HasMode     uint32 = 0x4
	HasTimes    uint32 = 0x8
	hasExtended uint32 = 0x80000000
)

// Attrs are a file's attributes; Has says which of them are there.
type Attrs struct {
	Has                uint32
	Size               uint64
	UID, GID           uint32
	Mode               uint32 // as in stat(2): type and permission bits
	Accessed, Modified uint32 // seconds since 1970
}

func (c *cursor) attrs() Attrs {
	a := Attrs{Has: c.uint32()}
	if a.Has&HasSize != 0 {
		a.Size = c.uint64()
	}
	if a.Has&HasOwner != 0 {
		a.UID, a.GID = c.uint32(), c.uint32()
	}
	if a.Has&HasMode != 0 {
		a.Mode = c.uint32()
	}
	if a.Has&HasTimes != 0 {
		a.Accessed, a.Modified = c.uint32(), c.uint32()
	}
	if a.Has&hasExtended != 0 {
		for n := c.uint32(); n > 0 && !c.bad; n-- {
			c.bytes()
			c.bytes()
		}
	}
	a.Has &= HasSize | HasOwner | HasMode | HasTimes
	return a
}

func appendAttrs(b []byte, a Attrs) []byte {
	b = binary.BigEndian.AppendUint32(b, a.Has)
	if a.Has&HasSize != 0 {
		b = binary.BigEndian.AppendUint64(b, a.Size)
	}
	if a.Has&HasOwner != 0 {
		b = binary.BigEndian.AppendUint32(b, a.UID)
		b = binary.BigEndian.AppendUint32(b, a.GID)
	}
	if a.Has&HasMode != 0 {
		b = binary.BigEndian.AppendUint32(b, a.Mode)
	}
	if a.Has&HasTimes != 0 {
		b = binary.BigEndian.AppendUint32(b, a.Accessed)
		b = binary.BigEndian.AppendUint32(b, a.Modified)
	}
	return b
}

// The types of a file in a mode, as POSIX numbers them.
const (
	modeRegular = 0o100000
	modeFolder  = 0o040000
	modeLink    = 0o120000
)

// Mode puts a mode into the numbers of the wire. What is neither file, folder
// nor link has no type.
func Mode(m fs.FileMode) uint32 {
	bits := uint32(m.Perm())
	switch {
	case m.IsRegular():
		return bits | modeRegular
	case m.IsDir():
		return bits | modeFolder
	case m.Type() == fs.ModeSymlink:
		return bits | modeLink
	}
	return bits
}

// Seconds puts a time into the 32 bits that the wire has for it; what lies
// outside of them becomes the nearest that fits.
func Seconds(t time.Time) uint32 {
	return uint32(min(max(t.Unix(), 0), 1<<32-1))
}
