package webdav

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
)

// ended reports how long it took until the server let the connection go.
func ended(t testing.TB, conn net.Conn) time.Duration {
	t.Helper()
	began := time.Now()
	if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
		t.Fatal("the connection is still open")
	}
	return time.Since(began)
}

// ways are what ends somebody's access while a transfer goes on.
func ways(s *site, grant string) map[string]func() {
	return map[string]func(){
		"disabled":      func() { s.Disable("guest") },
		"addresses":     func() { s.Change("guest", func(a *accounts.Account) { a.AllowedIPs = prefixes("192.0.2.0/24") }) },
		"door closed":   func() { s.Change("guest", func(a *accounts.Account) { a.Protocols = []policy.Door{policy.SFTP} }) },
		"grant removed": func() { s.Revoke("guest", grant) },
		"session ended": func() {
			for _, d := range s.Sessions.List() {
				if d.Account == "guest" {
					s.Sessions.End(d.ID, "test")
				}
			}
		},
	}
}

func wayNames() []string {
	var names []string
	for name := range ways(nil, "") {
		names = append(names, name)
	}
	return names
}

// A download whose client has stopped reading, and an upload whose client has
// stopped sending, end within a second of the end of the access; what others
// do goes on, and nothing of the upload stays.
func TestLivePolicyCutsTransfers(t *testing.T) {
	for _, name := range wayNames() {
		t.Run(name, func(t *testing.T) {
			protocoltest.Patiently(t, func(t testing.TB) {
				s := newSite(t)
				owner := s.client(t, "owner")
				owner.fill(map[string]string{"team/big": strings.Repeat("x", 32<<20), "team/old": "old", "team/older": "older"})
				guest := s.client(t, "guest")
				grant := s.Grant("guest", owner.Home.String()+"/team", policy.Full, "team")

				reader, in := guest.raw("GET", "/dav/team/big")
				if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "200") {
					t.Fatalf("%q, %v", line, err)
				}
				writer, _ := guest.raw("PUT", "/dav/team/old", "Content-Length: 1000000")
				fmt.Fprint(writer, strings.Repeat("n", 300_000))
				mover, _ := guest.raw("PUT", "/dav/team/older", "Content-Length: 10000000") // the kernel moves it
				fmt.Fprint(mover, strings.Repeat("n", 3_000_000))
				waitFor(t, func() bool { return len(s.Staged()) == 2 })
				other, otherIn := owner.raw("PUT", "/dav/team/theirs", "Content-Length: 10")
				fmt.Fprint(other, "first")
				waitFor(t, func() bool { return len(s.Staged()) == 3 })

				big := s.OnDisk(owner.Home.String() + "/team/big")
				if waitFull(t, reader); !isOpen(t, big) {
					t.Fatal("the download is over before it could be cut")
				}
				began := time.Now()
				ways(s, grant)[name]()
				waitFor(t, func() bool { return len(s.Staged()) == 1 && !isOpen(t, big) })
				if took := time.Since(began); took > time.Second {
					t.Errorf("the transfers were cut after %v", took)
				}
				ended(t, writer)
				ended(t, mover)
				ended(t, reader)
				fmt.Fprint(other, "whole")
				if line, err := otherIn.ReadString('\n'); err != nil || !strings.Contains(line, "201") {
					t.Errorf("the other upload: %q, %v", line, err)
				}
				files := owner.files()
				if files["team/old"] != "old" || files["team/older"] != "older" || files["team/theirs"] != "firstwhole" {
					t.Errorf("team/old is %.20q, team/older %.20q, team/theirs %.20q", files["team/old"], files["team/older"], files["team/theirs"])
				}
			})
		})
	}
}

// A listing is a handle too: where its folder is no longer granted it ends,
// also with a client that has stopped reading.
func TestLivePolicyCutsAListing(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) {
		s := newSite(t)
		owner := s.client(t, "owner")
		fillLarge(t, owner, 20000)
		s.client(t, "guest")
		grant := s.Grant("guest", owner.Home.String()+"/large", policy.ReadOnly, "large")
		guest := &client{t, s, protocoltest.Person{Name: "guest", Password: "the password of guest"}}
		conn, in := guest.raw("PROPFIND", "/dav/large/", "Depth: 1", "Content-Length: 0")
		if line, err := in.ReadString('\n'); err != nil || !strings.Contains(line, "207") {
			t.Fatalf("%q, %v", line, err)
		}
		folder := s.OnDisk(owner.Home.String() + "/large")
		waitFor(t, func() bool { return isOpen(t, folder) })
		waitFull(t, conn)
		if !isOpen(t, folder) {
			t.Fatal("the whole listing fits into the buffers of this machine's sockets")
		}
		began := time.Now()
		s.Revoke("guest", grant)
		waitFor(t, func() bool { return !isOpen(t, folder) })
		if took := time.Since(began); took > time.Second {
			t.Errorf("the listing was cut after %v", took)
		}
	})
}

// waitFull waits until no more arrives at a connection that is not read: the
// other side waits for us then.
func waitFull(t testing.TB, c net.Conn) {
	t.Helper()
	raw, err := c.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	unread, same := 0, 0
	waitFor(t, func() bool {
		before := unread
		var failed error
		if err := raw.Control(func(fd uintptr) { unread, failed = unix.IoctlGetInt(int(fd), unix.TIOCINQ) }); err != nil || failed != nil {
			t.Fatal(err, failed)
		}
		if same++; unread == 0 || unread != before {
			same = 0
		}
		return same > 200
	})
}

// isOpen reports whether this process, the server in it, has name open.
func isOpen(t testing.TB, name string) bool {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if at, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && at == name {
			return true
		}
	}
	return false
}

// Requests that have no file open end too: here the XML of one stays away.
func TestLivePolicyCutsARequestWithoutAHandle(t *testing.T) {
	for _, method := range []string{"PROPPATCH", "LOCK", "PROPFIND"} {
		t.Run(method, func(t *testing.T) {
			protocoltest.Patiently(t, func(t testing.TB) {
				s := newSite(t)
				c := s.client(t, "guest")
				c.fill(map[string]string{"a": "1"})
				conn, _ := c.raw(method, "/dav/a", "Depth: 0", "Content-Length: 1000")
				fmt.Fprint(conn, "<a>")
				waitFor(t, func() bool { return len(s.Sessions.List()) == 1 })
				s.Disable("guest")
				if took := ended(t, conn); took > time.Second {
					t.Errorf("the request was cut after %v", took)
				}
			})
		})
	}
}

// A download that was cut is not a whole file: the client sees it end early.
func TestCutDownloadIsShort(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "guest")
	const size = 32 << 20
	c.fill(map[string]string{"big": strings.Repeat("x", size)})
	conn, in := c.raw("GET", "/dav/big")
	skipHead(t, in)
	s.Disable("guest")
	big := s.OnDisk(c.Home.String() + "/big")
	waitFor(t, func() bool { return !isOpen(t, big) }) // who reads on before the cut gets it all
	n, _ := io.Copy(io.Discard, in)
	if n >= size {
		t.Errorf("%d bytes came, the whole file", n)
	}
	conn.Close()
}

func skipHead(t *testing.T, in *bufio.Reader) {
	t.Helper()
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if line == "\r\n" {
			return
		}
	}
}

// The next request after the end of the access is refused, on a connection
// that was admitted before.
func TestLivePolicyRefusesTheNextRequest(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "guest")
	c.fill(map[string]string{"a": "1"})
	c.want(200, "GET", "/dav/a", "")
	s.Disable("guest")
	c.want(401, "GET", "/dav/a", "")
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}
