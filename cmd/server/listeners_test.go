package server

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Who can open the socket is an administrator.
func TestTheLocalSocketIsItsOwnersAlone(t *testing.T) {
	name := filepath.Join(t.TempDir(), "s")
	l, err := listenPrivate(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 || info.Mode().Type() != os.ModeSocket {
		t.Errorf("the socket is %v, %v", info.Mode(), err)
	}
	c, err := net.Dial("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	// Where nobody came to serve it, it is closed all the same.
	door := thenClose(func(context.Context) error { return nil }, l)
	if err := errors.Join(door(t.Context()), door(t.Context())); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Dir(name)); len(left) > 0 {
		t.Errorf("%v is left", left)
	}
}

func TestTheInitialPasswordIsItsOwnersAlone(t *testing.T) {
	dir := t.TempDir()
	old := filepath.Join(dir, passwordName)
	if err := os.WriteFile(old, []byte("of a former try"), 0o644); err != nil { //nolint:gosec // the test's point
		t.Fatal(err)
	}
	name, err := keepPassword(dir, "secret")
	if err != nil || name != old {
		t.Fatalf("%s, %v", name, err)
	}
	info, err := os.Stat(name)
	text, _ := os.ReadFile(name)
	if err != nil || info.Mode().Perm() != 0o600 || string(text) != "secret\n" {
		t.Errorf("%v, %q, %v", info.Mode(), text, err)
	}
}

func TestTheFirstPasswordOfTheEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "p")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, env := range map[string]map[string]string{
		"":            {},
		"plain":       {"GATEHOUSE_ADMIN_PASSWORD": "plain"},
		"from a file": {"GATEHOUSE_ADMIN_PASSWORD_FILE": file, "GATEHOUSE_ADMIN_PASSWORD": "plain"},
	} {
		if got, err := adminPassword(func(key string) string { return env[key] }); err != nil || got != want {
			t.Errorf("%v gives %q, %v", env, got, err)
		}
	}
	if _, err := adminPassword(func(string) string { return "/none" }); err == nil {
		t.Error("a file that is not there is no error")
	}
}

func TestABackupHoldsTheSmallFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"secret.key", "node", "ssh_host_ed25519_key", "self-signed.pem", "acme/files.example.org",
		"state.db", "events/events/00000000000000000001.log", "gatehouse.sock", "initial-password", "files/home/ann/f", "self-signed.pem.new",
	} {
		full := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o700), os.WriteFile(full, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filesToKeep(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
		if f.Path != filepath.Join(dir, f.Name) {
			t.Errorf("%s is read from %s", f.Name, f.Path)
		}
	}
	slices.Sort(names)
	want := []string{"acme/files.example.org", "node", "secret.key", "self-signed.pem", "ssh_host_ed25519_key"}
	if !slices.Equal(names, want) {
		t.Errorf("a backup holds %v, want %v", names, want)
	}
}
