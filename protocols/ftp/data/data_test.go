package data

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"net/netip"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 15 * time.Second

func certificate(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// pair is a data connection and the client's end of it, with TLS where it is
// protected.
func pair(t *testing.T, how How) (*Conn, *net.TCPConn, net.Conn) {
	t.Helper()
	s := passive(t, nil)
	raw, err := net.Dial("tcp", netip.AddrPortFrom(loopback, s.Port()).String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(patience))
	how.Handshake = patience
	if how.Stall == 0 {
		how.Stall, how.Stalled = patience, func() {}
	}
	c, err := s.Connect(how)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Break)
	client := raw
	if how.TLS != nil {
		secure := tls.Client(raw, &tls.Config{InsecureSkipVerify: true})
		client = secure
		go func() { _ = secure.Handshake() }()
		if err := c.Handshake(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return c, raw.(*net.TCPConn), client
}

func passive(t *testing.T, strangers *int) *Source {
	t.Helper()
	who := func(_ context.Context, c *net.TCPConn) (netip.Addr, error) {
		return c.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap(), nil
	}
	s, err := Passive(nil, loopback, Client{Address: loopback}, Times{Unused: patience, Wait: patience}, who, func(net.Conn, netip.Addr, error) { *strangers++ })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// What broke on our side does not end as if it were whole: no close_notify, and
// no orderly end in clear.
func TestBreakIsNoEnd(t *testing.T) {
	for name, config := range map[string]*tls.Config{"clear": nil, "protected": certificate(t)} {
		for what, end := range map[string]func(*Conn) error{
			"broken": func(c *Conn) error { c.Break(); return nil },
			"cut":    func(c *Conn) error { c.Cut(); return nil },
			"closed": (*Conn).Close,
		} {
			c, _, client := pair(t, How{TLS: config})
			if _, err := c.Stream().Write([]byte("some of it")); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(client, make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
			_ = end(c)
			if _, err := client.Read(make([]byte, 1)); (err == io.EOF) != (what == "closed") {
				t.Errorf("%s, %s: the client sees %v", name, what, err)
			}
		}
	}
}

// An upload that is refused ends in order, and what the client still sends is
// taken: it comes to read the reply.
func TestRefuseTakesWhatComes(t *testing.T) {
	for name, config := range map[string]*tls.Config{"clear": nil, "protected": certificate(t)} {
		c, _, client := pair(t, How{TLS: config, Upload: true})
		done := make(chan struct{})
		go func() { defer close(done); c.Refuse(t.Context(), true) }()
		if _, err := client.Write(make([]byte, 8<<20)); err != nil {
			t.Errorf("%s: sending goes wrong: %v", name, err)
		}
		if _, err := client.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("%s: the server's side ends with %v", name, err)
		}
		_ = client.Close()
		<-done
	}
}

// Not for ever, nor once the connection it belongs to is cut.
func TestRefuseEnds(t *testing.T) {
	c, _, client := pair(t, How{Upload: true})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); c.Refuse(ctx, true) }()
	cancel()
	<-done
	_, _ = client.Read(make([]byte, 1))
	if _, err := client.Read(make([]byte, 1)); err == nil {
		t.Error("the client sees no end")
	}
	c, _, client = pair(t, How{Upload: true})
	done = make(chan struct{})
	go func() { defer close(done); c.Refuse(t.Context(), true) }()
	n, err := client.Write(make([]byte, 4*mostRefused))
	if err == nil {
		t.Errorf("all of %d bytes were taken", n)
	}
	<-done
}

// Records travel many at a time, whole and in order, whatever the pieces.
func TestSealedPieces(t *testing.T) {
	config := certificate(t)
	for _, n := range []int{0, 1, 16 << 10, 16<<10 + 1, 256 << 10, 264 << 10, 1 << 20} {
		want := make([]byte, n)
		_, _ = rand.Read(want)
		c, _, client := pair(t, How{TLS: config})
		go func() { _, _ = c.Stream().Write(want); _ = c.Close() }()
		if got, err := io.ReadAll(client); err != nil || !bytes.Equal(got, want) {
			t.Errorf("down: %d of %d bytes, %v", len(got), n, err)
		}
		c, _, client = pair(t, How{TLS: config, Upload: true})
		go func() { _, _ = client.Write(want); _ = client.Close() }()
		if got, err := io.ReadAll(c.Stream()); err != nil || !bytes.Equal(got, want) {
			t.Errorf("up: %d of %d bytes, %v", len(got), n, err)
		}
	}
}

// An end without close_notify is none.
func TestTruncated(t *testing.T) {
	c, raw, client := pair(t, How{TLS: certificate(t), Upload: true})
	go func() { _, _ = client.Write([]byte("some of it")); _ = raw.CloseWrite() }()
	if got, err := io.ReadAll(c.Stream()); !errors.Is(err, ErrTruncated) {
		t.Errorf("%q, and then %v", got, err)
	}
}

// Who waits for a client is cut at once, and one that comes then finds nobody.
func TestCutWhileWaiting(t *testing.T) {
	s := passive(t, nil)
	got := make(chan error, 1)
	go func() { _, err := s.Connect(How{}); got <- err }()
	s.Cut()
	if err := <-got; !errors.Is(err, ErrNone) {
		t.Errorf("Connect: %v", err)
	}
	if _, err := net.Dial("tcp", netip.AddrPortFrom(loopback, s.Port()).String()); err == nil {
		t.Error("it listens still")
	}
}

// A client that does nothing for as long as it may is noticed once.
func TestStall(t *testing.T) {
	stalled := make(chan struct{}, 2)
	c, _, _ := pair(t, How{Upload: true, Stall: 50 * time.Millisecond, Stalled: func() { stalled <- struct{}{} }})
	select {
	case <-stalled:
	case <-time.After(patience):
		t.Fatal("nobody noticed")
	}
	c.Break()
	if len(stalled) > 0 {
		t.Error("noticed twice")
	}
}
