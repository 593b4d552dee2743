package main

import (
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// A front takes connections and gives each to the next server, as a load balancer
// before the nodes does.
type front struct {
	addr string
	to   []atomic.Value // addresses; empty where there is none
	dial func(addr string) (net.Conn, error)
	next atomic.Uint64
	gate atomic.Pointer[chan struct{}] // while it is there, no byte passes it
	open sync.Map                      // net.Conn: true
}

// newFront is a front before n servers, on loopback.
func newFront(t testing.TB, n int) *front {
	t.Helper()
	return frontFrom(t, n, outside)
}

// outside is where the test itself is.
var outside *namespace

// frontFrom is a front on loopback that reaches its servers from a namespace.
func frontFrom(t testing.TB, n int, from *namespace) *front {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return serveFront(t, l, n, from)
}

// serveFront is a front on a listener, until the test ends.
func serveFront(t testing.TB, l net.Listener, n int, from *namespace) *front {
	t.Helper()
	f := &front{addr: l.Addr().String(), to: make([]atomic.Value, n), dial: from.dial}
	var all sync.WaitGroup
	all.Go(func() { // until the listener is closed
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.open.Store(c, true)
			all.Go(func() { f.pass(c) })
		}
	})
	t.Cleanup(func() {
		f.restore()
		_ = l.Close()
		f.open.Range(func(c, _ any) bool { _ = c.(net.Conn).Close(); return true })
		all.Wait()
	})
	return f
}

// cut has no byte pass, and closes nothing: the network is gone.
func (f *front) cut() {
	gate := make(chan struct{})
	f.gate.Store(&gate)
}

// restore ends a cut.
func (f *front) restore() {
	if gate := f.gate.Swap(nil); gate != nil {
		close(*gate)
	}
}

func (f *front) wait() {
	if gate := f.gate.Load(); gate != nil {
		<-*gate
	}
}

// pass connects to the first server, from the next on, that takes it.
func (f *front) pass(c net.Conn) {
	defer f.open.Delete(c)
	defer func() { _ = c.Close() }()
	f.wait()
	from := f.next.Add(1)
	for i := range uint64(len(f.to)) {
		addr, _ := f.to[(from+i)%uint64(len(f.to))].Load().(string)
		if addr == "" {
			continue
		}
		s, err := f.dial(addr)
		if err != nil {
			continue
		}
		var each sync.WaitGroup
		each.Go(func() { f.copy(s, c) })
		each.Go(func() { f.copy(c, s) })
		each.Wait()
		_ = s.Close()
		return
	}
}

// copy passes on what one side says, and that it has ended.
func (f *front) copy(to, from net.Conn) {
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		f.wait()
		if n > 0 {
			if _, bad := to.Write(buffer[:n]); bad != nil {
				_ = from.Close()
				return
			}
		}
		if err != nil {
			_ = to.(*net.TCPConn).CloseWrite()
			return
		}
	}
}
