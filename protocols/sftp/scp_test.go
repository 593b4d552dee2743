package sftp_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
	"gatehouse/storage/quota"
)

// scp in its old protocol, with the stock client, both ways.
func TestOpenSSHCopyByCommand(t *testing.T) {
	o := newOpenSSH(t).withKey()
	old := time.Unix(1_000_000_000, 0)
	o.write("f", content(100_000), 0o640)
	o.write("big", content(9<<20+1), 0o600)
	o.write("empty", "", 0o600)
	o.write("tree/a/b", content(1000), 0o644)
	o.write("tree/name with spaces", "spaces", 0o644)
	for _, name := range []string{"f", "tree/a/b", "tree/a", "tree"} {
		if err := os.Chtimes(o.file(name), old, old); err != nil {
			t.Fatal(err)
		}
	}
	scp := func(args ...string) {
		t.Helper()
		if out, err := o.run("scp", append([]string{"-O"}, args...)...); err != nil {
			t.Errorf("scp -O %v: %v\n%s", args, err, out)
		}
	}
	scp("f", "big", "empty", "alice@127.0.0.1:")
	o.same("f", "f")
	o.same("big", "big")
	o.same("empty", "empty")
	scp("f", "alice@127.0.0.1:'/a name'")
	o.same("f", "a name")
	scp("-p", "f", "alice@127.0.0.1:~/kept")
	if info, err := os.Stat(o.home("alice", "kept")); err != nil || info.ModTime().Unix() != old.Unix() || info.Mode() != 0o640 {
		t.Errorf("scp -p: %v, %v", info, err)
	}
	scp("-rp", "tree", "alice@127.0.0.1:")
	if out, err := exec.CommandContext(t.Context(), "diff", "-r", o.file("tree"), o.home("alice", "tree")).CombinedOutput(); err != nil {
		t.Errorf("after scp -r: %v %s", err, out)
	}
	if info, err := os.Stat(o.home("alice", "tree", "a")); err != nil || info.ModTime().Unix() != old.Unix() {
		t.Errorf("the folder's time: %v, %v", info, err)
	}

	scp("alice@127.0.0.1:big", "back")
	o.same("back", "big")
	scp("alice@127.0.0.1:empty", "empty-back")
	o.same("empty-back", "empty")
	scp("-p", "alice@127.0.0.1:kept", "kept-back")
	if info, err := os.Stat(o.file("kept-back")); err != nil || !info.ModTime().Equal(old) {
		t.Errorf("scp -p back: %v, %v", info, err)
	}
	scp("-r", "alice@127.0.0.1:/tree", "tree-back")
	if out, err := exec.CommandContext(t.Context(), "diff", "-r", o.file("tree"), o.file("tree-back")).CombinedOutput(); err != nil {
		t.Errorf("scp -r back: %v %s", err, out)
	}
	o.write("into/x", "", 0o600)
	scp("alice@127.0.0.1:/[fe]*", "into")
	o.same("into/f", "f")
	o.same("into/empty", "empty")
	scp(`alice@127.0.0.1:tree/name\ with*`, "spaces")
	o.same("spaces", "tree/name with spaces")
}

func TestOpenSSHCopyByCommandFails(t *testing.T) {
	o := newOpenSSH(t).withKey()
	o.write("f", "content", 0o640)
	o.write("tree/x", "x", 0o640)
	o.put("alice", "there", "there")
	o.put("alice", "d/there", "there")
	for what, test := range map[string]struct {
		args []string
		says string
	}{
		"nothing there":        {[]string{"alice@127.0.0.1:nothing", "."}, "no such file"},
		"no pattern matches":   {[]string{"alice@127.0.0.1:n*", "."}, "no such file"},
		"into a missing place": {[]string{"f", "alice@127.0.0.1:/no/where/f"}, "no such file"},
		"many into a file":     {[]string{"f", "tree/x", "alice@127.0.0.1:there"}, "not a folder"},
		"a folder without -r":  {[]string{"alice@127.0.0.1:d", "."}, "not a regular file"},
		"a tree into a file":   {[]string{"-r", "tree", "alice@127.0.0.1:there"}, "not a folder"},
		"what a shell does":    {[]string{"f", "alice@127.0.0.1:$(id)"}, "no shell here"},
	} {
		out, err := o.run("scp", append([]string{"-O"}, test.args...)...)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || !strings.Contains(out, test.says) {
			t.Errorf("%s: %v\n%s", what, err, out)
		}
	}
	if got := o.content("alice", "there"); got != "there" {
		t.Errorf("a refused copy left %q", got)
	}
	// What can be copied is, beside what cannot.
	if out, err := o.run("scp", "-O", "alice@127.0.0.1:nothing", "alice@127.0.0.1:there", "."); err == nil {
		t.Errorf("half of it: %s", out)
	}
	o.same("there", "there")
}

// A command is one over a connection of its own, spoken to by hand.
type spoken struct {
	t   testing.TB
	in  io.WriteCloser
	out io.Reader
	s   *ssh.Session
}

func (w *world) command(user, line string) *spoken {
	w.t.Helper()
	s, err := w.dial(user).NewSession()
	if err != nil {
		w.t.Fatal(err)
	}
	in, _ := s.StdinPipe()
	out, _ := s.StdoutPipe()
	if err := s.Start(line); err != nil {
		w.t.Fatal(err)
	}
	return &spoken{w.t, in, out, s}
}

// says sends and returns all that comes back until the command ends.
func (c *spoken) says(text string) (out string, status int) {
	c.t.Helper()
	io.WriteString(c.in, text)
	c.in.Close()
	var b bytes.Buffer
	io.Copy(&b, c.out)
	var exit *ssh.ExitError
	switch err := c.s.Wait(); {
	case errors.As(err, &exit):
		status = exit.ExitStatus()
	case err != nil:
		c.t.Errorf("the command ended without a status: %v", err)
	}
	return b.String(), status
}

// A client that sends names which climb, or hold slashes, or are none, writes
// nothing anywhere (CVE-2018-20685 and its kin, from the other side).
func TestNamesOfSCPStayWhereTheyAre(t *testing.T) {
	w := serving(t)
	w.add("bob")
	w.put("bob", "secret", "secret")
	w.put("alice", "d/f", "old")
	for _, line := range []string{
		"C0644 3 ../f\nnew\x00", "C0644 3 ..\nnew\x00", "C0644 3 .\nnew\x00", "C0644 3 \nnew\x00", "C0644 3 /f\nnew\x00",
		"C0644 3 d/f\nnew\x00", "C0644 3 a\x00b\nnew\x00", "C0644 3 " + strings.Repeat("n", 256) + "\nnew\x00",
		"D0755 0 ..\nC0644 3 f\nnew\x00E\n", "D0755 0 ../../bob\nC0644 3 secret\nnew\x00E\n", "D0755 0 .\nE\n",
		"E\n", "D0755 0 x\nE\nE\nC0644 3 f\nnew\x00",
		"C644 3 f\nnew\x00", "C0644 -3 f\nnew\x00", "C0648 3 f\nnew\x00", "C0644 99999999999999999999 f\nnew\x00", "C0644 3\nnew\x00",
		"T1 0 1\n", "T-1 0 -1 0\n", "Tx 0 y 0\n", "X\n", "C" + strings.Repeat("0", 9000) + "\n", "\x02I give up\n",
	} {
		if out, status := w.command("alice", "scp -r -t /d").says(line); status == 0 {
			t.Errorf("%.40q was taken: %q", line, out)
		}
	}
	if got := w.content("alice", "d/f"); got != "old" {
		t.Errorf("the file became %q", got)
	}
	if got := w.content("bob", "secret"); got != "secret" {
		t.Errorf("another's file became %q", got)
	}
	left, err := os.ReadDir(w.home("alice"))
	if err != nil || len(left) != 1 {
		t.Errorf("there are %v, %v", left, err)
	}
}

// A link that leads back to a folder above it is told and left out: the copy ends.
func TestSCPOfACircle(t *testing.T) {
	w := newWorld(t)
	w.add("alice")
	w.allowLinks()
	w.serve()
	w.put("alice", "a/f", "content")
	w.put("alice", "b/g", "content")
	for link, target := range map[string]string{"a/b": "../b", "b/a": "../a", "a/up": ".."} {
		if err := os.Symlink(target, w.home("alice", link)); err != nil {
			t.Fatal(err)
		}
	}
	out, status := w.command("alice", "scp -r -f /a").says(strings.Repeat("\x00", 1000))
	if status != 1 || strings.Count(out, "leads back") != 2 || strings.Count(out, "content\x00") != 2 {
		t.Errorf("status %d, %q", status, out)
	}
}

// A client that goes away within a file has not uploaded it.
func TestSCPThatBreaksOff(t *testing.T) {
	w := newWorld(t)
	w.add("alice", func(a *accounts.Account) { a.Uploads = policy.Atomic })
	w.serve()
	w.put("alice", "whole", "old content")
	for _, text := range []string{"C0644 10 whole\nhalf", "C0644 4 whole\nhalf"} {
		if _, status := w.command("alice", "scp -t /").says(text); status == 0 {
			t.Errorf("%q ended well", text)
		}
	}
	if got := w.content("alice", "whole"); got != "old content" {
		t.Errorf("the file became %q", got)
	}
}

// A grant that is taken away ends a download in the middle of its file, also of a
// client that has stopped reading.
func TestRemovedGrantCutsSCP(t *testing.T) {
	w := serving(t)
	w.share()
	w.put("bob", "shared/f", strings.Repeat("s", 8<<20))
	c := w.command("alice", "scp -f /shared/f")
	io.WriteString(c.in, "\x00\x00")
	if _, err := io.ReadFull(c.out, make([]byte, 64<<10)); err != nil {
		t.Fatal(err)
	}
	w.Change("alice", func(a *accounts.Account) { a.Grants = nil })
	waitFor(t, "the file is cut", func() bool {
		found, _, err := w.Events.List(t.Context(), events.Query{Kind: events.Download})
		return err == nil && len(found) == 1 && found[0].Outcome == events.WasCut
	})
	rest, _ := io.Copy(io.Discard, c.out) // how it ends is the connection's matter
	if rest > window+1<<20 {
		t.Errorf("%d bytes came after it", rest)
	}
}

// The same of an upload, whose client sends nothing more.
func TestRemovedGrantCutsSCPUpload(t *testing.T) {
	w := serving(t)
	w.share()
	w.put("bob", "shared/f", "x")
	c := w.command("alice", "scp -t /shared/new")
	io.WriteString(c.in, "C0600 100000 new\nbegun")
	// The file is there before it is open: the second answer says that it is.
	if _, err := io.ReadFull(c.out, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	w.Change("alice", func(a *accounts.Account) { a.Grants = nil })
	waitFor(t, "the file is cut", func() bool {
		found, _, err := w.Events.List(t.Context(), events.Query{Kind: events.Upload})
		return err == nil && len(found) == 1 && found[0].Outcome == events.WasCut
	})
}

func TestSCPUsage(t *testing.T) {
	w := serving(t)
	for _, line := range []string{"scp", "scp -t", "scp -f", "scp x", "scp -t a b", "scp -t -f a", "scp -x -t a", "scp -S /bin/sh -t a"} {
		if out, status := w.command("alice", line).says(""); status != 1 || !strings.HasPrefix(out, "\x01scp: usage: ") {
			t.Errorf("%s: status %d, %q", line, status, out)
		}
	}
	w.put("alice", "-f", "dash")
	if out, status := w.command("alice", "scp -pf -- -f").says("\x00\x00\x00\x00"); status != 0 || !strings.Contains(out, "dash") {
		t.Errorf("options together: status %d, %q", status, out)
	}
}

// What is over the quota is refused when it is announced, and a file that fits is
// taken after it.
func TestSCPKeepsToTheQuota(t *testing.T) {
	w := serving(t)
	w.limit("alice", quota.Amount{Bytes: 1000, Files: 100})
	out, status := w.command("alice", "scp -t /").says("C0600 5000 large\nC0600 5 small\nsmall\x00")
	if status != 1 || !strings.Contains(out, "large: quota exceeded") {
		t.Errorf("status %d, %q", status, out)
	}
	if got := w.content("alice", "small"); got != "small" {
		t.Errorf("the small one holds %q", got)
	}
	if _, err := os.Stat(w.home("alice", "large")); err == nil {
		t.Error("the large one is there")
	}
}

func TestCommands(t *testing.T) {
	w := serving(t)
	w.put("alice", "f", "abc")
	w.put("alice", "a name", "abc")
	w.put("alice", "two\nlines", "abc")
	w.put("alice", "d/in", "x")
	const md5, sha1 = "900150983cd24fb0d6963f7d28e17f72", "a9993e364706816aba3e25717850c26c9cd0d89d"
	for line, want := range map[string]string{
		"pwd":                     "/\n",
		"cd /d":                   "",
		"cd":                      "",
		"echo hello  'there  x'":  "hello there  x\n",
		"md5sum f":                md5 + "  f\n",
		"md5sum -- /f":            md5 + "  /f\n",
		"md5sum -b f":             md5 + "  f\n",
		`md5sum a\ name`:          md5 + "  a name\n",
		"md5sum 'two\nlines'":     `\` + md5 + `  two\nlines` + "\n",
		"sha1sum f 'a name'":      sha1 + "  f\n" + sha1 + "  a name\n",
		"sha256sum f":             "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  f\n",
		"md5sum":                  "d41d8cd98f00b204e9800998ecf8427e  -\n",
		"sha1sum -":               "da39a3ee5e6b4b0d3255bfef95601890afd80709  -\n",
		"sha512sum nothing":       "",
		"md5sum ../../etc/passwd": "",
	} {
		out, status := w.command("alice", line).says("")
		if out != want || status != map[bool]int{true: 1}[strings.Contains(line, "nothing") || strings.Contains(line, "passwd")] {
			t.Errorf("%q: status %d, %q, want %q", line, status, out, want)
		}
	}
	if out, status := w.command("alice", "df -k /d").says(""); status != 0 || !strings.HasPrefix(out, "Filesystem 1024-blocks Used Available Capacity Mounted on\n") {
		t.Errorf("df: status %d, %q", status, out)
	} else {
		var total, used, free, percent int
		if _, err := fmt.Sscanf(strings.Split(out, "\n")[1], "gatehouse %d %d %d %d%% /", &total, &used, &free, &percent); err != nil || total != used+free || total == 0 {
			t.Errorf("df: %v, %q", err, out)
		}
	}
}

// There is no shell: what is no command of ours is answered as a shell answers
// what it does not have, and has done nothing.
func TestOtherCommandsDoNotExist(t *testing.T) {
	w := serving(t)
	for _, line := range []string{
		"sh", "/bin/sh -c id", "rm -rf /", "md5sum f; id", "md5sum $(id)", "echo `id`", "echo ${ShellId}%ComSpec%", "cat f", "", "  ", "'", "rsync --server . .",
		"/usr/bin/md5sum f", "internal-sftp", strings.Repeat("a", 100_000),
	} {
		if out, status := w.command("alice", line).says(""); status != 127 || out != "" {
			t.Errorf("%.60q: status %d, %q", line, status, out)
		}
	}
}
