package sftp_test

import (
	"fmt"
	"strings"
	"testing"

	"gatehouse/protocols/sftp/wire"
)

// A READ on a handle that was opened for writing once destroyed the file behind
// a library: it wrote its empty reply buffer into it. "hello world" became five
// NULs and " world".
func TestReadOnWriteHandleDestroysNothing(t *testing.T) {
	w := serving(t)
	w.put("alice", "f", "hello world")
	r := w.raw("alice")
	h := r.open("/f", wire.FlagWrite)
	r.want("read", r.ask(wire.Read, h, uint64(0), uint32(5)), wire.PermissionDenied)
	r.want("close", r.ask(wire.Close, h), wire.OK)
	if got := w.content("alice", "f"); got != "hello world" {
		t.Errorf("the file became %q", got)
	}
}

// Each request that does not fit its handle is refused, and changes nothing.
func TestHandlesHaveADirection(t *testing.T) {
	w := serving(t)
	w.put("alice", "f", "hello world")
	w.put("alice", "d/inner", "x")
	r := w.raw("alice")
	reading, writing := r.open("/f", wire.FlagRead), r.open("/f", wire.FlagWrite)
	folder := r.ask(wire.Opendir, "/d").string()
	size := []byte{0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 3}
	tests := map[string]struct {
		got  reply
		want wire.Code
	}{
		"write on a reading handle":    {r.ask(wire.Write, reading, uint64(0), "xxxxx"), wire.PermissionDenied},
		"truncate on a reading handle": {r.ask(wire.Fsetstat, reading, size), wire.PermissionDenied},
		"read on a writing handle":     {r.ask(wire.Read, writing, uint64(0), uint32(5)), wire.PermissionDenied},
		"read a folder":                {r.ask(wire.Read, folder, uint64(0), uint32(5)), wire.Failure},
		"write a folder":               {r.ask(wire.Write, folder, uint64(0), "x"), wire.Failure},
		"fstat a folder":               {r.ask(wire.Fstat, folder), wire.Failure},
		"list a file":                  {r.ask(wire.Readdir, reading), wire.Failure},
		"fsync a folder":               {r.ask(wire.Extended, wire.Fsync, folder), wire.NoSuchFile},
		"fstatvfs a folder":            {r.ask(wire.Extended, wire.FstatVFS, folder), wire.Failure},
	}
	for what, test := range tests {
		r.want(what, test.got, test.want)
	}
	if got := w.content("alice", "f"); got != "hello world" {
		t.Errorf("the file became %q", got)
	}
}

func TestUnknownHandles(t *testing.T) {
	w := serving(t)
	w.put("alice", "f", "hello world")
	r := w.raw("alice")
	closed := r.open("/f", wire.FlagRead|wire.FlagWrite)
	r.want("close", r.ask(wire.Close, closed), wire.OK)
	next := r.open("/f", wire.FlagRead)
	if next == closed {
		t.Error("a handle was used twice: a late request would hit another file")
	}
	for name, h := range map[string]string{
		"closed": closed, "empty": "", "path": "/f", "long": strings.Repeat("h", 300),
	} {
		r.want(name+": read", r.ask(wire.Read, h, uint64(0), uint32(5)), wire.Failure)
		r.want(name+": write", r.ask(wire.Write, h, uint64(0), "x"), wire.Failure)
		r.want(name+": close", r.ask(wire.Close, h), wire.NoSuchFile)
		r.want(name+": readdir", r.ask(wire.Readdir, h), wire.Failure)
		r.want(name+": fstat", r.ask(wire.Fstat, h), wire.Failure)
		r.want(name+": fsetstat", r.ask(wire.Fsetstat, h, uint32(0)), wire.Failure)
		r.want(name+": fsync", r.ask(wire.Extended, wire.Fsync, h), wire.NoSuchFile)
	}
}

// Handles are bounded for all channels of a connection together, and come back
// when they are closed.
func TestHandlesAreBounded(t *testing.T) {
	w := newWorld(t)
	w.config.Limits.Handles = 3
	w.add("alice")
	w.serve()
	w.put("alice", "f", "x")
	r := w.raw("alice")
	first := r.open("/f", wire.FlagRead)
	r.open("/f", wire.FlagRead)
	r.want("a folder", r.ask(wire.Opendir, "/"), 1000+102)
	got := r.ask(wire.Open, "/f", wire.FlagRead, uint32(0))
	r.want("one too many", got, wire.Failure)
	if got.text() != "too many open files" {
		t.Errorf("the text is %q", got.text())
	}
	r.want("one folder too many", r.ask(wire.Opendir, "/"), wire.Failure)
	r.want("close", r.ask(wire.Close, first), wire.OK)
	r.open("/f", wire.FlagRead)
}

// Files are asked by their handle: after a rename and after a removal the name
// is another file's, or nobody's.
func TestOpenFilesAreNotAskedByName(t *testing.T) {
	w := serving(t)
	w.put("alice", "f", "12345")
	r := w.raw("alice")
	h := r.open("/f", wire.FlagRead|wire.FlagWrite)
	r.want("rename", r.ask(wire.Rename, "/f", "/g"), wire.OK)
	w.put("alice", "f", "another file of that name")

	if size := sizeOf(r.ask(wire.Fstat, h)); size != 5 {
		t.Errorf("fstat tells %d bytes, want 5: those of the file that is open", size)
	}
	r.want("fsetstat", r.ask(wire.Fsetstat, h, uint32(wire.HasSize), uint64(2)), wire.OK)
	r.want("close", r.ask(wire.Close, h), wire.OK)
	if got := w.content("alice", "f"); got != "another file of that name" {
		t.Errorf("the other file became %q", got)
	}
	if got := w.content("alice", "g"); got != "12" {
		t.Errorf("the open file became %q", got)
	}
}

func sizeOf(p reply) uint64 {
	if p.kind != 105 || len(p.body) < 12 {
		return 1 << 63
	}
	var size uint64
	for _, b := range p.body[4:12] {
		size = size<<8 | uint64(b)
	}
	return size
}

// What a client sends out of order or out of shape gets an answer, and the
// session goes on.
func TestMalformedPackets(t *testing.T) {
	w := serving(t)
	r := w.raw("alice")
	r.send([]byte{byte(wire.Stat), 0, 0, 0, 9, 0, 0, 1, 0, 'x'})
	if got := r.receive(); got.id != 9 || got.code() != wire.BadMessage {
		t.Errorf("a short packet: %+v", got)
	}
	r.want("an unknown type", r.ask(99, "x"), wire.Unsupported)
	r.want("an unknown extension", r.ask(wire.Extended, "x@example.com"), wire.Unsupported)
	r.want("no extension", r.ask(wire.Extended, ""), wire.Unsupported)
	if got := r.ask(wire.Realpath, "."); got.name() != "/" {
		t.Errorf("the session does not go on: %v", got)
	}
}

// What cannot be told apart from noise ends the channel, at once and without a
// reply that would have to be guessed.
func TestBrokenFramingEndsTheChannel(t *testing.T) {
	w := serving(t)
	tests := map[string][]byte{
		"a length of zero":      {0, 0, 0, 0},
		"a length beyond all":   {0xff, 0xff, 0xff, 0xff},
		"one more than allowed": {0, 4, 0, 1},
		"no room for an id":     {0, 0, 0, 2, 7, 0},
		"a second greeting":     {0, 0, 0, 5, 1, 0, 0, 0, 3},
	}
	for name, stream := range tests {
		t.Run(name, func(t *testing.T) {
			r := w.raw("alice")
			r.out.Write(stream)
			if got, err := r.next(); err == nil {
				t.Errorf("got %+v", got)
			}
		})
	}
	t.Run("no greeting", func(t *testing.T) {
		r := w.rawNoInit("alice")
		r.send(fields(wire.Realpath, uint32(1), "."))
		if got, err := r.next(); err == nil {
			t.Errorf("got %+v", got)
		}
	})
}

// Ids are the client's own business: two requests of one id get two replies.
func TestDuplicateIDs(t *testing.T) {
	w := serving(t)
	w.put("alice", "f", "0123456789")
	r := w.raw("alice")
	h := r.open("/f", wire.FlagRead)
	for i := range 10 {
		r.send(fields(wire.Read, uint32(7), h, uint64(i), uint32(1)))
	}
	seen := map[string]bool{}
	for range 10 {
		got := r.receive()
		if got.id != 7 || got.kind != 103 {
			t.Fatalf("got %+v", got)
		}
		seen[got.string()] = true
	}
	if len(seen) != 10 {
		t.Errorf("got %v", seen)
	}
}

// A thousand files are open at a time; one too many is refused, and makes room
// when others are closed.
func TestAThousandHandles(t *testing.T) {
	w := serving(t)
	w.put("alice", "f", "hello world")
	r := w.raw("alice")
	var open []string
	for range 1024 {
		open = append(open, r.open("/f", wire.FlagRead))
	}
	r.want("one too many", r.ask(wire.Open, "/f", wire.FlagRead, uint32(0)), wire.Failure)
	for i, h := range open {
		if got := r.ask(wire.Read, h, uint64(i%11), uint32(1)).string(); got != "hello world"[i%11:i%11+1] {
			t.Fatalf("handle %d reads %q", i, got)
		}
		r.want("close", r.ask(wire.Close, h), wire.OK)
	}
	r.open("/f", wire.FlagRead)
}

// The flags of OPEN, in every combination that clients send, and the ones that
// nobody should.
func TestOpenFlags(t *testing.T) {
	const (
		read, write, appends   = wire.FlagRead, wire.FlagWrite, wire.FlagAppend
		create, truncate, excl = wire.FlagCreate, wire.FlagTruncate, wire.FlagExclusive
	)
	tests := []struct {
		flags              uint32
		old, missing       wire.Code // 1102: a handle
		after, afterMaking string    // what the files hold when "new" was written at 0
	}{
		{read, 1102, wire.NoSuchFile, "old content", ""},
		{write, 1102, wire.NoSuchFile, "new content", ""},
		{write | create, 1102, 1102, "new content", "new"},
		{write | create | truncate, 1102, 1102, "new", "new"},
		{read | write | create | truncate, 1102, 1102, "new", "new"},
		{write | truncate, 1102, wire.NoSuchFile, "new", ""},
		{write | create | excl, wire.Failure, 1102, "old content", "new"},
		{write | create | appends, 1102, 1102, "old contentnew", "new"},
		{read | write | appends, 1102, wire.NoSuchFile, "old contentnew", ""},
		{write | create | truncate | appends, 1102, 1102, "new", "new"},
		{read | create, 1102, 1102, "old content", ""},
		{read | create | excl, wire.Failure, 1102, "old content", ""},
		{0, wire.Failure, wire.Failure, "old content", ""},
		{create, wire.Failure, wire.Failure, "old content", ""},
		{read | truncate, wire.Failure, wire.Failure, "old content", ""},
		{read | appends, 1102, wire.NoSuchFile, "old content", ""},
		{write | excl, wire.Failure, wire.Failure, "old content", ""},
	}
	w := serving(t)
	r := w.raw("alice")
	for i, test := range tests {
		t.Run(fmt.Sprintf("%06b", test.flags), func(t *testing.T) {
			r.t = t
			old, missing := fmt.Sprintf("old%d", i), fmt.Sprintf("missing%d", i)
			w.put("alice", old, "old content")
			for name, want := range map[string]wire.Code{old: test.old, missing: test.missing} {
				got := r.ask(wire.Open, "/"+name, test.flags, uint32(0))
				r.want(name, got, want)
				if got.kind != 102 {
					continue
				}
				if test.flags&write != 0 {
					r.want("write", r.ask(wire.Write, got.string(), uint64(0), "new"), wire.OK)
				}
				r.want("close", r.ask(wire.Close, got.string()), wire.OK)
			}
			if got := w.content("alice", old); got != test.after {
				t.Errorf("the old file holds %q, want %q", got, test.after)
			}
			if test.missing == 1102 {
				if got := w.content("alice", missing); got != test.afterMaking {
					t.Errorf("the new file holds %q, want %q", got, test.afterMaking)
				}
			}
		})
	}
	r.t = t
}
