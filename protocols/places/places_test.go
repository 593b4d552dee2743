package places

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// A hall is a table with the connections at it by name.
type hall struct {
	t     *testing.T
	table *Table
	at    map[string]*Place
	cut   []string
}

func newHall(t *testing.T, all, each int) *hall {
	return &hall{t: t, table: New(all, each), at: map[string]*Place{}}
}

// enter has a connection come, and says what became of it.
func (h *hall) enter(name, from string) error {
	p, err := h.table.Enter(netip.MustParseAddr(from), func() { h.cut = append(h.cut, name) })
	if err == nil {
		h.at[name] = p
	}
	return err
}

func (h *hall) wantCut(names ...string) {
	h.t.Helper()
	if !slices.Equal(h.cut, names) {
		h.t.Errorf("cut are %q, want %q", h.cut, names)
	}
	h.cut = nil
}

func (h *hall) wantEmpty() {
	h.t.Helper()
	for _, p := range h.at {
		p.Leave()
	}
	if h.table.Taken() != 0 || len(h.table.clients) != 0 || len(h.table.networks) != 0 || h.table.loose.Len() != 0 {
		h.t.Errorf("when all have left, the table is %+v", h.table)
	}
}

func TestShareOfAnAddress(t *testing.T) {
	h := newHall(t, 100, 2)
	for _, step := range []struct {
		from string
		want error
	}{
		{"192.0.2.1", nil}, {"192.0.2.1", nil}, {"192.0.2.1", ErrShare}, {"::ffff:192.0.2.1", ErrShare},
		{"192.0.2.2", nil},
		{"2001:db8::1", nil}, {"2001:db8::ffff:1%eth0", nil}, {"2001:db8::2", ErrShare}, // its /64
		{"2001:db8:0:1::2", nil},
	} {
		if err := h.enter(fmt.Sprint(len(h.at)), step.from); !errors.Is(err, step.want) {
			t.Errorf("from %s: %v, want %v", step.from, err, step.want)
		}
	}
	h.at["0"].Leave()
	h.at["0"].Leave()
	if err := h.enter("again", "192.0.2.1"); err != nil {
		t.Errorf("a place that was left is not free: %v", err)
	}
	if err := h.enter("twice", "192.0.2.1"); err == nil {
		t.Error("a place that was left twice is free twice")
	}
	h.wantCut()
	h.wantEmpty()
}

// Seven addresses filled the places of everybody, for as long as they liked.
func TestTheGreediestMakesRoom(t *testing.T) {
	h := newHall(t, 6, 3)
	for _, c := range []struct{ name, from string }{
		{"other", "198.51.100.9"},
		{"a1", "203.0.113.1"}, {"b1", "203.0.113.2"}, {"a2", "203.0.113.1"}, {"b2", "203.0.113.2"}, {"b3", "203.0.113.2"},
	} {
		if err := h.enter(c.name, c.from); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.enter("new", "192.0.2.1"); err != nil {
		t.Fatal(err)
	}
	h.wantCut("b1") // of the network with most, the address with most, the oldest
	h.at["b1"].Leave()
	if n := h.table.Taken(); n != 6 {
		t.Errorf("%d places are taken: who was cut has left a second time", n)
	}
	// The neighbour of an attacker is let in too, the attacker is not.
	if err := h.enter("neighbour", "203.0.113.77"); err != nil {
		t.Error(err)
	}
	h.wantCut("a1")
	if err := h.enter("b4", "203.0.113.2"); !errors.Is(err, ErrShare) {
		t.Errorf("who has most comes in: %v", err)
	}
	h.wantCut()
	h.wantEmpty()
}

// An IPv6 network has as many /64 as there are places, and each of them is one
// client.
func TestANetworkOfManyAddresses(t *testing.T) {
	h := newHall(t, 4, 2)
	for i := range 4 {
		if err := h.enter(fmt.Sprint("bot", i), fmt.Sprintf("2001:db8:1:%d::1", i)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 2 {
		if err := h.enter(fmt.Sprint("someone", i), fmt.Sprintf("2001:db8:2:%d::1", i)); err != nil {
			t.Fatal(err)
		}
	}
	h.wantCut("bot0", "bot1")
	for name, from := range map[string]string{"someone2": "2001:db8:2:9::1", "bot4": "2001:db8:1:9::1", "bot5": "2001:db8:1:3::1"} {
		if err := h.enter(name, from); !errors.Is(err, ErrShare) {
			t.Errorf("where both networks have two, %s takes a place: %v", name, err)
		}
	}
	h.wantCut()
	h.wantEmpty()
}

// Where everybody has one, the oldest goes, but not before it had the time to come
// to an end: those who hold on and do nothing shut nobody out, and in a rush after
// a restart logins come to their end.
func TestManyWithOneEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHall(t, 3, 3)
		come := func(i int) error { return h.enter(fmt.Sprint(i), fmt.Sprintf("192.0.%d.1", i)) }
		for i := range 3 {
			if err := come(i); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		if err := come(3); !errors.Is(err, ErrShare) {
			t.Errorf("after three seconds: %v", err)
		}
		time.Sleep(settled - 2500*time.Millisecond)
		if err := come(4); err != nil {
			t.Error(err)
		}
		h.wantCut("0")
		if err := come(5); !errors.Is(err, ErrShare) {
			t.Errorf("before the second has settled: %v", err)
		}
		h.wantCut()
		h.wantEmpty()
	})
}

func TestKeptPlaces(t *testing.T) {
	h := newHall(t, 3, 3)
	for _, name := range []string{"a1", "a2", "a3"} {
		if err := h.enter(name, "203.0.113.1"); err != nil {
			t.Fatal(err)
		}
		h.at[name].Keep()
		h.at[name].Keep()
	}
	if err := h.enter("new", "192.0.2.1"); !errors.Is(err, ErrFull) {
		t.Errorf("all are busy: %v", err)
	}
	h.at["a2"].Yield()
	h.at["a2"].Yield()
	h.at["a1"].Yield()
	if err := h.enter("new", "192.0.2.1"); err != nil {
		t.Error(err)
	}
	h.wantCut("a2")
	for _, late := range []func(){h.at["a2"].Keep, h.at["a2"].Yield, (*Place)(nil).Keep, (*Place)(nil).Yield, (*Place)(nil).Leave} {
		late()
	}
	h.wantEmpty()
}

// A proxy speaks for many: it has no share, takes part in what is there for all,
// and is not cut.
func TestOneWhoSpeaksForMany(t *testing.T) {
	h := newHall(t, 4, 2)
	come := func(name string) {
		p, err := h.table.EnterForMany()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		p.Yield()
		h.at[name] = p
	}
	come("proxy0")
	come("proxy1")
	for _, name := range []string{"one", "two"} {
		if err := h.enter(name, "192.0.2.1"); err != nil {
			t.Fatal(err)
		}
	}
	come("proxy2")
	h.wantCut("one")
	h.at["two"].Leave()
	come("proxy3")
	if err := h.enter("three", "192.0.2.2"); !errors.Is(err, ErrFull) {
		t.Errorf("four connections of a proxy: %v", err)
	}
	h.wantCut()
	h.wantEmpty()
}

func TestNoAddress(t *testing.T) {
	table := New(10, 2)
	for i, want := range []error{nil, nil, ErrShare} {
		if _, err := table.Enter(netip.Addr{}, func() {}); !errors.Is(err, want) {
			t.Errorf("%d from nowhere: %v, want %v", i, err, want)
		}
	}
}

// Whatever comes and goes, the bounds hold, nobody's place is counted twice, and
// who is turned away had as much as everybody who could have made room.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		table := New(rapid.IntRange(1, 8).Draw(t, "all"), rapid.IntRange(1, 4).Draw(t, "each"))
		inside := map[*Place]netip.Addr{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if leaving := rapid.IntRange(0, 3).Draw(t, "leave") == 0; leaving {
				for p := range inside {
					p.Leave()
					delete(inside, p)
					break
				}
				continue
			}
			from := netip.AddrFrom4([4]byte{192, 0, byte(rapid.IntRange(0, 3).Draw(t, "net")), byte(rapid.IntRange(1, 3).Draw(t, "host"))})
			var mine *Place
			before := count(inside, Network)[Network(from)]
			p, err := table.Enter(from, func() { delete(inside, mine) })
			if err == nil {
				mine = p
				inside[p] = from
			} else if len(inside) == table.all && count(inside, Client)[Client(from)] < table.each {
				for network, n := range count(inside, Network) {
					if n > before+1 {
						t.Fatalf("%v with %d is turned away, and %v has %d", from, before, network, n)
					}
				}
			}
			if len(inside) > table.all || table.Taken() != len(inside) {
				t.Fatalf("%d are inside, %d counted, %d allowed", len(inside), table.Taken(), table.all)
			}
			for client, n := range count(inside, Client) {
				if n > table.each {
					t.Fatalf("%v has %d, of %d", client, n, table.each)
				}
			}
		}
	})
}

func count(inside map[*Place]netip.Addr, by func(netip.Addr) netip.Prefix) map[netip.Prefix]int {
	n := map[netip.Prefix]int{}
	for _, a := range inside {
		n[by(a)]++
	}
	return n
}

// Who is cut leaves at the same time as others come: no place is lost.
func TestAllAtOnce(t *testing.T) {
	table := New(20, 5)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			for range 100 {
				p, err := table.Enter(netip.AddrFrom4([4]byte{10, 0, byte(i % 7), byte(i)}), func() {})
				if err != nil {
					continue
				}
				p.Keep()
				p.Yield()
				p.Leave()
				p.Leave()
			}
		})
	}
	all.Wait()
	if table.Taken() != 0 || len(table.clients) != 0 || len(table.networks) != 0 {
		t.Errorf("left over: %d places, %d addresses, %d networks", table.taken, len(table.clients), len(table.networks))
	}
}

func TestNetwork(t *testing.T) {
	for address, want := range map[string]string{
		"192.0.2.77": "192.0.2.0/24", "::ffff:192.0.2.77": "192.0.2.0/24",
		"2001:db8:1:2::3": "2001:db8:1::/48", "fe80::1%eth0": "fe80::/48",
	} {
		if got := Network(netip.MustParseAddr(address)).String(); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}
