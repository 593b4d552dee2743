// Package protocoltest is one suite over every front end: the same accounts,
// policies and outcomes, asked through each protocol with a real client. A
// front end's test serves its protocol over a World and adapts its client.
package protocoltest

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"gatehouse/auth"
	"gatehouse/auth/explain"
	"gatehouse/auth/provision"
	"gatehouse/auth/selfservice"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/credentials"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
	"gatehouse/storage/mount"
	"gatehouse/storage/nodes"
	"gatehouse/storage/quota"
	"gatehouse/storage/seal"
	"gatehouse/storage/staging"
	"gatehouse/storage/state"
	"gatehouse/storage/traffic"
)

// A World is a whole site without front ends, as one of its nodes has it: state in
// memory unless it is told where, one mount in a temporary folder. It ends with the
// test. What front ends need is Sessions.
type World struct {
	Sessions *session.Manager
	Log      *slog.Logger

	// The parts below are for arranging and looking.
	Dir      string // the mount's folder on disk
	State    state.Store
	Accounts *accounts.Store
	Auth     *auth.Authenticator
	Mounts   *mount.Table
	Tree     *guard.Tree
	Quotas   *quota.Ledger
	Traffic  *traffic.Traffic
	Locks    *locks.Table
	Events   *events.Log
	Joined   *nodes.Nodes // nil: alone

	// What stands beside the sessions, for the API.
	Provision   *provision.Provisioner
	SelfService *selfservice.Desk
	Explain     *explain.Explainer

	*common
	t      testing.TB
	node   string
	sealer *seal.Sealer
}

// epoch is the first one of each node.
const epoch = "1"

// NewWorld makes a world. The site's policy is the default one. mounts are
// tree paths at which further mounts stand, each in a folder of its own.
func NewWorld(t testing.TB, mounts ...string) *World {
	t.Helper()
	return newWorld(t, ground{mounts: mounts})
}

func newWorld(t testing.TB, g ground) *World {
	t.Helper()
	base := t.TempDir()
	c := &common{name: rand.Text(), ground: g, dir: filepath.Join(base, "files"), mounted: map[string]string{}, logs: &record{}}
	for i, at := range g.mounts {
		c.mounted[at] = filepath.Join(base, fmt.Sprint("mount", i))
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the log of the world:\n%s", c.logs.tail())
		}
	})
	for range max(1, g.nodes.Count) {
		c.add(t)
	}
	return c.all[0]
}

// open makes the node from the bottom up.
func (w *World) open() {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w.after(func(context.Context) error { cancel(); return nil })
	w.openStores(ctx)
	w.openTree(ctx)
	w.openDoors(ctx)
	w.bury(ctx)
}

// after runs close when the test ends, in bounded time.
func (w *World) after(closing func(context.Context) error) {
	w.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		if err := closing(ctx); err != nil {
			w.t.Errorf("the end of the world: %v", err)
		}
	})
}

func (w *World) openStores(ctx context.Context) {
	w.t.Helper()
	w.openState()
	w.join(ctx)
	var err error
	w.Accounts, err = accounts.Open(ctx, w.State)
	w.must(err)
	if w.several() {
		w.Accounts.Share()
	}
	w.after(w.Accounts.Close)
	w.sealer, err = seal.New(make([]byte, seal.KeySize))
	w.must(err)
	w.Events, err = events.New(ctx, events.Config{State: w.State, Node: w.node, Sealer: w.sealer})
	w.must(err)
	w.after(w.Events.Close)
}

func (w *World) openTree(ctx context.Context) {
	w.t.Helper()
	all := []mount.Mount{w.mount("/", w.Dir)}
	for at, dir := range w.mounted {
		all = append(all, w.mount(at, dir))
	}
	var err error
	w.Mounts, err = mount.New(all...)
	w.must(err)
	w.after(func(context.Context) error { return w.Mounts.Close() })
	area, err := staging.New(ctx, w.Mounts, w.node, epoch, 1000)
	w.must(err)
	var tree *guard.Tree
	w.Quotas, err = quota.New(ctx, w.State, w.node, epoch, func(ctx context.Context, p path.Path) (quota.Amount, error) {
		return tree.Walk(ctx, p)
	})
	w.must(err)
	var fence func() error
	if w.Joined != nil {
		w.Quotas.Share(quota.Sharing{Living: w.Joined.Living, Held: w.Joined.Held})
		fence = w.Joined.Fence
	}
	w.after(w.Quotas.Close)
	w.Traffic = traffic.New(w.State, w.node+"/"+epoch)
	if w.Joined != nil {
		w.Traffic.Share()
	}
	w.after(w.Traffic.Close)
	w.Locks = locks.New(w.State, func(p path.Path) string {
		m, _ := w.Mounts.Of(p)
		return m.Path.String()
	})
	if w.Joined == nil {
		w.Locks.Alone()
	}
	tree = guard.NewTree(guard.TreeConfig{Mounts: w.Mounts, Staging: area, Quotas: w.Quotas, Locks: w.Locks, Fence: fence})
	w.Tree = tree
}

func (w *World) mount(at, dir string) mount.Mount {
	w.t.Helper()
	if w.isFirst() {
		w.must(os.Mkdir(dir, 0o750))
		w.must(w.ground.shrink(w.t, dir))
	}
	disk, err := local.Open(dir, local.Options{})
	w.must(err)
	m := mount.Mount{Path: path.MustParse(at), Backend: disk, Sync: mount.SyncNone}
	if w.ground.unsteady {
		m.Backend = &unsteadyDisk{disk, &w.disk}
	}
	if w.ground.sync != "" {
		m.Backend, m.Sync = w.powered(disk), w.ground.sync
	}
	return m
}

func (w *World) openDoors(ctx context.Context) {
	w.t.Helper()
	var err error
	w.Auth, err = auth.New(auth.Config{
		Accounts: w.Accounts,
		State:    w.State,
		Log:      w.Log,
		Key:      []byte("of the site"),
		Sealer:   w.sealer,
		Params:   auth.Params{Memory: 64, Time: 1, Threads: 1},
	})
	w.must(err)
	w.must(w.Auth.Follow(ctx))
	w.Sessions = session.New(ctx, session.Config{
		Accounts: w.Accounts,
		Auth:     w.Auth,
		Tree:     w.Tree,
		Traffic:  w.Traffic,
		Events:   w.Events,
		State:    w.State,
		Log:      w.Log,
		Node:     w.node,
		Nodes:    w.Joined,
		Key:      []byte("of the site"),
	})
	w.Provision = provision.New(ctx, provision.Config{
		Accounts: w.Accounts, Auth: w.Auth, Sessions: w.Sessions, Tree: w.Tree, Quotas: w.Quotas, Traffic: w.Traffic,
		Events: w.Events, Nodes: w.Joined, Log: w.Log,
	})
	w.after(func(context.Context) error { w.Provision.Close(); return nil })
	w.after(w.Sessions.Shutdown)
	w.SelfService = selfservice.New(selfservice.Config{Accounts: w.Accounts, Auth: w.Auth, Sessions: w.Sessions, Log: w.Log})
	w.Explain = explain.New(explain.Config{Accounts: w.Accounts, Auth: w.Auth, Sessions: w.Sessions, Tree: w.Tree, Traffic: w.Traffic})
}

func (w *World) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// A Person has an account, and what proves it.
type Person struct {
	Name     string
	ID       string
	Password string
	Key      ssh.Signer
	Home     path.Path
}

// Add makes an account with a password, a key and a home, changed by changes
// before it is stored.
func (w *World) Add(name string, changes ...func(*accounts.Account)) Person {
	w.t.Helper()
	ctx := w.t.Context()
	p := Person{Name: name, Password: "the password of " + name, Key: NewKey(w.t)}
	a := accounts.Account{}
	a.Name = name
	a.Role = policy.RoleUser
	key, err := credentials.ParseKey(string(ssh.MarshalAuthorizedKey(p.Key.PublicKey())))
	w.must(err)
	a.Keys = []accounts.Key{key}
	for _, change := range changes {
		change(&a)
	}
	a.Password, err = w.Auth.NewPassword(ctx, a, p.Password)
	w.must(err)
	a, err = w.Accounts.Create(ctx, a)
	w.must(err)
	w.known()
	p.ID, p.Home = a.ID, a.Home
	w.must(os.MkdirAll(w.OnDisk(a.Home.String()), 0o750))
	return p
}

// NewKey makes an SSH key.
func NewKey(t testing.TB) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

// Change changes an account that is there.
func (w *World) Change(name string, change func(*accounts.Account)) {
	w.t.Helper()
	_, err := w.Accounts.Update(w.t.Context(), name, 0, func(a *accounts.Account) error {
		change(a)
		return nil
	}, accounts.Forced)
	w.must(err)
	w.known()
}

// Disable ends an account's access.
func (w *World) Disable(name string) {
	w.t.Helper()
	w.Change(name, func(a *accounts.Account) {
		a.Status = policy.Status{Disabled: true, By: "test", At: time.Now(), Why: "test"}
	})
}

// Grant gives an account rights on a tree below folder, which appears as at in
// its root where that is not empty. It returns the grant's id.
func (w *World) Grant(name, folder string, rights policy.Permissions, at string) string {
	w.t.Helper()
	g, _, err := w.Accounts.AddGrant(w.t.Context(), name, policy.Grant{
		Path: path.MustParse(folder), Permissions: rights, Recursive: true, At: at,
	}, accounts.Forced)
	w.must(err)
	w.known()
	return g.ID
}

// Revoke takes a grant away.
func (w *World) Revoke(name, id string) {
	w.t.Helper()
	_, err := w.Accounts.RemoveGrant(w.t.Context(), name, id, accounts.Forced)
	w.must(err)
	w.known()
}

// SetSite changes the site's policy.
func (w *World) SetSite(change func(*policy.Site)) {
	w.t.Helper()
	_, err := w.Accounts.UpdateSite(w.t.Context(), 0, func(s *accounts.Site) error {
		change(&s.Site)
		return nil
	}, accounts.Forced)
	w.must(err)
	w.known()
}

// SetQuota sets the quota on a folder; negative figures are unlimited.
func (w *World) SetQuota(folder string, bytes, files int64) {
	w.t.Helper()
	l := quota.Limit{Folder: path.MustParse(folder), Amount: quota.Amount{Bytes: bytes, Files: files}}
	w.must(w.Quotas.Set(w.t.Context(), l))
	w.limited(l)
}

// record keeps the log, for tests that fail.
type record struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var _ io.Writer = (*record)(nil)

func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

// tail is the end of the log: what went wrong is seldom at its beginning.
func (r *record) tail() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Bytes()[max(0, r.buf.Len()-16<<10):]
}
