package redistest

import (
	"io"
	"net"
	"sync"
	"testing"
)

// Rules say what may pass a Relay: a connection, what is asked on it, and what is
// answered. What may not ends its connection.
type Rules struct {
	Enters, Asks, Answers func() bool
}

// A Relay stands before a server. It ends with its test.
type Relay struct {
	Addr string

	server   string
	rules    Rules
	listener net.Listener

	mu    sync.Mutex // guards what follows
	conns map[net.Conn]bool
}

// NewRelay lets through to a server what the rules allow.
func NewRelay(t testing.TB, server string, rules Rules) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{Addr: l.Addr().String(), server: server, rules: rules, listener: l, conns: make(map[net.Conn]bool)}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() { r.serve(c) })
		}
	})
	t.Cleanup(func() {
		r.Shut()
		r.Drop()
		all.Wait()
	})
	return r
}

// Shut takes no further connection.
func (r *Relay) Shut() { _ = r.listener.Close() }

// Drop ends all connections.
func (r *Relay) Drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		_ = c.Close()
	}
}

func (r *Relay) serve(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", r.server)
	if err != nil {
		return
	}
	defer up.Close()
	defer r.hold(c, up)()
	if !r.rules.Enters() { // asked of one that is held: who forbids it before Drop meets them all
		return
	}
	var both sync.WaitGroup
	both.Go(func() { pass(up, c, r.rules.Asks) })
	both.Go(func() { pass(c, up, r.rules.Answers) })
	both.Wait()
}

// hold has connections dropped with the others until release.
func (r *Relay) hold(conns ...net.Conn) (release func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range conns {
		r.conns[c] = true
	}
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, c := range conns {
			delete(r.conns, c)
		}
	}
}

// pass passes on what is read until one side ends, or may says no.
func pass(to, from net.Conn, may func() bool) {
	defer func() { _, _ = to.Close(), from.Close() }()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !may() {
			return
		}
		if _, errWrite := to.Write(buffer[:n]); err != nil || errWrite != nil {
			_, _ = io.Copy(io.Discard, from)
			return
		}
	}
}
