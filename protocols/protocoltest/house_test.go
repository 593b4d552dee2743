package protocoltest_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/cmd/proxied"
	"gatehouse/policy"
	"gatehouse/protocols/ftp"
	"gatehouse/protocols/protocoltest"
	"gatehouse/protocols/sftp"
	"gatehouse/protocols/webdav"
)

// A house is a world with all its doors. Each stands behind a PROXY header, so
// that a test comes from any address. Of several nodes each has all doors, and each
// connection goes to the next one.
type house struct {
	*protocoltest.World
	t       testing.TB
	address map[listener][]string
	turn    atomic.Uint64
	trust   *tls.Config
	ca      ssh.Signer // certifies users of the site
	hostKey ssh.PublicKey
	crowd   sync.Once
}

// A listener is one of the house's.
type listener string

const (
	onSFTP  listener = "sftp"
	onFTP   listener = "ftp"
	onFTPS  listener = "ftps"
	onHTTP  listener = "http"
	onHTTPS listener = "https"
)

// believed is every proxy: the tests themselves.
func believed(a netip.Addr) bool { return a.IsLoopback() }

func newHouse(t testing.TB, n protocoltest.Nodes) *house {
	t.Helper()
	h := &house{World: protocoltest.NewNodes(t, n), t: t, address: map[listener][]string{}, ca: protocoltest.NewKey(t)}
	h.settle(func(*policy.Site) {})
	server, trust := certificate()
	h.trust = trust
	key := protocoltest.NewKey(t)
	h.hostKey = key.PublicKey()
	for _, node := range h.Nodes() {
		h.serveSFTP(node, key)
		h.serveFTP(node, onFTP, ftp.Explicit, server)
		h.serveFTP(node, onFTPS, ftp.Implicit, server)
		h.serveWeb(node, server)
	}
	return h
}

// settle gives the site its policy: what every house starts from, changed.
func (h *house) settle(change func(*policy.Site)) {
	h.t.Helper()
	h.SetSite(func(s *policy.Site) {
		*s = policy.DefaultSite()
		s.PlainFTP = policy.Allow
		s.Lockout.Failures, s.Ban.Failures = 0, 0
		s.SSHUserCAs = []string{protocoltest.KeyLine(h.ca.PublicKey())}
		change(s)
	})
}

// open listens, for proxies alone.
func (h *house) open(on listener, serve func(net.Listener) error, shutdown func(context.Context) error) {
	h.t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.address[on] = append(h.address[on], inner.Addr().String())
	l := proxied.New(inner, believed, slog.New(slog.DiscardHandler))
	var served sync.WaitGroup
	served.Go(func() { _ = serve(l) }) // ends with shutdown
	h.t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = shutdown(ctx)
		_ = l.Close()
		served.Wait()
	})
}

func (h *house) serveSFTP(node *protocoltest.World, key ssh.Signer) {
	h.t.Helper()
	s, err := sftp.New(sftp.Config{
		Manager: node.Sessions, HostKeys: []ssh.Signer{key}, Log: node.Log,
		Limits: sftp.Limits{Unauthenticated: 1000, UnauthenticatedPerAddress: 1000},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.open(onSFTP, s.Serve, s.Shutdown)
}

func (h *house) serveFTP(node *protocoltest.World, on listener, mode ftp.Mode, server *tls.Config) {
	h.t.Helper()
	s, err := ftp.New(ftp.Config{
		Manager: node.Sessions, Log: node.Log, TLS: func() *tls.Config { return server }, Mode: mode,
		Limits: ftp.Limits{Strangers: 1000, StrangersPerAddress: 1000},
		Sender: func(ctx context.Context, c net.Conn) (netip.Addr, error) {
			known, err := proxied.Introduce(ctx, c, believed)
			if err != nil {
				return netip.Addr{}, err
			}
			return hostOf(known.RemoteAddr().String()), nil
		},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.open(on, s.Serve, s.Shutdown)
}

// serveWeb serves WebDAV and the API, in clear and not.
func (h *house) serveWeb(node *protocoltest.World, server *tls.Config) {
	h.t.Helper()
	dav := webdav.New(webdav.Config{Sessions: node.Sessions, Log: node.Log})
	for _, on := range []listener{onHTTP, onHTTPS} {
		s := &http.Server{Handler: dav.Mount(h.api(node)), TLSConfig: server.Clone(), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
		serve := s.Serve
		if on == onHTTPS {
			serve = func(l net.Listener) error { return s.ServeTLS(l, "", "") }
		}
		h.open(on, serve, func(ctx context.Context) error { return errors.Join(s.Shutdown(ctx), s.Close()) })
	}
}

// dial connects as somebody from an address.
func (h *house) dial(on listener, from netip.Addr) (net.Conn, error) {
	at := h.address[on]
	return h.dialTo(at[h.turn.Add(1)%uint64(len(at))], from)
}

func (h *house) dialTo(address string, from netip.Addr) (net.Conn, error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := fmt.Fprint(c, headerOf(from)); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func headerOf(from netip.Addr) string {
	family, to := "TCP4", "192.0.2.1"
	switch {
	case !from.IsValid():
		return "PROXY UNKNOWN\r\n"
	case from.Is6():
		family, to = "TCP6", "2001:db8::1"
	}
	return fmt.Sprintf("PROXY %s %s %s 40000 21\r\n", family, from, to)
}

func hostOf(hostPort string) netip.Addr {
	at, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return netip.Addr{}
	}
	return at.Addr().Unmap()
}

// certificate is the doors' and what clients believe.
var certificate = sync.OnceValues(func() (server, client *tls.Config) {
	own := protocoltest.Certificate("localhost")
	pool := x509.NewCertPool()
	pool.AddCert(own.Leaf)
	return &tls.Config{Certificates: []tls.Certificate{own}}, &tls.Config{RootCAs: pool, ServerName: "localhost"}
})

// oneLine keeps a failure readable.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return s[max(0, len(s)-400):]
}
