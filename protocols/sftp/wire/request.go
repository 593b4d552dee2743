package wire

// A Request is a packet of a client. Which fields are set follows from Type
// and, where that is Extended, from Extension.
type Request struct {
	Type Type
	// ID is to be repeated in the reply; of Init it is the client's version.
	ID        uint32
	Extension string

	// Path is the path asked for. Target is the second one: where a rename or a
	// hard link leads to.
	Path, Target string
	// Handle and Data are parts of the packet, valid as long as it is.
	Handle, Data []byte
	Offset       uint64
	Length       uint32
	Flags        uint32
	Attrs        Attrs
	// CopyData reads Size bytes of Handle from Offset on, or all where it is 0,
	// and writes them to TargetHandle from TargetOffset on.
	TargetHandle       []byte
	Size, TargetOffset uint64
	// UIDs and GIDs are what NamesByID asks about.
	UIDs, GIDs []uint32
}

// Parse reads a packet without its length. With an error Type and ID are those
// of the packet as far as it has them: identified then tells whether a reply
// could name it. Bytes after the last field are ignored, as OpenSSH does.
func Parse(packet []byte) (r Request, identified bool, err error) {
	if len(packet) < 5 {
		return Request{}, false, ErrMalformed
	}
	c := &cursor{rest: packet[1:]}
	r = Request{Type: Type(packet[0]), ID: c.uint32()}
	r.fields(c)
	if c.bad {
		return Request{Type: r.Type, ID: r.ID}, true, ErrMalformed
	}
	return r, true, nil
}

func (r *Request) fields(c *cursor) {
	switch r.Type {
	case Open:
		r.Path, r.Flags, r.Attrs = c.string(), c.uint32(), c.attrs()
	case Close, Fstat, Readdir:
		r.Handle = c.bytes()
	case Read:
		r.Handle, r.Offset, r.Length = c.bytes(), c.uint64(), c.uint32()
	case Write:
		r.Handle, r.Offset, r.Data = c.bytes(), c.uint64(), c.bytes()
	case Stat, Lstat, Opendir, Remove, Rmdir, Realpath, Readlink:
		r.Path = c.string()
	case Setstat, Mkdir:
		r.Path, r.Attrs = c.string(), c.attrs()
	case Fsetstat:
		r.Handle, r.Attrs = c.bytes(), c.attrs()
	case Rename:
		r.Path, r.Target = c.string(), c.string()
	case Symlink:
		// The draft names the link first, OpenSSH sends what it points to
		// first, and every client does as OpenSSH does.
		r.Target, r.Path = c.string(), c.string()
	case Extended:
		r.Extension = c.string()
		r.extended(c)
	}
}

func (r *Request) extended(c *cursor) {
	switch r.Extension {
	case PosixRename, Hardlink:
		r.Path, r.Target = c.string(), c.string()
	case StatVFS, ExpandPath, HomeDirectory:
		r.Path = c.string()
	case FstatVFS, Fsync:
		r.Handle = c.bytes()
	case Lsetstat:
		r.Path, r.Attrs = c.string(), c.attrs()
	case CopyData:
		r.Handle, r.Offset, r.Size = c.bytes(), c.uint64(), c.uint64()
		r.TargetHandle, r.TargetOffset = c.bytes(), c.uint64()
	case NamesByID:
		r.UIDs, r.GIDs = c.numbers(), c.numbers()
	}
}
