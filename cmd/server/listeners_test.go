package server

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestBoundedAcceptsNoMoreThanItsBound(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := bounded(inner, bounds{all: 1, each: 1})
	for range 2 {
		c, err := net.Dial("tcp", inner.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
	}
	first, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	accepted := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			err = c.Close()
		}
		accepted <- err
	}()
	select {
	case <-accepted:
		t.Fatal("a second connection is accepted")
	default:
	}
	// Closing twice must give one slot back, not two.
	_, _ = first.Close(), first.Close()
	if err := <-accepted; err != nil {
		t.Fatal(err)
	}
	if n := len(l.(*boundedListener).slots); n != 0 {
		t.Errorf("%d slots are taken", n)
	}
	l.(*boundedListener).slots <- struct{}{}
	go func() {
		_, err := l.Accept()
		accepted <- err
	}()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-accepted; !errors.Is(err, net.ErrClosed) {
		t.Errorf("an Accept that waits for a slot ends with %v", err)
	}
}

// remote is a connection from anywhere.
type remote struct {
	net.Conn
	from net.Addr
}

func (r remote) RemoteAddr() net.Addr { return r.from }

// somewhere is a listener to which connections come from the addresses given.
type somewhere struct {
	net.Listener
	from []string
}

func (s *somewhere) Accept() (net.Conn, error) {
	if len(s.from) == 0 {
		return nil, net.ErrClosed
	}
	next := s.from[0]
	s.from = s.from[1:]
	ours, _ := net.Pipe()
	return remote{ours, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(next))}, nil
}

// One address that opens connection after connection had the place of everybody.
func TestOneAddressLeavesRoomForOthers(t *testing.T) {
	l := bounded(&somewhere{from: []string{
		"203.0.113.1:1", "203.0.113.1:2", "203.0.113.1:3", "198.51.100.7:1", "[2001:db8::1]:1", "[2001:db8::2]:2", "[2001:db8::3]:3",
		"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "203.0.113.1:4",
	}}, bounds{all: 100, each: 2, exempt: func(a netip.Addr) bool { return a == netip.MustParseAddr("10.0.0.1") }})
	var came []string
	var first net.Conn
	for {
		c, err := l.Accept()
		if err != nil {
			break
		}
		if came = append(came, c.RemoteAddr().String()); first == nil {
			first = c
		}
		if len(came) == 8 { // one of the first has left when the last comes
			_ = first.Close()
		}
	}
	want := []string{
		"203.0.113.1:1", "203.0.113.1:2", "198.51.100.7:1", "[2001:db8::1]:1", "[2001:db8::2]:2",
		"10.0.0.1:1", "10.0.0.1:2", "10.0.0.1:3", "203.0.113.1:4",
	}
	if !slices.Equal(came, want) {
		t.Errorf("accepted %q\nwant     %q", came, want)
	}
}

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
		"state.db", "events.db", "gatehouse.sock", "initial-password", "files/home/ann/f", "self-signed.pem.new",
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
