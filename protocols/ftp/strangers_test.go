package ftp

import (
	"log/slog"
	"net"
	"strings"
	"testing"
)

// from connects from a loopback address of the client's own.
func (s *site) from(t *testing.T, ip string) *client {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(ip)}}
	raw, err := d.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = raw.Close() })
	c := &client{t: t, raw: raw}
	c.use(raw)
	return c
}

// Ten addresses held all places of those who have not logged in, and renewed them
// for as long as they liked: nobody else came in.
func TestAFewAddressesShutNobodyOut(t *testing.T) {
	for _, doing := range []struct {
		name string
		do   func(*client)
	}{
		{"nothing", func(*client) {}},
		{"a handshake", func(c *client) {
			c.must(234, "AUTH TLS")
			c.send("\x16\x03\x01\x02")
		}},
		{"a login", func(c *client) { c.must(331, "USER anna") }},
	} {
		t.Run(doing.name, func(t *testing.T) {
			s := newSite(t, func(c *Config) { c.Limits.Strangers, c.Limits.StrangersPerAddress = 6, 4 })
			p := s.Add("anna")
			var held []*client
			for i := range 6 {
				c := s.from(t, []string{"127.0.2.1", "127.0.3.1"}[i%2])
				c.expect(220)
				doing.do(c)
				held = append(held, c)
			}
			// One who has as much as the other does not take its place.
			s.from(t, "127.0.2.1").expect(421)
			first, second := s.dial(t), s.dial(t)
			held[0].gone(patience)
			held[1].gone(patience)
			first.login(p).must(257, "PWD")
			second.login(p).must(257, "PWD")
			waitFor(t, "the others to go on as they were", func() bool { return s.served() == 6 })
			if n := s.server.waiting(); n != 4 {
				t.Errorf("%d are counted as strangers, want the four who are left", n)
			}
		})
	}
}

// served is how many connections there are.
func (s *site) served() int {
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	return len(s.server.conns)
}

// A login that is cut in its midst is no fault of ours, and costs no line in the
// log for each who comes to be cut.
func TestACutLoginIsNoFault(t *testing.T) {
	var lines strings.Builder
	s := newSite(t, func(c *Config) { c.Log = slog.New(slog.NewTextHandler(&lines, nil)) })
	p := s.Add("anna")
	ours, theirs := net.Pipe()
	defer theirs.Close()
	c := newConn(s.server, ours)
	c.end("")
	if err := c.login(p.Name, p.Password); err == nil {
		t.Error("a login after the cut went well")
	}
	if strings.Contains(lines.String(), "level=ERROR") {
		t.Errorf("the log says %s", &lines)
	}
	if open := s.Sessions.List(); len(open) != 0 {
		t.Errorf("sessions are open: %v", open)
	}
}
