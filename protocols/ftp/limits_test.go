package ftp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
	"gatehouse/protocols/ftp/wire"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// Connections that never log in are few, and do not keep others out for longer
// than a login may take.
func TestStrangersAreTurnedAway(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Limits.StrangersPerAddress = 3 })
	p := s.Add("anna")
	var held []*client
	for range 3 {
		held = append(held, s.dial(t))
	}
	raw, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	c := &client{t: t, raw: raw}
	c.use(raw)
	c.expect(421)
	c.gone(patience)
	held[0].login(p) // who has logged in is no stranger any more
	s.dial(t).login(p)
	held[1].must(221, "QUIT")
	waitFor(t, "the place to be free", func() bool { return s.server.waiting() == 1 })
	s.dial(t).login(p)
}

// Commands do not prolong the time for a login; nor does a handshake that never
// comes to its end.
func TestLoginTime(t *testing.T) {
	const login = 300 * time.Millisecond
	t.Run("talking", func(t *testing.T) {
		protocoltest.Patiently(t, func(t testing.TB) {
			s := newSite(t, func(c *Config) { c.Limits.Login = login })
			start := time.Now()
			c := s.dial(t)
			for code := 200; code == 200 && time.Since(start) < patience; {
				code, _ = c.cmd("NOOP")
			}
			c.gone(patience)
			if took := time.Since(start); took < login/2 || took > patience/2 {
				t.Errorf("ended after %v", took)
			}
		})
	})
	for _, mode := range []Mode{Explicit, Implicit} {
		t.Run(fmt.Sprintf("shaking hands, mode %d", mode), func(t *testing.T) {
			protocoltest.Patiently(t, func(t testing.TB) {
				s := newSite(t, func(c *Config) { c.Limits.Login, c.Mode = login, mode })
				raw, err := net.Dial("tcp", s.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer raw.Close()
				c := &client{t: t, raw: raw}
				c.use(raw)
				if mode == Explicit {
					c.expect(220)
					c.must(234, "AUTH TLS")
				}
				c.send("\x16\x03\x01\x02") // and nothing more
				c.gone(patience / 2)
			})
		})
	}
}

func TestIdleTime(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		s := newSite(t, func(c *Config) { c.Limits.Idle = time.Second })
		c := s.dial(t).login(s.Add("anna"))
		for range 4 {
			time.Sleep(500 * time.Millisecond)
			c.must(200, "NOOP")
		}
		c.expect(421)
		c.gone(patience)
	})
}

// A line may be as long as the longest path; what is longer is answered, and
// what never ends ends the connection.
func TestLongLines(t *testing.T) {
	s := newSite(t)
	c := s.dial(t).login(s.Add("anna"))
	c.must(553, "SIZE %s", strings.Repeat("a", 256))
	c.must(550, "SIZE %s", strings.Repeat("a/", 1500)+"a")
	c.must(550, "SIZE %s", strings.Repeat("a/", 2040)+"a")
	c.must(553, "SIZE %s", strings.Repeat("a/", 3000)+"a")
	c.must(500, "SIZE %s", strings.Repeat("a", 2*wire.MaxLine))
	c.must(200, "NOOP")
	go func() { _, _ = c.raw.Write(make([]byte, 1<<20)) }()
	c.gone(patience / 2)
}

// Shutdown lets a transfer come to its end, and everyone else go at once.
func TestShutdownDrains(t *testing.T) {
	s := newSite(t)
	p := s.Add("anna")
	idle, busy := s.dial(t).login(p), s.dial(t).login(p)
	conn := busy.data()
	busy.must(150, "STOR f")
	down := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		down <- s.server.Shutdown(ctx)
	}()
	idle.expect(421)
	idle.gone(patience)
	if _, err := net.Dial("tcp", s.addr); err == nil {
		t.Error("still accepting")
	}
	if _, err := conn.Write([]byte("whole")); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	busy.expect(226)
	busy.expect(421)
	busy.gone(patience)
	if err := <-down; err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if got, _ := s.Read("/home/anna/f"); got != "whole" {
		t.Errorf("got %q", got)
	}
	if open := s.Sessions.List(); len(open) != 0 {
		t.Errorf("sessions are open: %v", open)
	}
}

// What does not end in time is cut.
func TestShutdownCuts(t *testing.T) {
	s := newSite(t)
	c := s.dial(t).login(s.Add("anna"))
	conn := c.data()
	c.must(150, "STOR f")
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := s.server.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Shutdown: %v", err)
	}
	drain(t, conn)
	c.gone(patience)
	waitFor(t, "no connection to be left", func() bool { return s.server.count() == 0 })
}

// A panic below a session ends that session and no other.
func TestPanicIsContained(t *testing.T) {
	s := newSite(t)
	p := s.Add("anna")
	c, other := s.dial(t).login(p), s.dial(t).login(p)
	s.server.mu.Lock()
	for conn := range s.server.conns {
		if conn.peer == addrPort(c.raw.LocalAddr()) {
			conn.mu.Lock()
			defer conn.session.Close()
			conn.session = new(session.Session)
			conn.mu.Unlock()
		}
	}
	s.server.mu.Unlock()
	c.must(451, "SIZE f")
	c.expect(421)
	c.gone(patience)
	other.must(550, "SIZE f")
}

// A panic in a transfer would leave it open: it is
// answered, its file is closed, and the session ends.
func TestPanicInTransfer(t *testing.T) {
	s := newSite(t)
	s.Write("/home/anna/f", "content")
	c := s.dial(t).login(s.Add("anna"))
	s.server.commands["RETR"] = command{run: func(c *conn, _ string) reply {
		return c.begin(c.newTransfer("RETR", path.MustParse("/f"), func(t *transfer) (reply, error) {
			f, err := c.files().Open(t.ctx, t.path, session.Open{Read: true})
			if err != nil {
				return said, err
			}
			return said, t.through(f, func() error { panic("in the middle") })
		}))
	}}
	conn := c.data()
	c.must(451, "RETR f")
	c.expect(421)
	c.gone(patience)
	drain(t, conn)
	wantOutcome(t, s, events.Download, events.Aborted)
}

// An upload that is larger than the account may make is refused when it says so,
// before a byte of it is asked for.
func TestLargestUpload(t *testing.T) {
	s := newSite(t)
	c := s.dial(t).login(s.Add("anna", func(a *accounts.Account) { a.Limits.LargestUpload = 1000 }))
	c.must(552, "ALLO 1001")
	c.must(200, "ALLO 1000")
	c.put(strings.Repeat("x", 1000), "STOR f")
	if code, text := c.store(strings.Repeat("x", 1001), "STOR f"); code != 552 {
		t.Errorf("one byte more, unannounced: %d %s", code, text)
	}
}
