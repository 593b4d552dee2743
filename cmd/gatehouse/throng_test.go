package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// A throng is many at a gateway who do little or nothing there, each from one of
// a few addresses, and one account that works meanwhile, from another address.
type throng struct {
	t         *testing.T
	node      *node
	key       ssh.Signer // of every account
	host      ssh.HostKeyCallback
	passwords map[string]string // app passwords, which cost no password hash
	size      int               // how many come to each door
	patient   bool              // waits for what takes minutes
	balked    []net.Conn        // of clients that have stopped
	gone      chan struct{}     // closed when those are to end
	rounds    atomic.Uint64     // that the worker was served
	turn      sync.Mutex        // held by the worker in a round, and by who measures
	slowest   time.Duration     // of the worker's rounds; of turn
}

// worker is the account that works.
const worker = "wanda"

// newThrong lets 100 come to each door, or as many as GATEHOUSE_CROWD says. Where
// that is set, the tests wait too until the gateway lets go of who does nothing.
func newThrong(t *testing.T) *throng {
	t.Helper()
	g := &throng{
		t: t, node: newNode(t, filepath.Join(t.TempDir(), "data")),
		key: newLoadKey(t), host: trustOnce(), passwords: map[string]string{}, size: 100,
	}
	if v, err := strconv.Atoi(os.Getenv("GATEHOUSE_CROWD")); err == nil {
		g.size, g.patient = v, true
	}
	g.node.extra = append(g.node.extra, "GATEHOUSE_LOG_LEVEL=error")
	g.node.start()
	g.node.must(http.MethodPatch, "/site", map[string]any{"plain_ftp": "allow"}, nil)
	for i := range guests {
		g.admit(guest(i))
	}
	g.admit(worker)
	for range 2 { // what is made once is made now
		if err := g.work(); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// guests are the accounts that do nothing.
const guests = 5

func guest(i int) string { return fmt.Sprint("guest", i%guests) }

// admit makes an account with a key and an app password.
func (g *throng) admit(name string) {
	g.t.Helper()
	line := string(ssh.MarshalAuthorizedKey(g.key.PublicKey()))
	g.node.must(http.MethodPost, "/accounts", map[string]any{"username": name, "keys": []string{line}}, nil)
	var made struct{ Secret string }
	g.node.must(http.MethodPost, "/accounts/"+name+"/app-passwords", map[string]any{"name": "throng"}, &made)
	g.passwords[name] = made.Secret
	if err := os.MkdirAll(g.node.files("home/"+name), 0o750); err != nil {
		g.t.Fatal(err)
	}
}

// from connects from one of so many addresses of loopback, of which the worker's
// is none. Addresses of one network are not those of another.
func from(network, i, addresses int, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, byte(network), byte(1+i%addresses))}}
	return d.Dial("tcp", addr)
}

// work is a listing, an upload and a download over each door.
func (g *throng) work() error {
	g.turn.Lock()
	defer g.turn.Unlock()
	round := g.rounds.Load() + 1
	begun := time.Now()
	for door, work := range map[string]func(uint64) error{"SFTP": g.workSFTP, "FTP": g.workFTP, "WebDAV": g.workDAV} {
		if err := work(round); err != nil {
			return fmt.Errorf("%s, after %v: %w", door, time.Since(begun).Round(time.Millisecond), err)
		}
	}
	g.rounds.Store(round)
	g.slowest = max(g.slowest, time.Since(begun))
	return nil
}

// working lets the account work until the end of do: who is there must not be in
// its way.
func (g *throng) working(do func()) {
	g.t.Helper()
	stop, failed := make(chan struct{}), make(chan error, 1)
	before := g.rounds.Load()
	go func() { // ends with do, or a failure
		for {
			if err := g.work(); err != nil {
				failed <- err
				return
			}
			select {
			case <-stop:
				failed <- nil
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	do()
	close(stop)
	if err := <-failed; err != nil {
		g.t.Errorf("another account, at work: %v", err)
		return
	}
	g.t.Logf("another account was served %d times at all doors, at the slowest in %v", g.rounds.Load()-before, g.slowest.Round(time.Millisecond))
}

// served waits until the worker, at work, has had a whole round from now on.
func (g *throng) served() {
	g.t.Helper()
	for end, rounds := time.Now().Add(2*patience), g.rounds.Load()+2; g.rounds.Load() < rounds; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			g.t.Error("another account is not served")
			return
		}
	}
}

// sent is what an upload of a round holds.
func sent(round uint64) step { return step{verb: put, name: "f", piece: whole(round, 200_000)} }

// same compares what was read with what was written, and where it was listed.
func same(round uint64, listed bool, content []byte) error {
	if want := bytesOf(round, 200_000); !listed || !bytes.Equal(content, want) {
		return fmt.Errorf("%d bytes came back of %d, listed: %v", len(content), len(want), listed)
	}
	return nil
}

func (g *throng) workSFTP(round uint64) error {
	over, err := overSFTP(g.node.addr["SFTP"], worker, "/", g.key, g.host)
	if err != nil {
		return err
	}
	defer over.close()
	c := over.(*sftpClient)
	if err := c.do(sent(round)); err != nil {
		return err
	}
	list, err := c.files.ReadDir("/")
	if err != nil {
		return err
	}
	f, err := c.files.Open("/f")
	if err != nil {
		return err
	}
	content, err := io.ReadAll(f)
	return errors.Join(err, f.Close(), same(round, len(list) == 1, content))
}

func (g *throng) workFTP(round uint64) error {
	over, err := overFTP(g.node.addr["FTP"], worker, "/", g.passwords[worker])
	if err != nil {
		return err
	}
	defer over.close()
	c := over.(*ftpClient)
	if err := c.do(sent(round)); err != nil {
		return err
	}
	list, err := c.get("MLSD /")
	if err != nil {
		return err
	}
	content, err := c.get("RETR /f")
	return errors.Join(err, same(round, strings.HasSuffix(string(list), " f\r\n"), content))
}

// get takes what a command sends over a data connection.
func (c *ftpClient) get(command string) ([]byte, error) {
	data, err := c.prepare()
	if err != nil {
		return nil, err
	}
	defer func() { _ = data.Close() }()
	_ = data.SetDeadline(time.Now().Add(patience))
	if _, err = c.ask(1, "%s", command); err != nil {
		return nil, err
	}
	content, err := io.ReadAll(data)
	_, answer := c.answer(2)
	return content, errors.Join(err, answer)
}

// prepare makes a data connection, from the address of the control connection's
// peer.
func (c *ftpClient) prepare() (net.Conn, error) {
	text, err := c.ask(2, "EPSV")
	if err != nil {
		return nil, err
	}
	fields := strings.Split(text, "|")
	if len(fields) != 5 {
		return nil, fmt.Errorf("EPSV: %q", text)
	}
	d := net.Dialer{Timeout: patience}
	if c.address != nil {
		d.LocalAddr = &net.TCPAddr{IP: c.address}
	}
	return d.Dial("tcp", net.JoinHostPort("127.0.0.1", fields[3]))
}

func (g *throng) workDAV(round uint64) error {
	c, err := overDAV(g.node.addr["HTTP"], worker, "/", g.passwords[worker])
	if err != nil {
		return err
	}
	defer c.close()
	if err := c.do(sent(round)); err != nil {
		return err
	}
	err = c.ask("PROPFIND", "", nil, map[string]string{"Depth": "1"})
	list, _ := errors.AsType[*statusError](err)
	if list == nil || list.status != http.StatusMultiStatus {
		return fmt.Errorf("PROPFIND: %w", err)
	}
	req, err := http.NewRequest(http.MethodGet, c.at("f"), nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth(c.account, c.password)
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	content, err := io.ReadAll(resp.Body)
	return errors.Join(err, resp.Body.Close(), same(round, strings.Contains(list.text, "/dav/f<"), content))
}

// A gauge is what a process holds: all of its memory, what of it is alive after
// a collection, and goroutines.
type gauge struct{ resident, live, goroutines int64 }

func (a gauge) minus(b gauge) gauge {
	return gauge{a.resident - b.resident, a.live - b.live, a.goroutines - b.goroutines}
}

var (
	heapAlloc = regexp.MustCompile(`(?m)^# HeapAlloc = (\d+)`)
	stackUsed = regexp.MustCompile(`(?m)^# Stack = (\d+)`)
	total     = regexp.MustCompile(`^goroutine profile: total (\d+)`)
	resident  = regexp.MustCompile(`(?m)^VmRSS:\s+(\d+) kB`)
)

// gauge reads what the gateway holds while the worker waits.
func (g *throng) gauge() gauge {
	g.t.Helper()
	g.turn.Lock()
	defer g.turn.Unlock()
	return g.measure()
}

// rested is gauge after a rest, where there is time for one: the gateway gives
// memory back when it has nothing to do.
func (g *throng) rested() gauge {
	g.t.Helper()
	g.turn.Lock()
	defer g.turn.Unlock()
	if g.patient {
		time.Sleep(12 * time.Second)
	}
	return g.measure()
}

func (g *throng) measure() gauge {
	g.t.Helper()
	g.profile("heap?gc=1&debug=1") // what pools lend goes with the second
	heap := g.profile("heap?gc=1&debug=1")
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.node.cmd.Process.Pid))
	if err != nil {
		g.t.Fatal(err)
	}
	return gauge{
		resident:   g.number(resident, status) << 10,
		live:       g.number(heapAlloc, heap) + g.number(stackUsed, heap),
		goroutines: g.number(total, g.profile("goroutine?debug=1")),
	}
}

func (g *throng) profile(name string) []byte {
	g.t.Helper()
	return g.fetch(g.node.http, "http://localhost/debug/pprof/"+name)
}

func (g *throng) fetch(c *http.Client, url string) []byte {
	g.t.Helper()
	resp, err := c.Get(url)
	if err != nil {
		g.t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != http.StatusOK {
		g.t.Fatalf("%s: %d, %v", url, resp.StatusCode, err)
	}
	return text
}

func (g *throng) number(of *regexp.Regexp, text []byte) int64 {
	g.t.Helper()
	found := of.FindSubmatch(text)
	if found == nil {
		g.t.Fatalf("no %s in %.200q", of, text)
	}
	n, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		g.t.Fatal(err)
	}
	return n
}

// sessions counts the open ones of a door, as the metrics have it.
func (g *throng) sessions(door string) int64 {
	g.t.Helper()
	text := g.fetch(http.DefaultClient, "http://"+g.node.addr["metrics"]+"/metrics")
	return g.number(regexp.MustCompile(`(?m)^gatehouse_sessions\{door="`+door+`"\} (\d+)`), text)
}

// slack is how many goroutines may be more than they were when the throng is
// gone: connections of the worker and of the test, and work that ends by itself.
const slack = 20

// empties waits until the gateway is as it was before the throng came. A
// session of WebDAV outlasts its connections, so those are not counted.
func (g *throng) empties(before gauge, within time.Duration) {
	g.t.Helper()
	for end := time.Now().Add(within); ; time.Sleep(50 * time.Millisecond) {
		sessions := g.sessions("sftp") + g.sessions("ftp")
		now := g.number(total, g.profile("goroutine?debug=1"))
		if sessions == 0 && now <= before.goroutines+slack {
			return
		}
		if time.Now().After(end) {
			g.t.Errorf("%d sessions and %d goroutines are left; there were 0 and %d before", sessions, now, before.goroutines)
			g.t.Logf("%.6000s", g.profile("goroutine?debug=1"))
			return
		}
	}
}

// ends stops the gateway, which has not complained.
func (g *throng) ends() {
	g.t.Helper()
	g.node.stop()
	for _, line := range g.node.complaints() {
		g.t.Errorf("logged: %s", line)
	}
}
