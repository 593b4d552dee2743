package sftp_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gatehouse/protocols/sftp"
)

// A shelf keeps the first of each name.
type shelf struct {
	mu   sync.Mutex
	kept map[string][]byte
}

func (s *shelf) once(name string, fill func() ([]byte, error)) ([]byte, error) {
	made, err := fill()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept[name] == nil {
		s.kept[name] = made
	}
	return s.kept[name], nil
}

func shared(t *testing.T, s *shelf, dir string) string {
	t.Helper()
	keys, err := sftp.SharedHostKeys(dir, s.once)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(sftp.Fingerprints(keys), " ")
}

// A client that knows one node's key must find it at every node, also where two
// nodes have made keys at once, or had keys of their own; nothing is left in a folder.
func TestNodesShareHostKeys(t *testing.T) {
	s := &shelf{kept: map[string][]byte{}}
	fresh := t.TempDir()
	first := shared(t, s, fresh)
	if files, _ := os.ReadDir(fresh); len(files) > 0 {
		t.Errorf("copies in the data folder: %v", files)
	}
	own := t.TempDir()
	if _, err := sftp.HostKeys(own, nil); err != nil {
		t.Fatal(err)
	}
	if again := shared(t, s, own); again != first {
		t.Errorf("the second node has %s, the first %s", again, first)
	}
	if !strings.Contains(first, "ssh-ed25519") || !strings.Contains(first, "ssh-rsa") || !strings.Contains(first, "ecdsa") {
		t.Error(first)
	}
}

// The keys of a gateway that was alone stay when others join it.
func TestTheFirstNodesHostKeysBecomeThoseOfAll(t *testing.T) {
	dir := t.TempDir()
	keys, err := sftp.HostKeys(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	known := strings.Join(sftp.Fingerprints(keys), " ")
	s := &shelf{kept: map[string][]byte{}}
	for _, dir := range []string{dir, t.TempDir()} {
		if got := shared(t, s, dir); got != known {
			t.Errorf("%s has %s, want %s", dir, got, known)
		}
	}
	// One that others can read is no secret, and does not become that of all.
	if err := os.Chmod(filepath.Join(dir, "ssh_host_rsa_key"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := sftp.SharedHostKeys(dir, (&shelf{kept: map[string][]byte{}}).once); err == nil {
		t.Error("a key that others can read is taken")
	}
	if _, err := sftp.SharedHostKeys(dir, func(string, func() ([]byte, error)) ([]byte, error) { return nil, errors.New("away") }); err == nil {
		t.Error("without a store there are keys")
	}
}
