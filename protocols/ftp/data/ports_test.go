package data

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"
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
		l, release, err := p.listen(loopback, Client{})
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		if port < first || port >= first+n || held[port] != nil {
			t.Fatalf("port %d", port)
		}
		held[port] = func() { _ = l.Close(); release(); release() }
	}
	if _, _, err := p.listen(loopback, Client{}); !errors.Is(err, ErrNoPort) {
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
	l, release, err := (*Ports)(nil).listen(loopback, Client{})
	if err != nil {
		t.Fatal(err)
	}
	defer release()
	defer l.Close()
	if got := l.Addr().(*net.TCPAddr).AddrPort().Addr().Unmap(); got != loopback {
		t.Errorf("listens at %v", got)
	}
}

// One who takes every port and connects to none keeps nobody else out: who has
// fewer gets one of his, the oldest. Who has no more than one less gets none.
func TestGreedyClientGivesUpPorts(t *testing.T) {
	mallory := []Client{{"mallory", loopback}, {"mallory", netip.MustParseAddr("127.0.0.2")}}
	for name, other := range map[string]Client{
		"another account at the same address":  {"anna", loopback},
		"the account at an address of its own": {"mallory", netip.MustParseAddr("127.0.0.3")},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const n = 6
				first := freeRange(t, n)
				p := NewPorts(first, first+n-1)
				var taken []*Source
				for i := range n {
					s := hold(t, p, mallory[i/(n-1)])
					taken = append(taken, s)
				}
				time.Sleep(settled)
				got := map[uint16]bool{}
				for _, s := range []*Source{hold(t, p, other), hold(t, p, other)} {
					got[s.Port()] = true
				}
				if !got[taken[0].Port()] || !got[taken[1].Port()] {
					t.Errorf("ports %v were given up, want the oldest", got)
				}
				if _, err := taken[0].Connect(How{Stall: patience, Stalled: func() {}}); !errors.Is(err, ErrNone) {
					t.Errorf("a port that was given up: %v", err)
				}
			})
		})
	}
	first := freeRange(t, 1)
	p := NewPorts(first, first)
	hold(t, p, mallory[0])
	if _, _, err := p.listen(loopback, Client{Account: "anna"}); !errors.Is(err, ErrNoPort) {
		t.Errorf("the only port of somebody: %v", err)
	}
}

// A client that is only just on its way to its port comes to no other account's: from
// one address both are the same, and one would take the other's files.
func TestPortThatSomebodyIsOnTheWayTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 3
		first := freeRange(t, n)
		p := NewPorts(first, first+n-1)
		anna, ben := Client{"anna", loopback}, Client{"ben", loopback}
		old := hold(t, p, anna).Port()
		time.Sleep(settled)
		hold(t, p, anna)
		hold(t, p, anna)
		if got := hold(t, p, ben).Port(); got != old {
			t.Errorf("port %d, want the settled one, %d", got, old)
		}
		if _, _, err := p.listen(loopback, Client{"cleo", loopback}); !errors.Is(err, ErrNoPort) {
			t.Errorf("a port that was told just now: %v", err)
		}
		if _, release, err := p.listen(loopback, Client{"cleo", loopback.Next()}); err != nil {
			t.Errorf("from another address: %v", err)
		} else {
			release()
		}
	})
}

// One address with an account for each port keeps no other address out. There is
// no bound on what one may have while ports are free: many people come from one
// address, and none of them takes what somebody else needs.
func TestGreedyAddressGivesUpPorts(t *testing.T) {
	const n = 4
	first := freeRange(t, n)
	p := NewPorts(first, first+n-1)
	crowd := netip.MustParseAddr("2001:db8::")
	var taken []*Source
	for i := range n {
		crowd = crowd.Next() // of one /64
		taken = append(taken, hold(t, p, Client{fmt.Sprint("mallory", i), crowd}))
	}
	anna := Client{"anna", netip.MustParseAddr("2001:db8:0:1::1")}
	got := []uint16{hold(t, p, anna).Port(), hold(t, p, anna).Port()}
	if want := []uint16{taken[0].Port(), taken[1].Port()}; !slices.Equal(got, want) {
		t.Errorf("ports %v were given up, want the oldest, %v", got, want)
	}
	if _, _, err := p.listen(loopback, anna); !errors.Is(err, ErrNoPort) {
		t.Errorf("where both addresses have two, one gets another: %v", err)
	}
}

// A port that nobody asks a connection of comes back by itself.
func TestUnusedPortComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first := freeRange(t, 1)
		p := NewPorts(first, first)
		s, err := Passive(p, loopback, Client{}, Times{Unused: time.Minute, Wait: patience}, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute + time.Second)
		if p.Free() != 1 {
			t.Error("the port is taken still")
		}
		if _, err := s.Connect(How{}); !errors.Is(err, ErrNone) {
			t.Errorf("Connect: %v", err)
		}
	})
}

func hold(t *testing.T, p *Ports, c Client) *Source {
	t.Helper()
	s, err := Passive(p, loopback, c, Times{Unused: patience, Wait: patience}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}
