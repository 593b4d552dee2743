package ftp

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"gatehouse/protocols/ftp/data"
)

// listening is what this process listens on, but for the doors of the test. It
// asks the kernel, so nothing is missed, whoever opened it.
func (s *site) listening(t testing.TB) []netip.AddrPort {
	t.Helper()
	own := make(map[string]bool)
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil || len(fds) == 0 {
		t.Fatal("the system does not tell who listens")
	}
	for _, fd := range fds {
		if link, err := os.Readlink(fd); err == nil {
			own[link] = true
		}
	}
	var found []netip.AddrPort
	for _, table := range []string{"/proc/self/net/tcp", "/proc/self/net/tcp6"} {
		b, _ := os.ReadFile(table)
		for _, line := range strings.Split(string(b), "\n") {
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != "0A" || !own[fmt.Sprintf("socket:[%s]", f[9])] {
				continue
			}
			if at := kernelAddress(f[1]); at.String() != s.addr {
				found = append(found, at)
			}
		}
	}
	return found
}

// kernelAddress reads an address as /proc shows it: words in the machine's order.
func kernelAddress(text string) netip.AddrPort {
	address, port, _ := strings.Cut(text, ":")
	b, err := hex.DecodeString(address)
	if err != nil {
		return netip.AddrPort{}
	}
	for i := 0; i < len(b); i += 4 {
		binary.BigEndian.PutUint32(b[i:], binary.NativeEndian.Uint32(b[i:]))
	}
	a, _ := netip.AddrFromSlice(b)
	n, _ := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(a, uint16(n))
}

// What listens for a data connection is one port of the range, where the client
// reached us and at no other address, until the transfer begins.
func TestPassiveListener(t *testing.T) {
	first := freeRange(t, 4)
	s := newSite(t, func(c *Config) { c.Ports = data.NewPorts(first, first+3) })
	c := s.dial(t).login(s.Add("anna"))
	if got := s.listening(t); len(got) != 0 {
		t.Fatalf("listening before: %v", got)
	}
	seen := make(map[uint16]bool)
	for range 40 {
		port := c.port()
		got := s.listening(t)
		if len(got) != 1 || got[0].String() != port {
			t.Fatalf("told %s, listening at %v", port, got)
		}
		if p := int(got[0].Port()); p < first || p > first+3 {
			t.Fatalf("port %d is out of the range", p)
		}
		seen[got[0].Port()] = true
	}
	if len(seen) < 3 {
		t.Errorf("40 choices among 4 ports were %v", seen)
	}
	text := c.must(227, "PASV")
	if !strings.Contains(text, "(127,0,0,1,") {
		t.Errorf("PASV: %s", text)
	}
	_ = c.get("LIST")
	if got := s.listening(t); len(got) != 0 {
		t.Errorf("listening after a transfer: %v", got)
	}
	if _, code, _ := c.fetch("RETR absent"); code != 550 {
		t.Errorf("RETR absent: %d", code)
	}
	waitFor(t, "nothing to listen after a transfer that was refused", func() bool { return len(s.listening(t)) == 0 })
	c.port()
	c.must(221, "QUIT")
	waitFor(t, "nothing to listen", func() bool { return len(s.listening(t)) == 0 })
	waitFor(t, "all ports to come back", func() bool {
		return s.config.Ports.Free() == 4
	})
}

// When all ports are taken the client hears so, and gets one later.
func TestPortsRunOut(t *testing.T) {
	first := freeRange(t, 1)
	s := newSite(t, func(c *Config) { c.Ports = data.NewPorts(first, first) })
	p := s.Add("anna")
	a, b := s.dial(t).login(p), s.dial(t).login(p)
	a.port()
	b.must(425, "EPSV")
	b.must(425, "PASV")
	a.must(221, "QUIT")
	waitFor(t, "the port to come back", func() bool { code, _ := b.cmd("EPSV"); return code == 229 })
}

// freeRange finds ports in a row that nobody has. They lie below those that the
// system gives to whoever asks for any.
func freeRange(t *testing.T, n int) (first int) {
	t.Helper()
search:
	for first = 20000 + rand.IntN(2000); first < 32000; first += n {
		for port := first; port < first+n; port++ {
			l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
			if err != nil {
				continue search
			}
			_ = l.Close()
		}
		return first
	}
	t.Fatal("no free ports in a row")
	return 0
}
