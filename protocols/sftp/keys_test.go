package sftp_test

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"gatehouse/protocols/protocoltest"
	"gatehouse/protocols/sftp"
)

func TestHostKeysAreMadeOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	keys, err := sftp.HostKeys(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	var types []string
	for _, k := range keys {
		types = append(types, k.PublicKey().Type())
	}
	if got := strings.Join(types, " "); got != "ssh-ed25519 ecdsa-sha2-nistp256 ssh-rsa" {
		t.Errorf("the keys are %s", got)
	}
	files, _ := os.ReadDir(dir)
	if len(files) != 3 {
		t.Errorf("%d files, want 3: %v", len(files), files)
	}
	for _, f := range files {
		info, _ := f.Info()
		text, _ := os.ReadFile(filepath.Join(dir, f.Name()))
		if info.Mode() != 0o600 || !strings.HasPrefix(string(text), "-----BEGIN OPENSSH PRIVATE KEY-----") {
			t.Errorf("%s: mode %v, begins with %.40q", f.Name(), info.Mode(), text)
		}
	}
	again, err := sftp.HostKeys(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := sftp.Fingerprints(again), sftp.Fingerprints(keys); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("the second start has other keys: %v, %v", got, want)
	}
	// One that is gone is made anew, the others stay.
	os.Remove(filepath.Join(dir, "ssh_host_rsa_key"))
	third, err := sftp.HostKeys(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	got, was := sftp.Fingerprints(third), sftp.Fingerprints(keys)
	if got[0] != was[0] || got[1] != was[1] || got[2] == was[2] {
		t.Errorf("%v became %v", was, got)
	}
}

func TestFingerprintIsThatOfOpenSSH(t *testing.T) {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI does not accept that a client is missing")
		}
		t.Skip("ssh-keygen is not installed: its fingerprints were not compared")
	}
	dir := t.TempDir()
	keys, err := sftp.HostKeys(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"ssh_host_ed25519_key", "ssh_host_ecdsa_key", "ssh_host_rsa_key"} {
		out, err := exec.CommandContext(t.Context(), keygen, "-l", "-f", filepath.Join(dir, name)).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		hash, _, _ := strings.Cut(sftp.Fingerprints(keys)[i], " ")
		if !strings.Contains(string(out), hash) {
			t.Errorf("%s: ours is %s, ssh-keygen's %s", name, hash, out)
		}
	}
}

// A host key that others can read, or that is none, stops the start with a word.
func TestBadHostKeysAreRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, mode os.FileMode, text []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, text, mode); err != nil {
			t.Fatal(err)
		}
		return file
	}
	marshal := func(key any, passphrase string) []byte {
		var block *pem.Block
		var err error
		if passphrase == "" {
			block, err = ssh.MarshalPrivateKey(key, "")
		} else {
			block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
		}
		if err != nil {
			t.Fatal(err)
		}
		return pem.EncodeToMemory(block)
	}
	strong, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("GODEBUG", "rsa1024min=0")
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	for file, word := range map[string]string{
		write("open", 0o644, marshal(strong, "")):            "others can read it",
		write("encrypted", 0o600, marshal(strong, "secret")): "it is encrypted",
		write("weak", 0o600, marshal(weak, "")):              "too weak",
		write("noise", 0o600, []byte("noise")):               "no key found",
		filepath.Join(dir, "missing"):                        "no such file",
	} {
		_, err := sftp.HostKeys(dir, []string{file})
		if err == nil || !strings.Contains(err.Error(), word) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v, want the file and %q", file, err, word)
		}
	}
	keys, err := sftp.HostKeys(dir, []string{write("good", 0o600, marshal(strong, ""))})
	if err != nil || len(keys) != 1 {
		t.Errorf("a good key: %d, %v", len(keys), err)
	}
}

func TestHostKeysAreNeeded(t *testing.T) {
	w := newWorld(t)
	w.config.HostKeys = nil
	if err := w.start(); err == nil {
		t.Error("a server without a host key")
	}
}

// Clients that log in learn all keys, those not in use too, and have each one
// proved. A proof is bound to the connection and to announced keys.
func TestHostKeysAreAnnouncedAndProved(t *testing.T) {
	w := newWorld(t)
	w.add("alice")
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rsaKey, _ := ssh.NewSignerFromKey(private)
	w.config.HostKeys = []ssh.Signer{w.hostKeys[0], rsaKey, protocoltest.NewKey(t)}
	w.serve()

	raw, err := net.Dial("tcp", w.address)
	if err != nil {
		t.Fatal(err)
	}
	conn, channels, requests, err := ssh.NewClientConn(raw, w.address, w.client("alice"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	announced := make(chan []byte, 1)
	go func() { // ends with the connection
		for r := range requests {
			if r.Type == "hostkeys-00@openssh.com" {
				announced <- r.Payload
			}
			r.Reply(false, nil)
		}
	}()
	go func() { // ends with the connection
		for c := range channels {
			c.Reject(ssh.Prohibited, "")
		}
	}()

	payload := <-announced
	var blobs []string
	for rest := payload; len(rest) > 0; {
		var blob string
		blob, rest = cutString(rest)
		blobs = append(blobs, blob)
	}
	if len(blobs) != 3 {
		t.Fatalf("%d keys were announced, want 3", len(blobs))
	}
	ok, proof, err := conn.SendRequest("hostkeys-prove-00@openssh.com", true, payload)
	if !ok || err != nil {
		t.Fatalf("the keys were not proved: %v", err)
	}
	for i, blob := range blobs {
		if want := string(w.config.HostKeys[i].PublicKey().Marshal()); blob != want {
			t.Errorf("key %d is another", i)
		}
		var signature string
		signature, proof = cutString(proof)
		var parsed ssh.Signature
		if err := ssh.Unmarshal([]byte(signature), &parsed); err != nil {
			t.Fatal(err)
		}
		key, err := ssh.ParsePublicKey([]byte(blob))
		if err != nil {
			t.Fatal(err)
		}
		signed := ssh.Marshal(struct {
			Request   string
			SessionID []byte
			Key       string
		}{"hostkeys-prove-00@openssh.com", conn.SessionID(), blob})
		if err := key.Verify(signed, &parsed); err != nil {
			t.Errorf("the proof of %s: %v", key.Type(), err)
		}
		if parsed.Format == ssh.KeyAlgoRSA {
			t.Error("RSA signed with SHA-1")
		}
	}

	prove := func(payload []byte) bool {
		ok, _, err := conn.SendRequest("hostkeys-prove-00@openssh.com", true, payload)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	foreign := ssh.Marshal(struct{ Key []byte }{protocoltest.NewKey(t).PublicKey().Marshal()})
	if prove(foreign) {
		t.Error("a foreign key was signed for")
	}
	if prove(append(payload, payload...)) {
		t.Error("keys were proved twice in one answer")
	}
	if !prove(payload) {
		t.Error("the fourth proof was refused")
	}
	if prove(payload) {
		t.Error("proofs, which cost a signature each, are not counted")
	}
}
