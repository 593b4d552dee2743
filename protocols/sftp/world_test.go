package sftp_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	pkgsftp "github.com/pkg/sftp"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/protocols/sftp"
	"gatehouse/storage/accounts"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
	"gatehouse/storage/mount"
	"gatehouse/storage/quota"
	"gatehouse/storage/staging"
	"gatehouse/storage/state/memory"
)

// password is that of every account in these tests.
const password = "correct horse battery staple"

// A world is a whole gateway in memory but for its files, with the SFTP door.
type world struct {
	t        testing.TB
	dir      string // what the tree's root is on disk
	accounts *accounts.Store
	events   *events.Log
	locks    *locks.Table
	quotas   *quota.Ledger
	manager  *session.Manager
	hostKeys []ssh.Signer
	config   sftp.Config

	server  *sftp.Server
	address string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	store := memory.New()
	var err error
	w.accounts, err = accounts.Open(ctx, store)
	check(err)
	w.events, err = events.New(ctx, store, "node")
	check(err)
	disk, err := local.Open(w.dir, local.Options{FileMode: 0o640, DirMode: 0o750})
	check(err)
	t.Cleanup(func() { disk.Close() })
	mounts, err := mount.New(mount.Mount{Path: path.Root, Backend: disk, Sync: mount.SyncNone})
	check(err)
	area, err := staging.New(ctx, mounts, "node", "1", 100)
	check(err)
	w.locks = locks.New(store, func(path.Path) string { return "locks" })
	var tree *guard.Tree
	w.quotas, err = quota.New(ctx, store, "node", "1", func(ctx context.Context, folder path.Path) (quota.Amount, error) {
		return tree.Walk(ctx, folder)
	})
	check(err)
	tree = guard.NewTree(guard.TreeConfig{Mounts: mounts, Staging: area, Quotas: w.quotas, Locks: w.locks})
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		w.accounts.Close(ctx)
		w.quotas.Close(ctx)
		w.events.Close(ctx)
	})
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	proved, err := auth.New(auth.Config{Accounts: w.accounts, State: store, Log: log, Params: auth.Params{Memory: 64, Time: 1, Threads: 1}})
	check(err)
	w.manager = session.New(ctx, session.Config{
		Accounts: w.accounts, Auth: proved, Tree: tree, Quotas: w.quotas, Events: w.events, State: store, Log: log, Node: "node",
	})
	w.hostKeys = []ssh.Signer{newKey(t)}
	w.config = sftp.Config{Manager: w.manager, HostKeys: w.hostKeys, Log: log}
	return w
}

// newKey makes a key pair.
func newKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return key
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
	var err error
	if w.server, err = sftp.New(w.config); err != nil {
		w.t.Fatal(err)
	}
	var served sync.WaitGroup
	served.Go(func() { // ends with Shutdown
		if err := w.server.Serve(l); !errors.Is(err, sftp.ErrServerClosed) {
			w.t.Errorf("Serve: %v", err)
		}
	})
	w.t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		w.server.Shutdown(ctx)
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
	if _, err := w.manager.CreateAccount(w.t.Context(), a, password, false, false); err != nil {
		w.t.Fatal(err)
	}
}

// change changes an account, as an administrator does.
func (w *world) change(name string, change func(*accounts.Account)) {
	w.t.Helper()
	_, err := w.accounts.Update(w.t.Context(), name, 0, func(a *accounts.Account) error {
		change(a)
		return nil
	}, accounts.Forced)
	if err != nil {
		w.t.Fatal(err)
	}
}

// authorize lets a key prove an account.
func (w *world) authorize(name string, key ssh.PublicKey) {
	w.t.Helper()
	w.change(name, func(a *accounts.Account) {
		a.Keys = append(a.Keys, accounts.Key{
			ID: fmt.Sprint("key", len(a.Keys)), Name: "test", Added: time.Now(),
			PublicKey: string(ssh.MarshalAuthorizedKey(key)), Fingerprint: ssh.FingerprintSHA256(key),
		})
	})
}

// home is a file of an account's home on disk.
func (w *world) home(account string, name ...string) string {
	return filepath.Join(append([]string{w.dir, "home", account}, name...)...)
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

// dial logs in.
func (w *world) dial(user string) *ssh.Client {
	w.t.Helper()
	c, err := ssh.Dial("tcp", w.address, w.client(user))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { c.Close() })
	return c
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
