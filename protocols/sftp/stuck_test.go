package sftp_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/protocols/protocoltest"
	"gatehouse/protocols/sftp/wire"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// A stubborn connection does not end when it is closed.
type stubborn struct{ pipe }

func (stubborn) Close() error                     { return nil }
func (stubborn) SetDeadline(time.Time) error      { return nil }
func (stubborn) SetWriteDeadline(time.Time) error { return nil }

// A connection that does not end though it was cut holds up no shutdown.
func TestShutdownDoesNotWaitForWhatIsStuck(t *testing.T) {
	inBubble(t, func(*world) {}, func(t *testing.T, w *world, p *pipes) {
		near, far := net.Pipe()
		defer near.Close()
		p.conns <- stubborn{pipe{far}}
		if _, err := near.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		start := time.Now()
		if err := w.server.Shutdown(ctx); err != context.DeadlineExceeded {
			t.Errorf("Shutdown: %v", err)
		}
		if took := time.Since(start); took > time.Minute+10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A gated connection is read as long as its gate is open.
type gated struct {
	net.Conn
	mu   sync.Mutex // guards shut
	open sync.Cond
	shut bool
}

func (g *gated) Read(b []byte) (int, error) {
	g.mu.Lock()
	for g.shut {
		g.open.Wait()
	}
	g.mu.Unlock()
	return g.Conn.Read(b)
}

func (g *gated) set(shut bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = shut
	g.open.Broadcast()
}

// A watched connection tells that content is being sent.
type watched struct {
	pipe
	sends atomic.Bool
}

func (c *watched) Write(b []byte) (int, error) {
	if len(b) >= 4<<10 {
		c.sends.Store(true)
	}
	return c.pipe.Write(b)
}

// gatedClient logs alice in over a connection that is read while its gate is open,
// and has her see a large file of bob's. What she does not read stands: the
// connection has no buffers.
func gatedClient(t testing.TB) (*world, *ssh.Client, *gated, *watched) {
	w := newWorld(t)
	w.add("alice")
	p := newPipes()
	w.serveOn(p)
	w.share()
	w.put("bob", "shared/f", strings.Repeat("s", 8<<20))
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close() })
	g, server := &gated{Conn: near}, &watched{pipe: pipe{far}}
	g.open.L = &g.mu
	p.conns <- server
	conn, channels, requests, err := ssh.NewClientConn(g, "gatehouse", w.client("alice"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.set(false) })
	return w, ssh.NewClient(conn, channels, requests), g, server
}

// cutInTime takes alice's grant away, and waits until it has cut her download.
func (w *world) cutInTime() {
	w.t.Helper()
	w.Change("alice", func(a *accounts.Account) { a.Grants = nil })
	start := time.Now()
	waitFor(w.t, "the file is cut", func() bool {
		found, _, err := w.Events.List(w.t.Context(), events.Query{Kind: events.Download})
		return err == nil && len(found) == 1 && found[0].Outcome == events.WasCut
	})
	if took := time.Since(start); took > soon {
		w.t.Errorf("it took %v", took)
	}
}

// A client that reads nothing at all any more, so that not even the end of the
// channel can be sent, keeps no file that a grant no longer allows.
func TestRemovedGrantCutsSCPOfAClientThatStopsReading(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		w, client, g, server := gatedClient(t)
		s, err := client.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		in, _ := s.StdinPipe()
		if _, err := s.StdoutPipe(); err != nil {
			t.Fatal(err)
		}
		if err := s.Start("scp -f /shared/f"); err != nil {
			t.Fatal(err)
		}
		g.set(true)
		io.WriteString(in, "\x00\x00")
		waitFor(t, "content is on its way", server.sends.Load)
		w.cutInTime()
	})
}

// Nor does one that asked for the content with packets of SFTP: what waits for it
// is withdrawn, and what is half sent goes with the connection.
func TestRemovedGrantCutsAClientThatStopsReading(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		w, client, g, server := gatedClient(t)
		r, err := rawOn(t, client)
		if err != nil {
			t.Fatal(err)
		}
		r.greet()
		h := r.open("/shared/f", wire.FlagRead)
		g.set(true)
		for i := range 16 {
			r.send(fields(wire.Read, uint32(i), h, uint64(0), uint32(wire.MaxPayload)))
		}
		waitFor(t, "content is on its way", server.sends.Load)
		w.cutInTime()
		w.without("alice")
	})
}
