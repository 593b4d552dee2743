package data

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
	"testing"
)

var loopback = netip.MustParseAddr("127.0.0.1")

// freeRange finds ports in a row that nobody has. They lie below those that the
// system gives to whoever asks for any.
func freeRange(t *testing.T, n int) (first int) {
	t.Helper()
search:
	for first = 20000 + rand.IntN(2000); first < 32000; first += n {
		for port := first; port < first+n; port++ {
			l, err := listenTCP(loopback, uint16(port))
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

// Ports of the range are all found, however few are left, none is handed out
// twice, and those that somebody else holds are passed over.
func TestPorts(t *testing.T) {
	const n = 8
	first := freeRange(t, n)
	other, err := listenTCP(loopback, uint16(first+3))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	p := NewPorts(first, first+n-1)
	held := make(map[int]func())
	for range n - 1 {
		l, release, err := p.listen(loopback)
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		if port < first || port >= first+n || held[port] != nil {
			t.Fatalf("port %d", port)
		}
		held[port] = func() { _ = l.Close(); release(); release() }
	}
	if _, _, err := p.listen(loopback); !errors.Is(err, ErrNoPort) {
		t.Errorf("one port more than there are: %v", err)
	}
	for _, release := range held {
		release()
	}
	if len(p.free) != n {
		t.Errorf("%d ports came back, want %d", len(p.free), n)
	}
}

// A passive port listens where the client reached us, and nowhere else.
func TestPortsListenAtOneAddress(t *testing.T) {
	l, release, err := (*Ports)(nil).listen(loopback)
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	defer l.Close()
	if got := l.Addr().(*net.TCPAddr).AddrPort().Addr().Unmap(); got != loopback {
		t.Errorf("listens at %v", got)
	}
}
