package sftp_test

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/wire"
	"gatehouse/storage/events"
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
		"copy-data": "1", "users-groups-by-id@openssh.com": "1",
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
	if want := []uint64{262144, 261120, 261120, 1024}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// Free space is the quota's to the byte, and where there is no bound never zero.
// limit gives an account's home a quota, which is counted when it returns.
func (w *world) limit(account string, a quota.Amount) {
	w.t.Helper()
	home := path.MustParse("/home/" + account)
	if err := w.Quotas.Set(w.t.Context(), quota.Limit{Folder: home, Amount: a}); err != nil {
		w.t.Fatal(err)
	}
	waitFor(w.t, "the quota is counted", func() bool {
		u, ok, err := w.Quotas.Get(w.t.Context(), home)
		return err == nil && ok && !u.Counting
	})
}

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

	w.limit("alice", quota.Amount{Bytes: 1<<20 + 7, Files: 100})
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

// The one number that is told of every owner is the account's name; others have none.
func TestNamesByID(t *testing.T) {
	w := serving(t)
	r := w.raw("alice")
	ids := func(list ...uint32) string {
		var b []byte
		for _, id := range list {
			b = binary.BigEndian.AppendUint32(b, id)
		}
		return string(b)
	}
	names := func(list ...string) string {
		var b []byte
		for _, name := range list {
			b = binary.BigEndian.AppendUint32(b, uint32(len(name)))
			b = append(b, name...)
		}
		return string(b)
	}
	got := r.ask(wire.Extended, wire.NamesByID, ids(65534, 0, 1000), ids(0, 65534))
	users, rest := cutString(got.body)
	groups, _ := cutString(rest)
	if got.kind != 201 || users != names("alice", "", "") || groups != names("", "gatehouse") {
		t.Errorf("packet %d: %q, %q", got.kind, users, groups)
	}
	if got := r.ask(wire.Extended, wire.NamesByID, "", ""); got.kind != 201 || len(got.body) != 8 {
		t.Errorf("no names: packet %d, % x", got.kind, got.body)
	}
	r.want("more than one answer holds", r.ask(wire.Extended, wire.NamesByID, strings.Repeat("\x00\x00\xff\xfe", wire.MaxIDs), strings.Repeat("\x00\x00\xff\xfe", wire.MaxIDs)), 1201)
	r.want("half a number", r.ask(wire.Extended, wire.NamesByID, "123", ""), wire.BadMessage)
	r.want("too many", r.ask(wire.Extended, wire.NamesByID, strings.Repeat("1234", wire.MaxIDs+1), ""), wire.BadMessage)
}

// A copy is counted like any other upload: what there is no room for is refused,
// and the file's other name is the same file.
func TestCopyDataIsGuarded(t *testing.T) {
	w := serving(t)
	w.put("alice", "f", strings.Repeat("x", 800))
	w.limit("alice", quota.Amount{Bytes: 1000, Files: 100})
	r := w.raw("alice")
	from, to := r.open("/f", wire.FlagRead|wire.FlagWrite), r.open("/g", wire.FlagRead|wire.FlagWrite|wire.FlagCreate)
	whole := func(from, to string) reply {
		return r.ask(wire.Extended, wire.CopyData, from, uint64(0), uint64(0), to, uint64(0))
	}
	got := whole(from, to)
	r.want("over the quota", got, wire.Failure)
	if got.text() != "quota exceeded" {
		t.Errorf("the client hears %q", got.text())
	}
	if err := os.Link(w.home("alice", "f"), w.home("alice", "same")); err != nil {
		t.Fatal(err)
	}
	r.want("another name of the file", whole(from, r.open("/same", wire.FlagWrite)), wire.Failure)
	if got := w.content("alice", "f"); len(got) != 800 {
		t.Errorf("the file has %d bytes", len(got))
	}
}

// A copy without end must not outlive its client.
func TestCopyDataEndsWithItsClient(t *testing.T) {
	w := serving(t)
	w.put("alice", "huge", "")
	if err := os.Truncate(w.home("alice", "huge"), 1<<42); err != nil {
		t.Skip("no file of 4 TiB can be made here: ", err)
	}
	r := w.raw("alice")
	from, to := r.open("/huge", wire.FlagRead), r.open("/copy", wire.FlagWrite|wire.FlagCreate)
	r.send(fields(wire.Extended, uint32(99), wire.CopyData, from, uint64(0), uint64(0), to, uint64(0)))
	waitFor(t, "the copy grows", func() bool {
		info, err := os.Stat(w.home("alice", "copy"))
		return err == nil && info.Size() > 0
	})
	r.ssh.Close()
	waitFor(t, "the copy ends", func() bool {
		found, _, err := w.Events.List(t.Context(), events.Query{Kind: events.Upload})
		return err == nil && len(found) == 1
	})
}
