package data

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync"
)

// ErrNoPort says that every port of the range is taken.
var ErrNoPort = errors.New("no passive port is free")

// portTries bounds how many ports are tried that somebody else has taken.
const portTries = 64

// Ports hands out the passive ports of a range. Servers with the same range
// share one. A port is chosen at random among the free ones, at the same cost
// whatever the range. nil hands out any port.
type Ports struct {
	mu   sync.Mutex // guards free
	free []uint16
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

// listen opens a passive port at an address; release gives the port back.
func (p *Ports) listen(a netip.Addr) (l *net.TCPListener, release func(), err error) {
	if p == nil {
		l, err = listenTCP(a, 0)
		return l, func() {}, err
	}
	var taken []uint16
	defer func() { p.put(taken...) }()
	for range portTries {
		port, ok := p.take()
		if !ok {
			break
		}
		l, err = listenTCP(a, port)
		if err == nil {
			return l, sync.OnceFunc(func() { p.put(port) }), nil
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
	l, err := config.Listen(context.Background(), "tcp", netip.AddrPortFrom(a, port).String())
	if err != nil {
		return nil, fmt.Errorf("listen for a data connection: %w", err)
	}
	return l.(*net.TCPListener), nil
}
