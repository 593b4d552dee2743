package sftp_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	pkgsftp "github.com/pkg/sftp"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/protocols/sftp"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/credentials"
)

// password is that of every account in these tests.
const password = "correct horse battery staple"

// A world is a whole gateway in memory but for its files, with the SFTP door.
type world struct {
	*protocoltest.World
	t        testing.TB
	hostKeys []ssh.Signer
	config   sftp.Config

	server  *sftp.Server
	address string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{World: protocoltest.NewWorld(t), t: t, hostKeys: []ssh.Signer{protocoltest.NewKey(t)}}
	w.config = sftp.Config{Manager: w.Sessions, HostKeys: w.hostKeys, Log: w.Log}
	return w
}

// serve starts the door with the world's configuration, until the test ends.
func (w *world) serve() {
	w.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	w.address = l.Addr().String()
	w.serveOn(l)
}

func (w *world) serveOn(l net.Listener) {
	w.t.Helper()
	server, err := sftp.New(w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.server = server
	var served sync.WaitGroup
	served.Go(func() { // ends with Shutdown
		if err := server.Serve(l); !errors.Is(err, sftp.ErrServerClosed) {
			w.t.Errorf("Serve: %v", err)
		}
	})
	w.t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		server.Shutdown(ctx)
		served.Wait()
	})
}

// serving is a world with the account alice, and its door open.
func serving(t testing.TB) *world {
	t.Helper()
	w := newWorld(t)
	w.add("alice")
	w.serve()
	return w
}

// add makes an account with the password and a home.
func (w *world) add(name string, with ...func(*accounts.Account)) {
	w.t.Helper()
	a := accounts.Account{Account: policy.Account{Name: name, Role: policy.RoleUser}}
	for _, change := range with {
		change(&a)
	}
	if _, err := w.Provision.Create(w.t.Context(), a, password, false, true); err != nil {
		w.t.Fatal(err)
	}
}

// authorize lets a key prove an account.
func (w *world) authorize(name string, key ssh.PublicKey) {
	w.t.Helper()
	k, err := credentials.ParseKey(string(ssh.MarshalAuthorizedKey(key)))
	if err != nil {
		w.t.Fatal(err)
	}
	w.Change(name, func(a *accounts.Account) { a.Keys = append(a.Keys, k) })
}

// home is a file of an account's home on disk.
func (w *world) home(account string, name ...string) string {
	return filepath.Join(append([]string{w.Dir, "home", account}, name...)...)
}

// put writes a file into an account's home, around the gateway.
func (w *world) put(account, name, content string) {
	w.t.Helper()
	file := w.home(account, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o750); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o640); err != nil {
		w.t.Fatal(err)
	}
}

// content is what a file of an account's home holds on disk.
func (w *world) content(account, name string) string {
	w.t.Helper()
	b, err := os.ReadFile(w.home(account, name))
	if err != nil {
		w.t.Error(err)
	}
	return string(b)
}

func (w *world) client(user string, auth ...ssh.AuthMethod) *ssh.ClientConfig {
	if auth == nil {
		auth = []ssh.AuthMethod{ssh.Password(password)}
	}
	return &ssh.ClientConfig{
		User: user, Auth: auth, Timeout: 10 * time.Second,
		HostKeyCallback: ssh.FixedHostKey(w.hostKeys[0].PublicKey()), HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
	}
}

// A counted connection knows how many bytes came in.
type counted struct {
	net.Conn
	in atomic.Int64
}

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.in.Add(int64(n))
	return n, err
}

// dial logs in.
func (w *world) dial(user string) *ssh.Client {
	w.t.Helper()
	c, _ := w.dialCounted(user)
	return c
}

func (w *world) dialCounted(user string) (*ssh.Client, *counted) {
	w.t.Helper()
	tcp, err := net.Dial("tcp", w.address)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { tcp.Close() })
	conn := &counted{Conn: tcp}
	c, channels, requests, err := ssh.NewClientConn(conn, w.address, w.client(user))
	if err != nil {
		w.t.Fatal(err)
	}
	return ssh.NewClient(c, channels, requests), conn
}

// files logs in with a client library that is not ours.
func (w *world) files(user string, options ...pkgsftp.ClientOption) *pkgsftp.Client {
	w.t.Helper()
	c, err := pkgsftp.NewClient(w.dial(user), options...)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
}
