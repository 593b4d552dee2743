package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"
)

// proxy is a balancer in front of a door until the script ends: `proxy VERSION
// CLIENT LISTEN TARGET` speaks the PROXY protocol of a version (0: none) and says
// that every connection comes from a client's address.
func proxy(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: proxy VERSION CLIENT LISTEN TARGET")
	}
	l, err := net.Listen("tcp", args[2])
	ts.Check(err)
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { balance(ctx, &running, l, args[0], netip.MustParseAddr(args[1]), args[3]) })
	ts.Defer(func() {
		stop()
		_ = l.Close()
		running.Wait()
	})
}

func balance(ctx context.Context, running *sync.WaitGroup, l net.Listener, version string, client netip.Addr, target string) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		running.Go(func() {
			defer func() { _ = c.Close() }()
			to, err := net.Dial("tcp", target)
			if err != nil {
				return
			}
			defer func() { _ = to.Close() }()
			defer context.AfterFunc(ctx, func() { _, _ = c.Close(), to.Close() })()
			reached := c.LocalAddr().(*net.TCPAddr).AddrPort()
			if _, err := to.Write(proxyHeader(version, netip.AddrPortFrom(client, 4711), reached)); err != nil {
				return
			}
			both(c.(*net.TCPConn), to.(*net.TCPConn))
		})
	}
}

// both copies until both directions have ended.
func both(a, b *net.TCPConn) {
	var wg sync.WaitGroup
	for _, p := range [][2]*net.TCPConn{{a, b}, {b, a}} {
		wg.Go(func() {
			_, _ = io.Copy(p[0], p[1])
			_ = p[0].CloseWrite()
		})
	}
	wg.Wait()
}

func proxyHeader(version string, from, to netip.AddrPort) []byte {
	switch version {
	case "1":
		return fmt.Appendf(nil, "PROXY TCP4 %s %s %d %d\r\n", from.Addr(), to.Addr(), from.Port(), to.Port())
	case "2":
		b := append([]byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c"), from.Addr().AsSlice()...)
		b = append(b, to.Addr().AsSlice()...)
		return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, from.Port()), to.Port())
	}
	return nil
}
