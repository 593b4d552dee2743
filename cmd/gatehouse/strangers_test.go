package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// A stranger's manner is how he stops before he has logged in, at a door that
// takes so many of an address, and cuts him at last after a time.
type manner struct {
	name  string
	at    string // the gateway's name of the listener
	each  int    // from one address; 0 is no bound
	after time.Duration
	begin func(net.Conn, *bufio.Reader) error // errAway where he is turned away
	then  func(net.Conn)                      // what he goes on with, until the connection ends
}

// errAway is that a stranger was turned away.
var errAway = errors.New("turned away")

var manners = []manner{
	{"SSH without a word", "SFTP", 32, 30 * time.Second, greeted("SSH-2.0-"), nil},
	{"SSH with a version and no more", "SFTP", 32, 30 * time.Second, greeted("SSH-2.0-", "SSH-2.0-stranger"), nil},
	{"FTP without a word", "FTP", 20, time.Minute, greeted("220 "), nil},
	{"FTP without a ClientHello", "FTP", 20, time.Minute, greeted("220 ", "AUTH TLS", "234 "), nil},
	{"FTP without a password", "FTP", 20, time.Minute, greeted("220 ", "USER guest0", "331 "), nil},
	{"HTTPS without a ClientHello", "HTTPS", 0, 15 * time.Second, greeted(), nil},
	{"HTTP with a head that never ends", "HTTP", 0, 15 * time.Second, greeted(), dripping},
	{"HTTP with a body that never comes", "HTTP", 0, time.Minute, greeted(), bodiless},
}

// greeted reads and says lines in turn; a first line of the gateway's that is
// another turns away.
func greeted(lines ...string) func(net.Conn, *bufio.Reader) error {
	return func(conn net.Conn, in *bufio.Reader) error {
		for i, line := range lines {
			if i%2 == 1 {
				if _, err := io.WriteString(conn, line+"\r\n"); err != nil {
					return err
				}
				continue
			}
			heard, err := in.ReadString('\n')
			if i == 0 && (err != nil || !strings.HasPrefix(heard, line)) {
				return errAway
			}
			if err != nil || !strings.HasPrefix(heard, line) {
				return fmt.Errorf("%q came: %v", heard, err)
			}
		}
		return nil
	}
}

func dripping(conn net.Conn) {
	for _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nX: "); err == nil; _, err = io.WriteString(conn, "x") {
		time.Sleep(200 * time.Millisecond)
	}
}

func bodiless(conn net.Conn) {
	_, _ = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\n")
}

// What a stranger may cost.
const (
	strangerBytes      = 96 << 10
	strangerGoroutines = 4
	strangerAddresses  = 3 // for each manner: at each door fewer than it takes to fill it
)

// Who does not come to the end of a login shuts nobody out, however many do so
// from a few addresses: they are few at a time, cost little, and are cut when
// their time is over. (With GATEHOUSE_CROWD=2000, 500 come in each manner.)
func TestStrangersShutNobodyOut(t *testing.T) {
	g := newThrong(t)
	before := g.gauge()
	var all []*stranger
	g.working(func() {
		for i, m := range manners {
			all = append(all, g.strangers(m, i)...)
		}
		g.served()
		more := g.gauge().minus(before)
		many := int64(len(all))
		t.Logf("each of %d holds %.1f KiB alive, %.2f goroutines", many, float64(more.live)/float64(many)/1024, float64(more.goroutines)/float64(many))
		if more.live > 4<<20+many*strangerBytes || more.goroutines > slack+many*strangerGoroutines {
			t.Errorf("%d strangers hold %+v", many, more)
		}
		g.cut(all)
	})
	g.empties(before, 2*patience)
	g.ends()
}

// A stranger is in a door.
type stranger struct {
	conn  net.Conn
	in    *bufio.Reader
	since time.Time
	manner
}

// strangers come in from a few addresses, until the door turns away the rest.
func (g *throng) strangers(m manner, which int) []*stranger {
	g.t.Helper()
	var mu sync.Mutex
	var list []*stranger
	var away int
	var coming sync.WaitGroup
	places := make(chan struct{}, 16)
	for i := range max(g.size/4, 120) {
		places <- struct{}{}
		coming.Go(func() {
			defer func() { <-places }()
			conn, err := from(which, i, strangerAddresses, g.node.addr[m.at])
			if err != nil {
				g.t.Error(err)
				return
			}
			g.t.Cleanup(func() { _ = conn.Close() })
			s := &stranger{conn, bufio.NewReader(conn), time.Now(), m}
			_ = conn.SetDeadline(s.since.Add(patience))
			err = m.begin(conn, s.in)
			_ = conn.SetDeadline(time.Time{})
			mu.Lock()
			defer mu.Unlock()
			switch {
			case errors.Is(err, errAway):
				away++
			case err != nil:
				g.t.Errorf("%s: %v", m.name, err)
			default:
				list = append(list, s)
			}
		})
	}
	coming.Wait()
	for _, s := range list {
		if m.then != nil {
			go m.then(s.conn) // ends with the connection, at the latest when the test closes it
		}
	}
	g.t.Logf("%s: %d are in, %d were turned away", m.name, len(list), away)
	if m.each > 0 && len(list) > m.each*strangerAddresses || len(list) == 0 {
		g.t.Errorf("%s: %d strangers are in", m.name, len(list))
	}
	return list
}

// cut waits until the gateway has ended all of them, where there is time for it.
func (g *throng) cut(all []*stranger) {
	g.t.Helper()
	if !g.patient {
		for _, s := range all {
			_ = s.conn.Close()
		}
		return
	}
	var mu sync.Mutex
	longest, there := map[string]time.Duration{}, map[string]int{}
	var waiting sync.WaitGroup
	for _, s := range all {
		waiting.Go(func() {
			cut := s.waits()
			mu.Lock()
			defer mu.Unlock()
			longest[s.name] = max(longest[s.name], time.Since(s.since).Round(time.Second))
			if !cut {
				there[s.name]++
			}
		})
	}
	waiting.Wait()
	g.t.Logf("the last were cut after %v", longest)
	if len(there) > 0 {
		g.t.Errorf("not cut: %v", there)
	}
}

// waits reports whether the gateway ends the connection in time.
func (s *stranger) waits() bool {
	_ = s.conn.SetReadDeadline(s.since.Add(s.after + patience))
	_, err := io.Copy(io.Discard, s.in)
	late, ok := errors.AsType[net.Error](err)
	return !ok || !late.Timeout()
}
