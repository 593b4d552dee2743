package wire

import (
	"encoding/binary"
	"errors"
	"reflect"
	"testing"
)

// packet writes fields as a client does, without the packet's length.
func packet(t Type, fields ...any) []byte {
	b := []byte{byte(t)}
	for _, f := range fields {
		switch f := f.(type) {
		case int:
			b = binary.BigEndian.AppendUint32(b, uint32(f))
		case uint64:
			b = binary.BigEndian.AppendUint64(b, f)
		case string:
			b = appendString(b, f)
		case Attrs:
			b = appendAttrs(b, f)
		}
	}
	return b
}

func TestParse(t *testing.T) {
	attrs := Attrs{Has: HasSize | HasOwner | HasMode | HasTimes, Size: 1 << 40, UID: 1, GID: 2, Mode: 0o640, Accessed: 3, Modified: 4}
	tests := map[string]struct {
		in   []byte
		want Request
	}{
		"init":     {packet(Init, 3), Request{Type: Init, ID: 3}},
		"open":     {packet(Open, 7, "/a", int(FlagRead|FlagCreate), attrs), Request{Type: Open, ID: 7, Path: "/a", Flags: FlagRead | FlagCreate, Attrs: attrs}},
		"read":     {packet(Read, 7, "h", uint64(1<<33), 99), Request{Type: Read, ID: 7, Handle: []byte("h"), Offset: 1 << 33, Length: 99}},
		"write":    {packet(Write, 7, "h", uint64(5), "data"), Request{Type: Write, ID: 7, Handle: []byte("h"), Offset: 5, Data: []byte("data")}},
		"close":    {packet(Close, 7, "h"), Request{Type: Close, ID: 7, Handle: []byte("h")}},
		"stat":     {packet(Stat, 7, "a\xff\n"), Request{Type: Stat, ID: 7, Path: "a\xff\n"}},
		"mkdir":    {packet(Mkdir, 7, "d", Attrs{Has: HasMode, Mode: 0o700}), Request{Type: Mkdir, ID: 7, Path: "d", Attrs: Attrs{Has: HasMode, Mode: 0o700}}},
		"fsetstat": {packet(Fsetstat, 7, "h", Attrs{}), Request{Type: Fsetstat, ID: 7, Handle: []byte("h")}},
		"rename":   {packet(Rename, 7, "from", "to"), Request{Type: Rename, ID: 7, Path: "from", Target: "to"}},
		// OpenSSH sends what a link points to first, against the draft.
		"symlink":     {packet(Symlink, 7, "target", "link"), Request{Type: Symlink, ID: 7, Path: "link", Target: "target"}},
		"posixrename": {packet(Extended, 7, PosixRename, "from", "to"), Request{Type: Extended, ID: 7, Extension: PosixRename, Path: "from", Target: "to"}},
		"fsync":       {packet(Extended, 7, Fsync, "h"), Request{Type: Extended, ID: 7, Extension: Fsync, Handle: []byte("h")}},
		"lsetstat":    {packet(Extended, 7, Lsetstat, "a", Attrs{Has: HasTimes, Modified: 9}), Request{Type: Extended, ID: 7, Extension: Lsetstat, Path: "a", Attrs: Attrs{Has: HasTimes, Modified: 9}}},
		"unknown":     {packet(Extended, 7, "x@y", "rest"), Request{Type: Extended, ID: 7, Extension: "x@y"}},
		"no type":     {packet(99, 7, "rest"), Request{Type: 99, ID: 7}},
		"more bytes":  {append(packet(Close, 7, "h"), "rest"...), Request{Type: Close, ID: 7, Handle: []byte("h")}},
		"extended attributes": {
			packet(Setstat, 7, "a", int(hasExtended|HasMode), 0o600, 1, "name", "value"),
			Request{Type: Setstat, ID: 7, Path: "a", Attrs: Attrs{Has: HasMode, Mode: 0o600}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, identified, err := Parse(test.in)
			if err != nil || !identified {
				t.Fatalf("got error %v, identified %v", err, identified)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// A length or count that passes the end of its packet must neither be believed
// nor cost memory, and the reply must still find its request.
func TestParseMalformed(t *testing.T) {
	tests := map[string][]byte{
		"short path":        packet(Stat, 7, 100),
		"huge path":         packet(Stat, 7, 1<<32-1),
		"no path":           packet(Stat, 7),
		"short attributes":  packet(Mkdir, 7, "d", int(HasSize)),
		"huge count":        packet(Setstat, 7, "d", int(hasExtended), 1<<32-1),
		"data longer":       append(packet(Write, 7, "h", uint64(0), 9), "12345678"...),
		"no offset":         packet(Read, 7, "h"),
		"no second path":    packet(Rename, 7, "from"),
		"no extension name": packet(Extended, 7),
	}
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			got, identified, err := Parse(in)
			if !errors.Is(err, ErrMalformed) || !identified || got.ID != 7 {
				t.Errorf("got %+v, identified %v, error %v; want ErrMalformed for request 7", got, identified, err)
			}
		})
	}
	if _, identified, err := Parse([]byte{byte(Stat), 0, 0}); err == nil || identified {
		t.Errorf("a packet without an id: identified %v, error %v", identified, err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(packet(Open, 7, "/a", int(FlagRead), Attrs{Has: HasMode}))
	f.Add(packet(Write, 7, "h", uint64(5), "data"))
	f.Add(packet(Setstat, 7, "a", int(hasExtended), 1, "name", "value"))
	f.Add(packet(Extended, 7, Lsetstat, "a", Attrs{Has: HasOwner}))
	f.Add(packet(Symlink, 7, "a", "b"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		r, identified, err := Parse(in)
		if identified != (len(in) >= 5) {
			t.Fatalf("identified %v with %d bytes", identified, len(in))
		}
		if err != nil && !errors.Is(err, ErrMalformed) {
			t.Fatalf("another error: %v", err)
		}
		if err != nil && (r.Path != "" || r.Handle != nil || r.Data != nil) {
			t.Fatalf("a malformed packet gave %+v", r)
		}
		if held := len(r.Path) + len(r.Target) + len(r.Extension) + len(r.Handle) + len(r.Data); held > len(in) {
			t.Fatalf("%d bytes out of %d", held, len(in))
		}
		if r.Attrs.Has&^(HasSize|HasOwner|HasMode|HasTimes) != 0 {
			t.Fatalf("unknown attributes %x", r.Attrs.Has)
		}
	})
}
