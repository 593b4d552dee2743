package sftp_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/protocols/protocoltest"
	"gatehouse/protocols/sftp"
	"gatehouse/storage/accounts"
)

// OpenSSH's own clients against the door.
type openSSH struct {
	*world
	local   string // the client's folder
	options []string
	env     []string
}

func newOpenSSH(t *testing.T) *openSSH {
	t.Helper()
	for _, program := range []string{"sftp", "scp", "ssh"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal("CI does not accept that a client is missing")
			}
			t.Skipf("OpenSSH's %s is not installed: the door was not tried with it", program)
		}
	}
	w := serving(t)
	o := &openSSH{world: w, local: t.TempDir()}
	_, port, _ := net.SplitHostPort(w.address)
	known := "[127.0.0.1]:" + port + " " + string(ssh.MarshalAuthorizedKey(w.hostKeys[0].PublicKey()))
	o.write("known_hosts", known, 0o600)
	o.options = []string{
		"-F", "none", "-P", port, "-o", "UserKnownHostsFile=" + o.file("known_hosts"), "-o", "StrictHostKeyChecking=yes",
		"-o", "UpdateHostKeys=yes", "-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=20",
	}
	o.env = append(os.Environ(), "HOME="+o.local, "SSH_AUTH_SOCK=", "LC_ALL=C")
	return o
}

func (o *openSSH) file(name ...string) string {
	return filepath.Join(append([]string{o.local}, name...)...)
}

func (o *openSSH) write(name, content string, mode os.FileMode) {
	o.t.Helper()
	if err := os.MkdirAll(filepath.Dir(o.file(name)), 0o750); err != nil {
		o.t.Fatal(err)
	}
	if err := os.WriteFile(o.file(name), []byte(content), mode); err != nil {
		o.t.Fatal(err)
	}
}

// withKey lets alice in by a key.
func (o *openSSH) withKey() *openSSH {
	o.t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		o.t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		o.t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		o.t.Fatal(err)
	}
	o.write("key", string(pem.EncodeToMemory(block)), 0o600)
	o.authorize("alice", key)
	o.options = append(o.options, "-i", o.file("key"), "-o", "PreferredAuthentications=publickey")
	return o
}

// withPassword answers the question for alice's password, or another.
func (o *openSSH) withPassword(secret string) *openSSH {
	o.write("askpass", "#!/bin/sh\necho '"+secret+"'\n", 0o700)
	o.env = append(o.env, "SSH_ASKPASS="+o.file("askpass"), "SSH_ASKPASS_REQUIRE=force", "DISPLAY=none")
	o.options = append(o.options, "-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1", "-o", "BatchMode=no")
	return o
}

// run runs a client in its folder and returns all that it said.
func (o *openSSH) run(program string, args ...string) (string, error) {
	o.t.Helper()
	cmd := exec.CommandContext(o.t.Context(), program, append(append([]string{}, o.options...), args...)...)
	cmd.Dir, cmd.Env = o.local, o.env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	stop := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer stop.Stop()
	err := cmd.Run()
	return out.String(), err
}

// sftp runs commands, each of which must succeed unless it begins with "-".
func (o *openSSH) sftp(commands ...string) string {
	o.t.Helper()
	o.write("batch", strings.Join(commands, "\n")+"\n", 0o600)
	out, err := o.run("sftp", "-b", o.file("batch"), "alice@127.0.0.1")
	if err != nil {
		o.t.Errorf("sftp: %v\n%s", err, out)
	}
	return out
}

func (o *openSSH) same(local, remote string) {
	o.t.Helper()
	want, err := os.ReadFile(o.file(local))
	if err != nil {
		o.t.Error(err)
		return
	}
	if got := o.content("alice", remote); got != string(want) {
		o.t.Errorf("%s holds %d bytes, which are not the %d of %s", remote, len(got), len(want), local)
	}
}

func content(n int) string {
	b := make([]byte, n)
	rand.Read(b)
	return string(b)
}

func TestOpenSSHTransfers(t *testing.T) {
	o := newOpenSSH(t).withKey()
	big := content(3<<20 + 17)
	o.write("big", big, 0o600)
	o.write("half", big[:1<<20], 0o600)
	o.write("empty", "", 0o600)
	o.sftp("put big /big", "put empty", "get big back", "get empty empty-back",
		"put half /resumed", "reput big /resumed", "get -f big synced", "put -f big /synced")
	o.same("big", "big")
	o.same("back", "big")
	o.same("empty", "empty")
	o.same("empty-back", "empty")
	o.same("big", "resumed")
	o.same("big", "synced")
	o.sftp("cp /big /copied")
	o.same("big", "copied")
	o.write("partial", big[:2<<20], 0o600)
	o.sftp("reget /big partial")
	o.same("partial", "big")

	old := time.Unix(1_000_000_000, 0)
	os.Chtimes(o.file("big"), old, old)
	os.Chmod(o.file("big"), 0o640)
	o.sftp("put -p big /kept")
	if info, err := os.Stat(o.home("alice", "kept")); err != nil || info.ModTime().Unix() != old.Unix() || info.Mode() != 0o640 {
		t.Errorf("put -p: %v, %v", info, err)
	}
}

func TestOpenSSHCommands(t *testing.T) {
	o := newOpenSSH(t).withKey()
	o.write("f", "content", 0o644)
	out := o.sftp("pwd", "mkdir d", "cd d", "pwd", "put f", "rename f g", "chmod 600 g", "ls -l", "ls -la /", "df", "df -h", "df -i",
		"cd /", "ls -1", "put f old", "put f new", "rename old new", "rm new", "-rm nothing", "-cd nowhere", "-ln -s f link", "-symlink f link",
		"ln d/g hard", "-rmdir d", "rm d/g", "rmdir d", "version")
	for _, want := range []string{
		"Remote working directory: /\n", "Remote working directory: /d\n",
		"-rw-------    ? alice    gatehouse        7 ", "drwxr-x---    ? alice    gatehouse     4096 ",
		"remote delete /nothing: No such file", "stat remote: No such file",
		"remote symlink", "Permission denied", "SFTP protocol version 3",
	} {
		if !strings.Contains(strings.ReplaceAll(out, "\r", ""), want) {
			t.Errorf("%q was not said", want)
		}
	}
	if m := regexp.MustCompile(`(?m)^\s*(\d+)\s+\d+\s+(\d+)\s+\d+\s+\d+%`).FindStringSubmatch(out); m == nil || m[1] == "0" || m[2] == "0" {
		t.Errorf("df tells %v", m)
	}
	if t.Failed() {
		t.Log(out)
	}
	left, err := os.ReadDir(o.home("alice"))
	if err != nil || len(left) != 1 || left[0].Name() != "hard" {
		t.Errorf("what is left is %v, %v", left, err)
	}
}

func TestOpenSSHTrees(t *testing.T) {
	o := newOpenSSH(t).withKey()
	for _, name := range []string{"tree/a", "tree/b/c", "tree/b/d/e", "tree/name with spaces", "tree/ü"} {
		o.write(name, name+content(1000), 0o644)
	}
	o.sftp("put -r tree /tree", "get -r /tree back", "mkdir target", "lmkdir mget", "lcd mget", "mget -r /tree/*")
	if out, err := exec.CommandContext(t.Context(), "diff", "-r", o.file("tree"), o.home("alice", "tree")).CombinedOutput(); err != nil {
		t.Errorf("after put -r: %v %s", err, out)
	}
	for _, back := range []string{"back", "mget"} {
		if out, err := exec.CommandContext(t.Context(), "diff", "-r", o.file("tree"), o.file(back)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v %s", back, err, out)
		}
	}
}

func TestOpenSSHPassword(t *testing.T) {
	o := newOpenSSH(t).withPassword(password)
	o.write("f", "content", 0o600)
	o.sftp("put f")
	o.same("f", "f")
	if out, err := o.withPassword("wrong").run("sftp", "alice@127.0.0.1"); err == nil || !strings.Contains(out, "login refused (reference ") {
		t.Errorf("a wrong password: %v\n%s", err, out)
	}
	o.Change("alice", func(a *accounts.Account) { a.Status.Disabled = true })
	if out, err := o.withPassword(password).run("sftp", "alice@127.0.0.1"); err == nil || !strings.Contains(out, "login refused (reference ") {
		t.Errorf("a disabled account: %v\n%s", err, out)
	}
}

func TestOpenSSHCopy(t *testing.T) {
	o := newOpenSSH(t).withKey()
	o.write("f", content(100_000), 0o640)
	o.write("tree/a/b", content(1000), 0o644)
	scp := func(args ...string) {
		t.Helper()
		if out, err := o.run("scp", args...); err != nil {
			t.Errorf("scp %v: %v\n%s", args, err, out)
		}
	}
	scp("f", "alice@127.0.0.1:")
	o.same("f", "f")
	scp("-p", "f", "alice@127.0.0.1:/g")
	o.same("f", "g")
	scp("f", "alice@127.0.0.1:~/h")
	o.same("f", "h")
	scp("alice@127.0.0.1:f", "back")
	o.same("back", "f")
	scp("alice@127.0.0.1:/[gh]", ".")
	o.same("h", "f")
	// Far more than one request: see TestAnswersComeInTheOrderOfTheRequests.
	o.write("big", content(20<<20), 0o600)
	scp("big", "alice@127.0.0.1:")
	o.same("big", "big")
	scp("alice@127.0.0.1:big", "big-back")
	o.same("big-back", "big")
	scp("-r", "tree", "alice@127.0.0.1:")
	scp("-r", "alice@127.0.0.1:tree", "tree-back")
	o.same("tree-back/a/b", "tree/a/b")
	if out, err := o.run("scp", "alice@127.0.0.1:nothing", "."); err == nil {
		t.Errorf("scp of nothing: %s", out)
	}
}

// A client that learns keys asks for their proof: it must be one that it takes.
func TestOpenSSHLearnsHostKeys(t *testing.T) {
	o := newOpenSSH(t).withKey()
	second := protocoltest.NewKey(t)
	o.config.HostKeys = append(o.hostKeys, second)
	o.serve()
	_, port, _ := net.SplitHostPort(o.address)
	o.write("known_hosts", "[127.0.0.1]:"+port+" "+string(ssh.MarshalAuthorizedKey(o.hostKeys[0].PublicKey())), 0o600)
	o.options = append([]string{"-P", port}, o.options[4:]...)
	o.options = append(o.options, "-F", "none")
	want := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(second.PublicKey())))
	// A client may be done and gone before it has heard of the other keys.
	waitFor(t, "the second key is learned", func() bool {
		o.sftp("pwd", "ls")
		known, err := os.ReadFile(o.file("known_hosts"))
		return err != nil || strings.Contains(string(known), want)
	})
}

// A client of before 2014 comes in where the configuration says so, and only
// there: with what OpenSSH itself can still be told to speak.
func TestOpenSSHWithOldAlgorithms(t *testing.T) {
	old := []string{"-o", "KexAlgorithms=diffie-hellman-group14-sha1", "-o", "Ciphers=aes128-cbc", "-o", "MACs=hmac-sha1"}
	for what, legacy := range map[string][]sftp.Legacy{
		"nobody's": nil,
		"theirs": {{
			From:       netip.MustParsePrefix("127.0.0.1/32"),
			Algorithms: []string{"diffie-hellman-group14-sha1", "aes128-cbc", "hmac-sha1"},
		}},
	} {
		o := newOpenSSH(t).withKey()
		o.config.Legacy = legacy
		o.serve()
		_, port, _ := net.SplitHostPort(o.address)
		o.write("known_hosts", "[127.0.0.1]:"+port+" "+string(ssh.MarshalAuthorizedKey(o.hostKeys[0].PublicKey())), 0o600)
		o.options = append([]string{"-F", "none", "-P", port}, append(o.options[4:], old...)...)
		o.write("batch", "pwd\n", 0o600)
		out, err := o.run("sftp", "-b", o.file("batch"), "alice@127.0.0.1")
		if admitted := err == nil; admitted != (legacy != nil) {
			t.Errorf("old algorithms that are %s: %v\n%s", what, err, out)
		}
	}
}

// rclone finds the hash commands by itself, and compares by them.
func TestRcloneComparesHashes(t *testing.T) {
	if _, err := exec.LookPath("rclone"); err != nil {
		t.Skip("rclone is not installed: its hash commands were not tried")
	}
	o := newOpenSSH(t).withKey()
	_, port, _ := net.SplitHostPort(o.address)
	o.write("tree/a name", "content", 0o600)
	o.write("tree/it's $HOME * ü", "content", 0o600)
	remote := ":sftp,host=127.0.0.1,port=" + port + ",user=alice,key_file='" + o.file("key") + "',shell_type=unix:/tree"
	run := func(args ...string) (string, error) {
		// One at a time: while it looks for the commands it takes them for missing.
		cmd := exec.CommandContext(t.Context(), "rclone", append([]string{"--config", "/dev/null", "-v", "--checkers", "1"}, args...)...)
		cmd.Env, cmd.WaitDelay = o.env, time.Minute
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run("copy", o.file("tree"), remote); err != nil {
		t.Fatalf("rclone copy: %v\n%s", err, out)
	}
	if out, err := run("check", o.file("tree"), remote); err != nil || !strings.Contains(out, "2 matching files") || strings.Contains(out, "could not be checked") {
		t.Errorf("rclone check: %v\n%s", err, out)
	}
	o.put("alice", "tree/a name", "CONTENT")
	if out, err := run("check", o.file("tree"), remote); err == nil || !strings.Contains(out, "1 differences found") {
		t.Errorf("rclone check of another content says %s", out)
	}
}
