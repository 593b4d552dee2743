package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/crypto/ssh"
	"golang.org/x/sync/errgroup"
)

// oldUser is a user of the server that people come from.
type oldUser struct {
	name, password string
	key            ssh.Signer
}

// A site of 120 users moves: everybody logs in with the old password or key and
// finds the old files, in place.
func TestImportOfADump(t *testing.T) {
	if testing.Short() {
		t.Skip("hashes take their time")
	}
	const users = 120
	dir := t.TempDir()
	n := newNode(t, filepath.Join(dir, "data"))
	old := n.files("/old") // the old server's folder, mounted where it stands
	var dump struct {
		Users   []map[string]any `json:"users"`
		Folders []map[string]any `json:"folders"`
		Groups  []map[string]any `json:"groups"`
		Admins  []map[string]any `json:"admins"`
	}
	dump.Folders = []map[string]any{{"name": "shared", "mapped_path": "/srv/sftpgo/shared"}}
	dump.Groups = []map[string]any{{"name": "staff", "user_settings": map[string]any{"max_sessions": 9}}}
	dump.Admins = []map[string]any{{"username": "admin"}}
	write(t, filepath.Join(old, "shared", "common.txt"), "for all")
	var people []oldUser
	for i := range users {
		u := newOldUser(t, i)
		people = append(people, u)
		write(t, filepath.Join(old, u.name, "mine.txt"), "of "+u.name)
		dump.Users = append(dump.Users, u.record(t, i))
	}
	text, err := json.Marshal(dump)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "dump.json"), string(text))
	n.start()
	out := n.run("import", "sftpgo", filepath.Join(dir, "dump.json"), "--map", "/srv/sftpgo=/old", "--adopt-home")
	if !strings.Contains(out, "121 changed") || !strings.Contains(out, "administrator") {
		t.Fatalf("the import says %s", out[max(0, len(out)-2000):])
	}
	host := trustOnce()
	var g errgroup.Group
	g.SetLimit(4)
	for _, u := range people {
		g.Go(func() error { return u.visit(t.Context(), n.addr["SFTP"], host) })
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// newOldUser makes a user; every third has a key, the others a password.
func newOldUser(t *testing.T, i int) oldUser {
	t.Helper()
	u := oldUser{name: fmt.Sprintf("user%03d", i), password: fmt.Sprintf("old password %d", i)}
	if i%3 == 2 {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err == nil {
			u.key, err = ssh.NewSignerFromKey(private)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return u
}

// record is the user as the old server dumps it.
func (u oldUser) record(t *testing.T, i int) map[string]any {
	r := map[string]any{
		"username": u.name, "status": 1, "home_dir": "/srv/sftpgo/" + u.name, "permissions": map[string]any{"/": []string{"*"}},
		"groups":          []map[string]any{{"name": "staff", "type": 1}},
		"virtual_folders": []map[string]any{{"name": "shared", "virtual_path": "/shared", "quota_size": -1, "quota_files": -1}},
		"filters":         map[string]any{"denied_protocols": []string{"FTP"}, "allowed_ip": []string{"127.0.0.0/8"}},
	}
	if u.key != nil {
		r["public_keys"] = []string{string(ssh.MarshalAuthorizedKey(u.key.PublicKey()))}
		return r
	}
	if i%3 == 0 {
		hash, err := bcrypt.GenerateFromPassword([]byte(u.password), bcrypt.MinCost)
		if err != nil {
			t.Fatal(err)
		}
		r["password"] = string(hash)
		return r
	}
	const salt, rounds = "E86a9YMX3zC7", 1000
	sum, err := pbkdf2.Key(sha256.New, u.password, []byte(salt), rounds, 32)
	if err != nil {
		t.Fatal(err)
	}
	r["password"] = fmt.Sprintf("$pbkdf2-sha256$%d$%s$%s", rounds, salt, base64.StdEncoding.EncodeToString(sum))
	return r
}

// visit logs in and reads what was there before the move.
func (u oldUser) visit(ctx context.Context, address string, host ssh.HostKeyCallback) error {
	auth := ssh.Password(u.password)
	if u.key != nil {
		auth = ssh.PublicKeys(u.key)
	}
	d := net.Dialer{Timeout: time.Minute}
	raw, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return fmt.Errorf("%s: %w", u.name, err)
	}
	defer func() { _ = raw.Close() }()
	conf := &ssh.ClientConfig{User: u.name, Auth: []ssh.AuthMethod{auth}, HostKeyCallback: host}
	c, chans, reqs, err := ssh.NewClientConn(raw, address, conf)
	if err != nil {
		return fmt.Errorf("%s: %w", u.name, err)
	}
	files, err := sftp.NewClient(ssh.NewClient(c, chans, reqs))
	if err != nil {
		return fmt.Errorf("%s: %w", u.name, err)
	}
	defer func() { _ = files.Close() }()
	for name, want := range map[string]string{"/mine.txt": "of " + u.name, "/shared/common.txt": "for all"} {
		f, err := files.Open(name)
		if err != nil {
			return fmt.Errorf("%s: %s: %w", u.name, name, err)
		}
		got, err := io.ReadAll(f)
		if err != nil || string(got) != want {
			return fmt.Errorf("%s: %s is %q, %w", u.name, name, got, err)
		}
		_ = f.Close()
	}
	return nil
}

func write(t *testing.T, name, content string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(name), 0o750)
	if err == nil {
		err = os.WriteFile(name, []byte(content), 0o640)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// run runs the command line against the node and returns what it prints.
func (n *node) run(args ...string) string {
	n.t.Helper()
	binary, err := exec.LookPath("gatehouse")
	if err != nil {
		n.t.Fatal(err)
	}
	cmd := exec.CommandContext(n.t.Context(), binary, append([]string{"--data", n.data}, args...)...)
	cmd.Env = n.environment()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		n.t.Fatalf("gatehouse %s: %v: %s", strings.Join(args, " "), err, out.String()[max(0, out.Len()-2000):])
	}
	return out.String()
}
