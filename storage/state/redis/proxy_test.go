package redis

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"gatehouse/storage/state"
)

// A proxy stands before a server. It can have answers get lost.
type proxy struct {
	addr, server string
	listener     net.Listener

	mu    sync.Mutex // guards what follows
	lose  int        // answers yet to be lost, each with its connection
	dark  bool       // nobody is let in
	last  bool       // with the next lost answer the proxy ends
	conns map[net.Conn]bool
	asked int // how often something was sent to the server
}

func proxied(t testing.TB, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String(), server: server, listener: l, conns: make(map[net.Conn]bool)}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		p.drop()
		all.Wait()
	})
	return p
}

func (p *proxy) serve(c net.Conn) {
	up, err := net.Dial("tcp", p.server)
	if err != nil || !p.enter(c, up) {
		_ = c.Close()
		return
	}
	var both sync.WaitGroup
	both.Go(func() { p.copy(up, c, p.counts) })
	both.Go(func() { p.copy(c, up, p.passes) })
	both.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.conns, c)
	delete(p.conns, up)
}

// enter lets a connection in.
func (p *proxy) enter(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dark {
		for _, c := range conns {
			_ = c.Close()
		}
		return false
	}
	for _, c := range conns {
		p.conns[c] = true
	}
	return true
}

// copy passes on what is read until one side ends, or pass says no.
func (p *proxy) copy(to, from net.Conn, pass func() bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !pass() {
			return
		}
		if _, errWrite := to.Write(buffer[:n]); err != nil || errWrite != nil {
			_, _ = io.Copy(io.Discard, from)
			return
		}
	}
}

// counts counts what is sent to the server.
func (p *proxy) counts() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asked++
	return true
}

// passes reports that an answer is not to be lost.
func (p *proxy) passes() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lose == 0 {
		return true
	}
	p.lose--
	if p.last {
		_ = p.listener.Close()
	}
	if p.dark || p.last { // nobody else gets through either
		p.dropLocked()
	}
	return false
}

// drop ends all connections.
func (p *proxy) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropLocked()
}

func (p *proxy) dropLocked() {
	for c := range p.conns {
		_ = c.Close()
	}
}

// loseNext has the next n answers get lost.
func (p *proxy) loseNext(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose = n
}

// loseLast has the next answer get lost, and the proxy end with it.
func (p *proxy) loseLast() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lose, p.last = 1, true
}

// shut lets nobody in any more, or again everybody.
func (p *proxy) shut(dark bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dark = dark
}

// trips is how often something was sent to the server.
func (p *proxy) trips() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// cut has the answer of a call get lost, and no other call get through after it.
func (p *proxy) cut(t *testing.T, _ state.Store, call func(context.Context) error) error {
	p.loseNext(1)
	p.shut(true)
	defer func() {
		p.shut(false)
		p.loseNext(0)
	}()
	return call(t.Context())
}
