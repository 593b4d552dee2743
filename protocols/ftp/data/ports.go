package data

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"gatehouse/protocols/places"
)

// ErrNoPort says that every port of the range is taken.
var ErrNoPort = errors.New("no passive port is free")

// settled is how long a client that means to come has come in at most. Until then
// a port is no other account's at its address: which of the two comes, nobody can tell.
const settled = time.Second

// portTries bounds how many ports are tried that somebody else has taken.
const portTries = 64

// Ports hands out the passive ports of a range. Servers with the same range
// share one. A port is chosen at random among the free ones, at the same cost
// whatever the range. Where none is, whoever has the most gives one up to who has
// fewer. nil hands out any port.
type Ports struct {
	mu     sync.Mutex // guards what follows
	free   []uint16
	leases []*lease // from the oldest on
}

// A Client is whose data connection a passive port waits for.
type Client struct {
	Account string
	Address netip.Addr
}

// A lease is a port that waits for its data connection.
type lease struct {
	port     uint16
	client   Client
	listener *net.TCPListener
	release  func()
	since    time.Time
}

// NewPorts makes the ports from first to last, both included; nil where first
// is 0.
func NewPorts(first, last int) *Ports {
	if first <= 0 {
		return nil
	}
	p := &Ports{}
	for n := first; n <= min(last, 65535); n++ {
		p.free = append(p.free, uint16(n))
	}
	return p
}

// listen opens a passive port at an address; release gives the port back. Until
// then the listener may be closed, and its port be another client's.
func (p *Ports) listen(a netip.Addr, whose Client) (l *net.TCPListener, release func(), err error) {
	if p == nil {
		l, err = listenTCP(a, 0)
		return l, func() {}, err
	}
	var taken []uint16
	defer func() { p.put(taken...) }()
	for range portTries {
		port, ok := p.take()
		if !ok {
			if p.reclaim(whose) {
				continue
			}
			break
		}
		l, err = listenTCP(a, port)
		if err == nil {
			return l, p.lend(&lease{port: port, client: whose, listener: l, since: time.Now()}), nil
		}
		taken = append(taken, port)
	}
	return nil, nil, errors.Join(ErrNoPort, err)
}

// Free is how many ports of the range are.
func (p *Ports) Free() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.free)
}

func (p *Ports) take() (uint16, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		return 0, false
	}
	i, last := rand.IntN(len(p.free)), len(p.free)-1
	port := p.free[i]
	p.free[i] = p.free[last]
	p.free = p.free[:last]
	return port, true
}

// lend notes who has a port; release gives it back.
func (p *Ports) lend(one *lease) (release func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leases = append(p.leases, one)
	one.release = sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.leases = slices.DeleteFunc(p.leases, func(l *lease) bool { return l == one })
		p.free = append(p.free, one.port)
	})
	return one.release
}

// reclaim has a port given up for a client, if anybody has two more than it.
func (p *Ports) reclaim(whose Client) bool {
	victim := p.mostGreedy(whose)
	if victim == nil {
		return false
	}
	_ = victim.listener.Close()
	victim.release()
	return true
}

// mostGreedy is the oldest lease of the account that has most or, where that is
// the client's own, of the address that has most of it; where no account has more
// than others, of the address that has most through several. Taking it leaves its
// holder no worse off than the client: two who want the last port do not take it
// from each other in turn. A port that somebody at the client's own address may yet
// come to is passed over.
func (p *Ports) mostGreedy(whose Client) *lease {
	p.mu.Lock()
	defer p.mu.Unlock()
	account := func(c Client) string { return c.Account }
	itself := func(c Client) Client { return c }
	address := func(c Client) netip.Prefix { return places.Client(c.Address) }
	if l := greedier(p.leases, whose, account); l != nil {
		return greediest(apart(p.of(l.client.Account), whose), itself, 1)
	}
	if l := greedier(p.of(whose.Account), whose, itself); l != nil {
		return l
	}
	return greedier(p.leases, whose, address)
}

// of are the leases of an account.
func (p *Ports) of(account string) []*lease {
	return slices.DeleteFunc(slices.Clone(p.leases), func(l *lease) bool { return l.client.Account != account })
}

// apart are the leases whose clients cannot be taken for another one.
func apart(leases []*lease, whose Client) []*lease {
	old := time.Now().Add(-settled)
	return slices.DeleteFunc(leases, func(l *lease) bool {
		return l.client.Address == whose.Address && l.client.Account != whose.Account && l.since.After(old)
	})
}

// greedier is greediest for a client, if those have two more at least than it has.
func greedier[K comparable](leases []*lease, whose Client, common func(Client) K) *lease {
	own := 0
	for _, l := range leases {
		if common(l.client) == common(whose) {
			own++
		}
	}
	return greediest(leases, common, own+2)
}

// greediest is the oldest lease of those with something in common that are most,
// if they are so many at least.
func greediest[K comparable](leases []*lease, common func(Client) K, least int) *lease {
	n := make(map[K]int)
	for _, l := range leases {
		n[common(l.client)]++
	}
	var found *lease
	for _, l := range leases {
		if has := n[common(l.client)]; has >= least {
			found, least = l, has+1
		}
	}
	return found
}

func (p *Ports) put(ports ...uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, ports...)
}

// listenTCP leaves multipath TCP out: it costs for each socket, and a transfer
// makes two.
func listenTCP(a netip.Addr, port uint16) (*net.TCPListener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	config.KeepAlive = -1 // a watch looks after data connections
	l, err := config.Listen(context.Background(), "tcp", netip.AddrPortFrom(a, port).String())
	if err != nil {
		return nil, fmt.Errorf("listen for a data connection: %w", err)
	}
	return l.(*net.TCPListener), nil
}
