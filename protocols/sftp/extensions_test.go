package sftp_test

import (
	"encoding/binary"
	"slices"
	"testing"

	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/wire"
	"gatehouse/storage/quota"
)

// The version packet lists what OpenSSH's clients look for, in its versions.
func TestExtensionsAreAnnounced(t *testing.T) {
	w := serving(t)
	c := w.files("alice")
	for name, version := range map[string]string{
		"posix-rename@openssh.com": "1", "statvfs@openssh.com": "2", "fstatvfs@openssh.com": "2",
		"hardlink@openssh.com": "1", "fsync@openssh.com": "1", "lsetstat@openssh.com": "1",
		"limits@openssh.com": "1", "expand-path@openssh.com": "1", "home-directory": "1",
	} {
		if got, ok := c.HasExtension(name); !ok || got != version {
			t.Errorf("%s is announced: %v, version %q", name, ok, got)
		}
	}
}

// numbers are those of an extended reply.
func (p reply) numbers() []uint64 {
	if p.kind != 201 {
		return nil
	}
	var list []uint64
	for b := p.body; len(b) >= 8; b = b[8:] {
		list = append(list, binary.BigEndian.Uint64(b))
	}
	return list
}

func TestLimitsExtension(t *testing.T) {
	w := serving(t)
	got := w.raw("alice").ask(wire.Extended, wire.Limits).numbers()
	if want := []uint64{262144, 261120, 261120, 256}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Free space is the quota's to the byte, and where there is no bound never zero.
func TestStatVFS(t *testing.T) {
	w := serving(t)
	w.put("alice", "f", "0123456789")
	r := w.raw("alice")
	h := r.open("/f", wire.FlagRead)
	free := func(what string, got reply) uint64 {
		n := got.numbers()
		if len(n) != 11 {
			t.Fatalf("%s: %d numbers, status %d", what, len(n), got.code())
		}
		if n[0] == 0 || n[1] == 0 || n[2] == 0 || n[5] == 0 || n[6] == 0 || n[10] != 255 {
			t.Errorf("%s: %v has a zero", what, n)
		}
		if n[3] != n[4] || n[6] != n[7] || n[3] > n[2] {
			t.Errorf("%s: %v does not add up", what, n)
		}
		return n[1] * n[4]
	}
	free("without a quota", r.ask(wire.Extended, wire.StatVFS, "/"))

	home := path.MustParse("/home/alice")
	limit := quota.Limit{Folder: home, Amount: quota.Amount{Bytes: 1<<20 + 7, Files: 100}}
	if err := w.Quotas.Set(t.Context(), limit); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the quota is counted", func() bool {
		u, ok, err := w.Quotas.Get(t.Context(), home)
		return err == nil && ok && !u.Counting
	})
	for what, got := range map[string]reply{
		"by path":   r.ask(wire.Extended, wire.StatVFS, "/"),
		"by handle": r.ask(wire.Extended, wire.FstatVFS, h),
	} {
		if got := free(what, got); got != 1<<20+7-10 {
			t.Errorf("%s: %d bytes are free, want %d", what, got, 1<<20+7-10)
		}
	}
	r.want("of nothing", r.ask(wire.Extended, wire.StatVFS, "/no"), wire.NoSuchFile)
}

func TestFsync(t *testing.T) {
	w := serving(t)
	r := w.raw("alice")
	h := r.open("/f", wire.FlagWrite|wire.FlagCreate)
	r.send(fields(wire.Write, uint32(1), h, uint64(0), "content"))
	r.send(fields(wire.Extended, uint32(2), wire.Fsync, h))
	r.send(fields(wire.Write, uint32(3), h, uint64(7), " more"))
	for range 3 {
		r.want("pipelined", r.receive(), wire.OK)
	}
	r.want("close", r.ask(wire.Close, h), wire.OK)
	if got := w.content("alice", "f"); got != "content more" {
		t.Errorf("the file holds %q", got)
	}
}

func TestHardlink(t *testing.T) {
	w := serving(t)
	w.put("alice", "f", "x")
	r := w.raw("alice")
	r.want("link", r.ask(wire.Extended, wire.Hardlink, "/f", "/g"), wire.OK)
	r.want("onto what is there", r.ask(wire.Extended, wire.Hardlink, "/f", "/g"), wire.Failure)
	r.want("of nothing", r.ask(wire.Extended, wire.Hardlink, "/no", "/h"), wire.NoSuchFile)
	if got := w.content("alice", "g"); got != "x" {
		t.Errorf("the link holds %q", got)
	}
}

// scp asks what "~" is.
func TestHome(t *testing.T) {
	w := serving(t)
	r := w.raw("alice")
	for raw, want := range map[string]string{
		"~": "/", "~/": "/", "~/new": "/new", "~alice": "/", "~alice/new": "/new", "new": "/new", "/a/../~": "/~",
	} {
		if got := r.ask(wire.Extended, wire.ExpandPath, raw).name(); got != want {
			t.Errorf("%q is %q, want %q", raw, got, want)
		}
	}
	r.want("another's home", r.ask(wire.Extended, wire.ExpandPath, "~bob/x"), wire.NoSuchFile)
	if got := r.ask(wire.Extended, wire.HomeDirectory, "alice").name(); got != "/" {
		t.Errorf("the home is %q", got)
	}
	r.want("another's home", r.ask(wire.Extended, wire.HomeDirectory, "root"), wire.NoSuchFile)
}
