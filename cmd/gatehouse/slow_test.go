package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A balky connection is one whose client stops, or is gone without a word: from
// then on it takes nothing and sends nothing, or a byte a second. Nobody closes it.
type balky struct {
	net.Conn
	stopped atomic.Bool
	slow    atomic.Bool
	gone    chan struct{} // closed when the test is over
}

// Read takes nothing more from the network once the client has stopped.
func (b *balky) Read(p []byte) (int, error) {
	if b.stopped.Load() {
		<-b.gone
		return 0, net.ErrClosed
	}
	return b.Conn.Read(p)
}

// Write sends nothing, or a byte a second.
func (b *balky) Write(p []byte) (int, error) {
	for i := range p {
		switch {
		case b.stopped.Load():
			<-b.gone
			return i, net.ErrClosed
		case !b.slow.Load():
			n, err := b.Conn.Write(p[i:])
			return i + n, err
		}
		if _, err := b.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
		select {
		case <-time.After(time.Second):
		case <-b.gone:
			return i + 1, net.ErrClosed
		}
	}
	return len(p), nil
}

// A way is how a client balks at a door.
type way struct {
	name  string
	begin func(g *throng, i int) error
	// lets reports that the gateway lets the client go within three minutes.
	lets bool
}

// large is what slow clients read: more than all buffers on the way.
const large = 64 << 20

var ways = []way{
	{"a reader over SFTP that takes nothing", (*throng).readSFTP, true},
	{"a reader over FTP that takes nothing", (*throng).readFTP, true},
	{"a reader over WebDAV that takes nothing", (*throng).readDAV, true},
	{"a writer over SFTP that stops in a packet", (*throng).stopSFTP, true},
	{"a writer over FTP that stops", (*throng).stopFTP, true},
	{"a writer over WebDAV that stops", (*throng).stopDAV, true},
	{"a client of SFTP that is gone", (*throng).goneSFTP, true},
	{"a client of WebDAV that is gone", (*throng).goneDAV, true},
	{"a writer over SFTP of a byte a second", (*throng).trickleSFTP, true},
	{"a writer over FTP of a byte a second", (*throng).trickleFTP, false},
	{"a writer over WebDAV of a byte a second", (*throng).trickleDAV, false},
}

// What one of them may hold, in which a window of SSH is the most.
const (
	balkyBytes      = 4 << 20
	balkyGoroutines = 20
)

// Who reads or writes slowly, or is gone without a word, holds little for however
// large a file, and is in nobody's way. (With GATEHOUSE_CROWD the test waits until
// the gateway lets go of those that do not move at all; the doors' own tests have
// the same in time of their own: TestKeepalive and TestIdle of SFTP, TestIdleTime
// and TestStalledData of FTP, TestStall of WebDAV, and the web listeners'.)
func TestSlowClients(t *testing.T) {
	g := newThrong(t)
	g.gone = make(chan struct{})
	end := sync.OnceFunc(func() { close(g.gone) })
	t.Cleanup(end)
	for i := range guests {
		name := g.node.files("home/" + guest(i) + "/large")
		if err := os.WriteFile(name, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(name, large); err != nil {
			t.Fatal(err)
		}
	}
	before := g.gauge()
	n := max(g.size/40, 3)
	g.working(func() {
		for _, w := range ways {
			was := g.gauge()
			for i := range n {
				if err := w.begin(g, i); err != nil {
					t.Fatalf("%s: %v", w.name, err)
				}
			}
			g.served()
			w.judge(t, n, g.gauge().minus(was))
		}
		if g.patient {
			g.letGo(before, n)
		}
	})
	end()
	for _, c := range g.balked {
		_ = c.Close()
	}
	g.empties(before, 2*patience)
	g.ends()
}

func (w way) judge(t *testing.T, n int, more gauge) {
	t.Helper()
	many := int64(n)
	t.Logf("%s: each holds %d KiB alive, %.1f goroutines", w.name, more.live/many>>10, float64(more.goroutines)/float64(many))
	if more.live > 8<<20+many*balkyBytes || more.goroutines > slack+many*balkyGoroutines {
		t.Errorf("%s: %d of them hold %+v", w.name, n, more)
	}
}

// letGo waits until only those are left that still move: a byte a second is
// progress at FTP and WebDAV, and a control connection of FTP may idle for longer.
func (g *throng) letGo(before gauge, n int) {
	g.t.Helper()
	var stay int64
	for _, w := range ways {
		if !w.lets {
			stay += int64(n)
		}
	}
	began := time.Now()
	for end := began.Add(4 * time.Minute); ; time.Sleep(time.Second) {
		sftp, ftp := g.sessions("sftp"), g.sessions("ftp")
		now := g.number(total, g.profile("goroutine?debug=1"))
		// Of FTP, its control connections stay, those of the writers with a transfer.
		if sftp <= 1 && now <= before.goroutines+slack+2*ftp+4*stay {
			g.t.Logf("after %v there are %d sessions of SFTP, %d of FTP, %d goroutines", time.Since(began).Round(time.Second), sftp, ftp, now)
			return
		}
		if time.Now().After(end) {
			g.t.Errorf("after %v there are %d sessions of SFTP, %d of FTP, %d goroutines", time.Since(began).Round(time.Second), sftp, ftp, now)
			g.t.Logf("%.6000s", g.profile("goroutine?debug=1"))
			return
		}
	}
}

// balk connects in a way that can stop.
func (g *throng) balk(i int, addr string) (*balky, error) {
	conn, err := from(1, i, few, addr)
	if err != nil {
		return nil, err
	}
	return g.keep(conn), nil
}

// keep makes a connection one that can stop, and ends it with the test.
func (g *throng) keep(conn net.Conn) *balky {
	g.t.Cleanup(func() { _ = conn.Close() })
	g.balked = append(g.balked, conn)
	return &balky{Conn: conn, gone: g.gone}
}

func (g *throng) readSFTP(i int) error {
	conn, err := g.balk(i, g.node.addr["SFTP"])
	if err != nil {
		return err
	}
	files, err := g.sftpFrom(conn, guest(i))
	if err != nil {
		return err
	}
	f, err := files.Open("/large")
	if err != nil {
		return err
	}
	begun := make(chan struct{})
	go func() { _, _ = f.WriteTo(&stopper{conn: conn, begun: begun}) }() // ends with the test
	return within(begun)
}

// A stopper stops its connection when something has come.
type stopper struct {
	conn  *balky
	begun chan struct{}
}

func (s *stopper) Write(p []byte) (int, error) {
	if s.conn.stopped.CompareAndSwap(false, true) {
		close(s.begun)
	}
	return len(p), nil
}

func within(begun <-chan struct{}) error {
	select {
	case <-begun:
		return nil
	case <-time.After(patience):
		return os.ErrDeadlineExceeded
	}
}

// transferFTP begins a transfer and returns its data connection.
func (g *throng) transferFTP(i int, command string) (*balky, error) {
	conn, err := g.balk(i, g.node.addr["FTP"])
	if err != nil {
		return nil, err
	}
	c, err := g.ftpFrom(conn, guest(i), nil)
	if err != nil {
		return nil, err
	}
	data, err := c.prepare()
	if err != nil {
		return nil, err
	}
	_, err = c.ask(1, "%s", command)
	return g.keep(data), err
}

func (g *throng) readFTP(i int) error {
	data, err := g.transferFTP(i, "RETR /large")
	if err != nil {
		return err
	}
	return data.hears("\x00")
}

// hears reads the first of what comes, which must be as expected.
func (b *balky) hears(want string) error {
	_ = b.SetReadDeadline(time.Now().Add(patience))
	heard := make([]byte, len(want))
	if _, err := io.ReadFull(b, heard); err != nil || string(heard) != want {
		return fmt.Errorf("%q came: %v", heard, err)
	}
	return b.SetReadDeadline(time.Time{})
}

// requestDAV begins a request, which may have a large body.
func (g *throng) requestDAV(i int, method, name string, length int64) (*balky, error) {
	conn, err := g.balk(i, g.node.addr["HTTP"])
	if err != nil {
		return nil, err
	}
	headers, answer := "", "HTTP/1.1 20"
	if length > 0 {
		headers, answer = "Expect: 100-continue\r\n", "HTTP/1.1 100 Continue\r\n\r\n"
	}
	if err := g.ask(conn, method, guest(i), "/dav/"+name, length, headers); err != nil {
		return nil, err
	}
	return conn, conn.hears(answer)
}

func (g *throng) readDAV(i int) error {
	_, err := g.requestDAV(i, "GET", "large", 0)
	return err
}

// writeSFTP writes a file, of which the last packet begins when the connection
// has become something else.
func (g *throng) writeSFTP(i int, name string, becomes func(*balky)) error {
	conn, err := g.balk(i, g.node.addr["SFTP"])
	if err != nil {
		return err
	}
	files, err := g.sftpFrom(conn, guest(i))
	if err != nil {
		return err
	}
	f, err := files.Create(fmt.Sprintf("/%s%d", name, i))
	if err != nil {
		return err
	}
	if _, err = f.Write(make([]byte, 100_000)); err != nil {
		return err
	}
	becomes(conn)
	go func() { _, _ = f.Write(make([]byte, 100_000)) }() // ends with the test
	return nil
}

func (g *throng) stopSFTP(i int) error {
	return g.writeSFTP(i, "stop", func(b *balky) {
		b.slow.Store(true)
		time.AfterFunc(100*time.Millisecond, func() { b.stopped.Store(true) })
	})
}

func (g *throng) trickleSFTP(i int) error {
	return g.writeSFTP(i, "trickle", func(b *balky) { b.slow.Store(true) })
}

// goneSFTP is a session whose client does not even answer whether it is there.
func (g *throng) goneSFTP(i int) error {
	conn, err := g.balk(i, g.node.addr["SFTP"])
	if err != nil {
		return err
	}
	if _, err = g.sftpFrom(conn, guest(i)); err != nil {
		return err
	}
	conn.stopped.Store(true)
	return nil
}

func (g *throng) goneDAV(i int) error {
	_, err := g.requestDAV(i, "GET", "", 0)
	return err
}

func (g *throng) stopFTP(i int) error {
	data, err := g.transferFTP(i, fmt.Sprintf("STOR /stop%d", i))
	if err != nil {
		return err
	}
	_, err = data.Write(make([]byte, 100_000))
	return err
}

func (g *throng) trickleFTP(i int) error {
	data, err := g.transferFTP(i, fmt.Sprintf("STOR /trickle%d", i))
	if err != nil {
		return err
	}
	g.trickle(data)
	return nil
}

func (g *throng) stopDAV(i int) error {
	conn, err := g.requestDAV(i, "PUT", fmt.Sprint("stop", i), 1<<30)
	if err != nil {
		return err
	}
	_, err = conn.Write(make([]byte, 100_000))
	return err
}

func (g *throng) trickleDAV(i int) error {
	conn, err := g.requestDAV(i, "PUT", fmt.Sprint("trickle", i), 1<<30)
	if err != nil {
		return err
	}
	g.trickle(conn)
	return nil
}

// trickle sends a byte a second until the test is over.
func (g *throng) trickle(b *balky) {
	b.slow.Store(true)
	go func() { _, _ = b.Write(make([]byte, 100_000)) }() // ends with the test
}
