package wire

import "encoding/binary"

// DataHeader is how many bytes stand before the payload of a data packet.
const DataHeader = 13

// begin starts a packet in b, which end completes. Its length comes first.
func begin(b []byte, t Type, id uint32) []byte {
	b = append(b, 0, 0, 0, 0, byte(t))
	return binary.BigEndian.AppendUint32(b, id)
}

func end(b []byte) []byte {
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func appendString[S ~string | ~[]byte](b []byte, s S) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// An Extension is what the version packet tells of one: its name and version.
type Extension struct{ Name, Version string }

// AppendVersion writes the answer to Init. b must be empty, as in each Append.
func AppendVersion(b []byte, extensions []Extension) []byte {
	b = begin(b, version, Version)
	for _, e := range extensions {
		b = appendString(b, e.Name)
		b = appendString(b, e.Version)
	}
	return end(b)
}

// AppendStatus writes an outcome with its text.
func AppendStatus(b []byte, id uint32, code Code, text string) []byte {
	b = begin(b, status, id)
	b = binary.BigEndian.AppendUint32(b, uint32(code))
	b = appendString(b, text)
	return end(appendString(b, "en"))
}

// AppendHandle writes a handle.
func AppendHandle(b []byte, id uint32, h string) []byte {
	return end(appendString(begin(b, handle, id), h))
}

// AppendAttrs writes attributes.
func AppendAttrs(b []byte, id uint32, a Attrs) []byte {
	return end(appendAttrs(begin(b, attrs, id), a))
}

// PutData writes the head of a data packet whose n bytes of payload stand, or
// will stand, after the first DataHeader bytes of b, and returns the packet.
func PutData(b []byte, id uint32, n int) []byte {
	begin(b[:0], data, id)
	binary.BigEndian.PutUint32(b[DataHeader-4:], uint32(n))
	return end(b[:DataHeader+n])
}

// AppendExtended writes the answer of an extension: numbers of 64 bits.
func AppendExtended(b []byte, id uint32, numbers ...uint64) []byte {
	b = begin(b, extendedReply, id)
	for _, n := range numbers {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return end(b)
}

// AppendNamesByID writes the names that ids have, empty ones where they have none.
func AppendNamesByID(b []byte, id uint32, users, groups []string) []byte {
	b = begin(b, extendedReply, id)
	for _, names := range [][]string{users, groups} {
		var list []byte
		for _, name := range names {
			list = appendString(list, name)
		}
		b = appendString(b, list)
	}
	return end(b)
}

// Names builds a name packet, entry by entry.
type Names struct {
	b     []byte
	count uint32
}

// NewNames begins a name packet in b, which must be empty.
func NewNames(b []byte, id uint32) *Names {
	return &Names{b: append(begin(b, name, id), 0, 0, 0, 0)}
}

// Add writes an entry: its name, its line in a long listing, its attributes.
func (n *Names) Add(filename string, long []byte, a Attrs) {
	n.count++
	n.b = appendString(n.b, filename)
	n.b = appendString(n.b, long)
	n.b = appendAttrs(n.b, a)
}

// Size is the packet's length so far.
func (n *Names) Size() int { return len(n.b) }

// Packet completes the packet.
func (n *Names) Packet() []byte {
	binary.BigEndian.PutUint32(n.b[9:], n.count)
	return end(n.b)
}
