package main

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"sync"
	"testing"
	"time"

	pkgsftp "github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// A rest is a door with sessions that do nothing, and what one may hold there,
// beside what the kernel does: several times what it does hold.
type rest struct {
	name       string
	door       string // in the metrics
	enter      func(g *throng, i int) (io.Closer, error)
	share      int // of the door's sessions, one in so many is of this kind
	live       int64
	goroutines int64
}

// rests are in order of how long the doors let nothing happen, the shortest last.
var rests = []rest{
	{"SFTP", "sftp", (*throng).restSFTP, 1, 192 << 10, 12},
	{"FTP", "ftp", (*throng).restFTP, 2, 64 << 10, 3},
	{"FTP with TLS", "ftp", (*throng).restFTPS, 2, 128 << 10, 3},
	{"WebDAV", "webdav", (*throng).restDAV, 1, 64 << 10, 4},
}

// Sessions that do nothing cost little, at each door, and nobody else hears of
// them. When they are gone nothing of them is left. (GATEHOUSE_CROWD=2000 is what
// an installation may see.)
func TestIdleSessions(t *testing.T) {
	g := newThrong(t)
	before := g.rested()
	var all []io.Closer
	g.working(func() {
		for _, r := range rests {
			n := g.size / r.share
			was, sessions := g.rested(), g.sessions(r.door)
			begun := time.Now()
			all = append(all, g.fill(r, n)...)
			t.Logf("%s: %d came in within %v", r.name, n, time.Since(begun).Round(time.Millisecond))
			if more := g.sessions(r.door) - sessions; r.door != "webdav" && more < int64(n)/2 { // the worker's come and go
				t.Errorf("%s: there are %d sessions more", r.name, more)
			}
			g.served()
			more := g.rested().minus(was)
			r.judge(t, n, more)
			if g.patient && more.resident > 64<<20+int64(n)*2*r.live {
				t.Errorf("%s: %d sessions have the gateway hold %d bytes more", r.name, n, more.resident)
			}
		}
	})
	for _, c := range all {
		_ = c.Close()
	}
	g.empties(before, 2*patience)
	// The latest events, and what else is kept of so many, stays within bounds of its own.
	if left := g.gauge().minus(before); left.live > 16<<20+int64(g.size)*8<<10 {
		t.Errorf("%d bytes are alive that were not before", left.live)
	}
	g.ends()
}

// judge bounds what so many sessions hold more than there was. What is resident
// has the garbage of logins in it, but after a rest.
func (r rest) judge(t *testing.T, n int, more gauge) {
	t.Helper()
	many := int64(n)
	t.Logf("%s: each of %d holds %.1f KiB alive, %.1f KiB resident, %.2f goroutines", r.name, n,
		float64(more.live)/float64(many)/1024, float64(more.resident)/float64(many)/1024, float64(more.goroutines)/float64(many))
	if more.live > 4<<20+many*r.live {
		t.Errorf("%s: %d sessions hold %d bytes", r.name, n, more.live)
	}
	if more.goroutines > slack+many*r.goroutines {
		t.Errorf("%s: %d sessions have %d goroutines", r.name, n, more.goroutines)
	}
}

// fill lets so many in, some at a time.
func (g *throng) fill(r rest, n int) []io.Closer {
	g.t.Helper()
	list := make([]io.Closer, n)
	errs := make(chan error, n)
	var at sync.WaitGroup
	places := make(chan struct{}, 8)
	for i := range n {
		places <- struct{}{}
		at.Go(func() {
			defer func() { <-places }()
			c, err := r.enter(g, i)
			if err != nil {
				errs <- fmt.Errorf("%s, session %d: %w", r.name, i, err)
				return
			}
			list[i] = c
			g.t.Cleanup(func() { _ = c.Close() })
		})
	}
	at.Wait()
	close(errs)
	for err := range errs {
		g.t.Fatal(err)
	}
	return list
}

// few is from how many addresses guests come.
const few = 16

// sftpFrom opens a channel of a connection; the client answers the gateway's
// questions whether it is there.
func (g *throng) sftpFrom(conn net.Conn, account string) (*pkgsftp.Client, error) {
	_ = conn.SetDeadline(time.Now().Add(patience))
	c, channels, requests, err := ssh.NewClientConn(conn, "gatehouse", &ssh.ClientConfig{
		User: account, Auth: []ssh.AuthMethod{ssh.PublicKeys(g.key)}, HostKeyCallback: g.host,
		HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	files, err := pkgsftp.NewClient(ssh.NewClient(c, channels, requests))
	if err == nil {
		_, err = files.Getwd()
	}
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	return files, conn.SetDeadline(time.Time{})
}

func (g *throng) restSFTP(i int) (io.Closer, error) {
	conn, err := from(0, i, few, g.node.addr["SFTP"])
	if err != nil {
		return nil, err
	}
	_, err = g.sftpFrom(conn, guest(i))
	return conn, err
}

func (g *throng) restFTP(i int) (io.Closer, error) {
	conn, err := from(0, i, few, g.node.addr["FTP"])
	if err != nil {
		return nil, err
	}
	_, err = g.ftpFrom(conn, guest(i), nil)
	return conn, err
}

func (g *throng) restFTPS(i int) (io.Closer, error) {
	conn, err := from(0, i, few, g.node.addr["FTP"])
	if err != nil {
		return nil, err
	}
	_, err = g.ftpFrom(conn, guest(i), &tls.Config{InsecureSkipVerify: true})
	return conn, err
}

// ftpFrom logs in on a connection, over TLS where there is a configuration of it.
func (g *throng) ftpFrom(conn net.Conn, account string, secure *tls.Config) (*ftpClient, error) {
	_ = conn.SetDeadline(time.Now().Add(patience))
	c := &ftpClient{text: textproto.NewConn(conn), folder: "/", address: conn.LocalAddr().(*net.TCPAddr).IP}
	if _, _, err := c.text.ReadResponse(2); err != nil {
		return nil, err
	}
	lines := []struct {
		want int
		text string
	}{{3, "USER " + account}, {2, "PASS " + g.passwords[account]}, {2, "TYPE I"}}
	if secure != nil {
		if _, err := c.ask(2, "AUTH TLS"); err != nil {
			return nil, err
		}
		c.text = textproto.NewConn(tls.Client(conn, secure))
	}
	for _, line := range lines {
		if _, err := c.ask(line.want, "%s", line.text); err != nil {
			return nil, err
		}
	}
	return c, conn.SetDeadline(time.Time{})
}

// restDAV keeps the connection after a request.
func (g *throng) restDAV(i int) (io.Closer, error) {
	conn, err := from(0, i, few, g.node.addr["HTTP"])
	if err != nil {
		return nil, err
	}
	_ = conn.SetDeadline(time.Now().Add(patience))
	err = g.ask(conn, "PROPFIND", guest(i), "/dav/", 0, "Depth: 0\r\n")
	var resp *http.Response
	if err == nil {
		resp, err = http.ReadResponse(bufio.NewReader(conn), nil)
	}
	if err != nil {
		return nil, err
	}
	if _, err = io.Copy(io.Discard, resp.Body); err == nil && resp.StatusCode != http.StatusMultiStatus {
		err = &statusError{resp.StatusCode, ""}
	}
	return conn, err
}

// ask sends the head of a request, with the length of a body that may follow.
func (g *throng) ask(conn net.Conn, method, account, target string, length int64, headers string) error {
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(account, g.passwords[account])
	_, err := fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: gatehouse\r\nAuthorization: %s\r\nContent-Length: %d\r\n%s\r\n",
		method, target, r.Header.Get("Authorization"), length, headers)
	return err
}
