package sftp_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/wire"
	"gatehouse/storage/accounts"
)

// REALPATH as OpenSSH answers it: relative to the home, ".." resolved before
// anything else and never above the root, the last element need not exist.
func TestRealpath(t *testing.T) {
	w := serving(t)
	w.put("alice", "d/f", "x")
	r := w.raw("alice")
	for raw, want := range map[string]string{
		"": "/", ".": "/", "/": "/", "..": "/", "/../../..": "/",
		"d": "/d", "d/": "/d", "./d//f": "/d/f", "/d/../d/./f": "/d/f",
		"new": "/new", "d/new": "/d/new",
		// The first element does not exist, and need not: it is taken back.
		"/missing/../../d": "/d",
		"../../etc":        "/etc",
		"d\nx":             "/d\nx",
	} {
		got := r.ask(wire.Realpath, raw)
		if got.name() != want {
			t.Errorf("%q is %q, want %q", raw, got.name(), want)
		}
	}
	r.want("two missing elements", r.ask(wire.Realpath, "/no/where"), wire.NoSuchFile)
	r.want("a NUL", r.ask(wire.Realpath, "/a\x00b"), wire.BadMessage)
	r.want("too long", r.ask(wire.Realpath, strings.Repeat("x", 5000)), wire.BadMessage)
}

// A path is the same file however it is spelled, and the spelling is never
// resolved by way of what happens to exist.
func TestPathsAreResolvedBeforeAnythingElse(t *testing.T) {
	w := serving(t)
	w.put("alice", "x", "content")
	r := w.raw("alice")
	for _, spelled := range []string{"x", "/x", "./x", "//x", "/a/../../x", "../x", "/x/.", "nothere/../x"} {
		if got := sizeOf(r.ask(wire.Stat, spelled)); got != 7 {
			t.Errorf("%q: size %d", spelled, got)
		}
	}
	r.want("an empty path", r.ask(wire.Stat, ""), wire.NoSuchFile)
	r.want("an empty path to open", r.ask(wire.Open, "", wire.FlagRead, uint32(0)), wire.NoSuchFile)
	if _, err := os.Stat(w.Dir + "/secret"); err == nil {
		t.Fatal("the test's own secret is in the way")
	}
	os.WriteFile(w.Dir+"/secret", []byte("outside of the home"), 0o640)
	for _, climbing := range []string{"../../secret", "/../../secret", "/home/../../../secret", "..//..//secret"} {
		r.want(climbing, r.ask(wire.Stat, climbing), wire.NoSuchFile)
		r.want("open "+climbing, r.ask(wire.Open, climbing, wire.FlagRead, uint32(0)), wire.NoSuchFile)
	}
}

// Names are bytes: whatever Unix allows comes back as it was sent, and cannot
// forge a line of the long listing.
func TestNamesAreBytes(t *testing.T) {
	w := serving(t)
	r := w.raw("alice")
	names := []string{"Icon\r", "a\nb", "\xff\xfe", "tab\t", "-rf", " lead", "ü", "\x1b[31m", strings.Repeat("n", 255)}
	for _, name := range names {
		h := r.open(name, wire.FlagWrite|wire.FlagCreate)
		r.want(name, r.ask(wire.Close, h), wire.OK)
	}
	found := map[string]bool{}
	for _, e := range r.list("/") {
		found[e.name] = true
		if strings.ContainsAny(e.long, "\r\n\t\x1b") {
			t.Errorf("the line of %q is %q", e.name, e.long)
		}
	}
	for _, name := range names {
		if !found[name] {
			t.Errorf("%q is not listed", name)
		}
		r.want(name, r.ask(wire.Remove, name), wire.OK)
	}
	for _, name := range []string{strings.Repeat("n", 256), "a\x00b"} {
		r.want("a bad name", r.ask(wire.Open, name, wire.FlagWrite|wire.FlagCreate, uint32(0)), wire.BadMessage)
	}
}

// An entry is one of a listing.
type entry struct{ name, long string }

// list reads a folder to its end.
func (r *raw) list(folder string) []entry {
	r.t.Helper()
	h := r.ask(wire.Opendir, folder).string()
	var all []entry
	for {
		got := r.ask(wire.Readdir, h)
		if got.kind != 104 {
			r.want("the end of the listing", got, wire.EOF)
			r.want("close", r.ask(wire.Close, h), wire.OK)
			return all
		}
		if len(got.body) > 34_000 {
			r.t.Errorf("a packet of %d bytes: not every client takes it", len(got.body))
		}
		count, rest := got.body[:4], got.body[4:]
		for range uint32(count[2])<<8 | uint32(count[3]) {
			var e entry
			e.name, rest = cutString(rest)
			e.long, rest = cutString(rest)
			all = append(all, e)
			rest = rest[4+8+8+4+8:]
		}
	}
}

// A folder is told in pieces, with lines as ls -l has them.
func TestListing(t *testing.T) {
	w := serving(t)
	const many = 1200
	for i := range many {
		w.put("alice", fmt.Sprintf("d/%04d-%s", i, strings.Repeat("x", 200)), "")
	}
	r := w.raw("alice")
	if got := len(r.list("/d")); got != many {
		t.Errorf("%d entries, want %d", got, many)
	}

	w.put("alice", "l/f", "12345")
	old := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	os.Chtimes(w.home("alice", "l/f"), old, old)
	os.Chmod(w.home("alice", "l/f"), 0o640)
	os.Mkdir(w.home("alice", "l/d"), 0o750)
	lines := map[string]string{}
	for _, e := range r.list("/l") {
		lines[e.name] = e.long
	}
	if want := "-rw-r-----    1 alice    gatehouse        5 Feb  3  2001 f"; lines["f"] != want {
		t.Errorf("the line is %q, want %q", lines["f"], want)
	}
	if !strings.HasPrefix(lines["d"], "drwxr-x---    1 alice    gatehouse ") {
		t.Errorf("the line is %q", lines["d"])
	}
	r.want("a missing folder", r.ask(wire.Opendir, "/no"), wire.NoSuchFile)
	r.want("a file as a folder", r.ask(wire.Opendir, "/l/f"), wire.NoSuchFile)
	r.want("an empty folder", r.ask(wire.Readdir, r.ask(wire.Opendir, "/l/d").string()), wire.EOF)
}

func TestRename(t *testing.T) {
	w := serving(t)
	r := w.raw("alice")
	posix := func(from, to string) reply { return r.ask(wire.Extended, wire.PosixRename, from, to) }
	plain := func(from, to string) reply { return r.ask(wire.Rename, from, to) }
	w.put("alice", "a", "a")
	w.put("alice", "b", "b")
	w.put("alice", "d/f", "f")

	r.want("onto a file", plain("/a", "/b"), wire.Failure)
	r.want("onto itself", plain("/a", "/a"), wire.Failure)
	if w.content("alice", "a")+w.content("alice", "b") != "ab" {
		t.Error("a refused rename changed something")
	}
	r.want("posix onto itself", posix("/a", "/a"), wire.OK)
	r.want("posix onto a file", posix("/a", "/b"), wire.OK)
	if got := w.content("alice", "b"); got != "a" {
		t.Errorf("the target holds %q", got)
	}
	r.want("what is not there", plain("/a", "/c"), wire.NoSuchFile)
	r.want("posix, what is not there", posix("/a", "/a"), wire.NoSuchFile)
	r.want("into a missing folder", plain("/b", "/no/b"), wire.NoSuchFile)
	r.want("a folder into itself", plain("/d", "/d/e"), wire.BadMessage)
	r.want("a file onto a folder", posix("/b", "/d"), wire.Failure)
	r.want("a folder", plain("/d", "/e"), wire.OK)
	if got := w.content("alice", "e/f"); got != "f" {
		t.Errorf("the folder's file holds %q", got)
	}
}

func TestFoldersAndRemoval(t *testing.T) {
	w := serving(t)
	r := w.raw("alice")
	mode := func(bits uint32) []any { return []any{"/d", uint32(wire.HasMode), bits} }
	r.want("mkdir", r.ask(wire.Mkdir, mode(0o40700)...), wire.OK)
	if info, err := os.Stat(w.home("alice", "d")); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode is %v, %v", info.Mode(), err)
	}
	r.want("mkdir again", r.ask(wire.Mkdir, "/d", uint32(0)), wire.Failure)
	r.want("mkdir in nothing", r.ask(wire.Mkdir, "/no/d", uint32(0)), wire.NoSuchFile)
	w.put("alice", "d/f", "x")
	r.want("rmdir of a full folder", r.ask(wire.Rmdir, "/d"), wire.Failure)
	r.want("remove of a folder", r.ask(wire.Remove, "/d"), wire.Failure)
	r.want("rmdir of a file", r.ask(wire.Rmdir, "/d/f"), wire.NoSuchFile)
	r.want("remove", r.ask(wire.Remove, "/d/f"), wire.OK)
	r.want("remove again", r.ask(wire.Remove, "/d/f"), wire.NoSuchFile)
	r.want("rmdir", r.ask(wire.Rmdir, "/d"), wire.OK)
	r.want("rmdir of the root", r.ask(wire.Rmdir, "/"), wire.PermissionDenied)
}

// SETSTAT changes what it names and leaves the rest. Owners are not the
// client's: alone refused, among others ignored.
func TestSetstat(t *testing.T) {
	w := serving(t)
	w.put("alice", "f", "0123456789")
	r := w.raw("alice")
	stat := func() os.FileInfo {
		info, err := os.Stat(w.home("alice", "f"))
		if err != nil {
			t.Fatal(err)
		}
		return info
	}
	before := stat()
	r.want("owner", r.ask(wire.Setstat, "/f", uint32(wire.HasOwner), uint32(0), uint32(0)), wire.PermissionDenied)
	r.want("nothing", r.ask(wire.Setstat, "/f", uint32(0)), wire.OK)
	r.want("nothing of nothing", r.ask(wire.Setstat, "/no", uint32(0)), wire.NoSuchFile)
	r.want("a size beyond all", r.ask(wire.Setstat, "/f", uint32(wire.HasSize), uint64(1<<63)), wire.BadMessage)
	if got := stat(); got.Size() != 10 || got.Mode() != before.Mode() || !got.ModTime().Equal(before.ModTime()) {
		t.Errorf("something changed: %v", got)
	}
	r.want("mode and owner", r.ask(wire.Setstat, "/f", uint32(wire.HasMode|wire.HasOwner), uint32(0), uint32(0), uint32(0o104600)), wire.OK)
	if got := stat().Mode(); got != 0o600 {
		t.Errorf("the mode is %v: a client's set-id bits are dropped", got)
	}
	r.want("times", r.ask(wire.Setstat, "/f", uint32(wire.HasTimes), uint32(1), uint32(1_000_000_000)), wire.OK)
	if got := stat().ModTime().Unix(); got != 1_000_000_000 {
		t.Errorf("the time is %d", got)
	}
	r.want("size", r.ask(wire.Setstat, "/f", uint32(wire.HasSize), uint64(4)), wire.OK)
	if got := w.content("alice", "f"); got != "0123" {
		t.Errorf("the file holds %q", got)
	}
	h := r.open("/f", wire.FlagRead)
	r.want("times by handle", r.ask(wire.Fsetstat, h, uint32(wire.HasTimes), uint32(1), uint32(5)), wire.OK)
	r.want("owner by handle", r.ask(wire.Fsetstat, h, uint32(wire.HasOwner), uint32(0), uint32(0)), wire.PermissionDenied)
	if got := stat().ModTime().Unix(); got != 5 {
		t.Errorf("the time is %d", got)
	}
}

// OPEN carries the mode of a new file and leaves that of an old one.
func TestOpenMode(t *testing.T) {
	w := serving(t)
	r := w.raw("alice")
	for _, bits := range []uint32{0o100600, 0o644} {
		got := r.ask(wire.Open, "/f", wire.FlagWrite|wire.FlagCreate, uint32(wire.HasMode), bits)
		r.want("close", r.ask(wire.Close, got.string()), wire.OK)
		if info, err := os.Stat(w.home("alice", "f")); err != nil || info.Mode() != 0o600 {
			t.Errorf("the mode is %v, %v", info.Mode(), err)
		}
	}
}

// Links: making them is policy, and off by default; what is on the disk is
// shown, and OpenSSH's order of arguments holds.
func TestLinks(t *testing.T) {
	w := serving(t)
	w.put("alice", "f", "12345")
	r := w.raw("alice")
	r.want("refused by default", r.ask(wire.Symlink, "f", "/l"), wire.PermissionDenied)
	if _, err := w.Accounts.UpdateSite(t.Context(), 0, func(s *accounts.Site) error {
		s.Symlinks = policy.Allow
		return nil
	}, accounts.Forced); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "links are allowed", func() bool { return r.ask(wire.Symlink, "f", "/l").code() == wire.OK })
	if target, err := os.Readlink(w.home("alice", "l")); err != nil || target != "f" {
		t.Errorf("the link leads to %q, %v", target, err)
	}
	if got := r.ask(wire.Readlink, "/l"); got.name() != "f" {
		t.Errorf("readlink: %q", got.name())
	}
	if got := sizeOf(r.ask(wire.Stat, "/l")); got != 5 {
		t.Errorf("stat of the link: size %d", got)
	}
	if got := r.ask(wire.Lstat, "/l"); got.body[22]>>4 != 0xa {
		t.Errorf("lstat of the link does not say that it is one: % x", got.body)
	}
	if got := r.ask(wire.Realpath, "/l"); got.name() != "/f" {
		t.Errorf("realpath of the link: %q", got.name())
	}
	r.want("readlink of a file", r.ask(wire.Readlink, "/f"), wire.BadMessage)
	r.want("no target", r.ask(wire.Symlink, "", "/m"), wire.NoSuchFile)
	for what, target := range map[string]string{"a NUL": "a\x00b", "too long": strings.Repeat("x", 5000)} {
		r.want(what, r.ask(wire.Symlink, target, "/m"), wire.BadMessage)
	}
	r.want("lsetstat of a link", r.ask(wire.Extended, wire.Lsetstat, "/l", uint32(wire.HasMode), uint32(0o600)), wire.Unsupported)
	r.want("lsetstat of a file", r.ask(wire.Extended, wire.Lsetstat, "/f", uint32(wire.HasMode), uint32(0o600)), wire.OK)
}

// What another account holds does not exist, whatever is asked of it.
func TestOthersFilesDoNotExist(t *testing.T) {
	w := serving(t)
	w.add("bob")
	w.put("bob", "secret", "bob's")
	w.Change("alice", func(a *accounts.Account) { a.Root = &path.Path{} })
	r := w.raw("alice")
	for what, got := range map[string]reply{
		"stat":    r.ask(wire.Stat, "/home/bob/secret"),
		"open":    r.ask(wire.Open, "/home/bob/secret", wire.FlagRead, uint32(0)),
		"list":    r.ask(wire.Opendir, "/home/bob"),
		"remove":  r.ask(wire.Remove, "/home/bob/secret"),
		"statvfs": r.ask(wire.Extended, wire.StatVFS, "/home/bob"),
	} {
		r.want(what, got, wire.NoSuchFile)
	}
	if sizeOf(r.ask(wire.Stat, "/home/alice")) == 1<<63 {
		t.Error("alice's own home is not there: the test asks in the wrong place")
	}
}
