// Package authtest makes a whole site as far as it stands below its sessions, on a
// store that can be told to fail, for the tests of those who admit and provision.
package authtest

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
	"gatehouse/storage/mount"
	"gatehouse/storage/nodes"
	"gatehouse/storage/quota"
	"gatehouse/storage/seal"
	"gatehouse/storage/staging"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// Lease is how long a node that is not heard of is believed in.
const Lease = 10 * time.Second

// Config says where a site stands.
type Config struct {
	State state.Store // nil: a new one in memory
	Dir   string      // of the tree; "": a new one
	Node  string      // default "node"
	Epoch string      // of this run; default "1"
	// Shares says that it is one of several nodes on its store.
	Shares bool
	// Spool is where its events are kept while its store is away; "": nowhere.
	Spool string
}

// A Site is a run of one node. It can be made and ended within a bubble of synctest.
type Site struct {
	Dir      string
	Memory   state.Store // what Store is over
	Store    *Store
	Accounts *accounts.Store
	Auth     *auth.Authenticator
	Events   *events.Log
	Tree     *guard.Tree
	Quotas   *quota.Ledger
	Nodes    *nodes.Nodes // nil: alone
	Node     string

	t      *testing.T
	mounts *mount.Table
	ends   []func(context.Context) error
}

// Open makes a site, which ends with the test.
func Open(t *testing.T, c Config) *Site {
	t.Helper()
	if c.State == nil {
		c.State = memory.New()
	}
	if c.Dir == "" {
		c.Dir = t.TempDir()
	}
	if c.Node == "" {
		c.Node = "node"
	}
	if c.Epoch == "" {
		c.Epoch = "1"
	}
	s := &Site{t: t, Dir: c.Dir, Memory: c.State, Store: NewStore(c.State), Node: c.Node}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	var err error
	if c.Shares {
		s.Nodes, err = nodes.Open(ctx, nodes.Config{State: s.Store, Node: c.Node, Epoch: c.Epoch, Place: c.Node, Lease: Lease})
		s.Must(err)
	}
	s.Accounts, err = accounts.Open(ctx, s.Store)
	s.Must(err)
	if c.Shares {
		s.Accounts.Share()
	}
	sealer, err := seal.New(make([]byte, seal.KeySize))
	s.Must(err)
	s.Events, err = events.New(ctx, events.Config{State: s.Store, Node: c.Node, Sealer: sealer, Spool: c.Spool})
	s.Must(err)
	s.openTree(ctx, c)
	s.Auth, err = auth.New(auth.Config{
		Accounts: s.Accounts, State: s.Store, Params: auth.Params{Memory: 64, Time: 1, Threads: 1},
	})
	s.Must(err)
	t.Cleanup(s.close)
	return s
}

func (s *Site) openTree(ctx context.Context, c Config) {
	s.t.Helper()
	disk, err := local.Open(c.Dir, local.Options{})
	s.Must(err)
	s.mounts, err = mount.New(mount.Mount{Backend: disk, Sync: mount.SyncNone})
	s.Must(err)
	area, err := staging.New(ctx, s.mounts, c.Node, c.Epoch, 100)
	s.Must(err)
	made := make(chan struct{})
	s.Quotas, err = quota.New(ctx, c.State, c.Node, c.Epoch, func(ctx context.Context, p path.Path) (quota.Amount, error) {
		<-made
		return s.Tree.Walk(ctx, p)
	})
	s.Must(err)
	if c.Shares {
		s.Quotas.Share(quota.Sharing{Living: s.Nodes.Living, Held: s.Nodes.Held})
		s.Nodes.Bury(area.Reap)
		s.Nodes.Bury(s.Quotas.Bury)
	}
	table := locks.New(c.State, func(path.Path) string { return "/" })
	s.Tree = guard.NewTree(guard.TreeConfig{Mounts: s.mounts, Staging: area, Quotas: s.Quotas, Locks: table, Fence: s.Nodes.Fence})
	close(made)
}

// Start begins the node's part among the others, once all is there that buries.
func (s *Site) Start(ctx context.Context) {
	if s.Nodes != nil {
		s.Nodes.Start(ctx)
	}
}

// Before has something end before the site does, what came last first.
func (s *Site) Before(end func(context.Context) error) { s.ends = append(s.ends, end) }

// close ends a site, whatever is still open.
func (s *Site) close() {
	s.Store.Heal()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	ends := []func(context.Context) error{s.Quotas.Close, s.Events.Close, s.Accounts.Close}
	ends = append(ends, s.ends...)
	for i := range ends {
		if err := ends[len(ends)-1-i](ctx); err != nil {
			s.t.Errorf("end the site: %v", err)
		}
	}
	if err := s.mounts.Close(); err != nil {
		s.t.Errorf("end the site: %v", err)
	}
	if s.Nodes != nil {
		s.Must(s.Nodes.Close(ctx))
	}
}

// Must ends the test at an error.
func (s *Site) Must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// Disk is where a path of the tree is on the disk.
func (s *Site) Disk(p string) string { return filepath.Join(s.Dir, filepath.FromSlash(p)) }

// Write puts a file on the disk, and the folders above it.
func (s *Site) Write(p, text string) {
	s.t.Helper()
	s.Must(os.MkdirAll(filepath.Dir(s.Disk(p)), 0o750))
	s.Must(os.WriteFile(s.Disk(p), []byte(text), 0o640))
}

// EventsOf returns what is in the log of a kind, the oldest first.
func (s *Site) EventsOf(kind events.Kind) []events.Event {
	s.t.Helper()
	list, _, err := s.Events.List(s.t.Context(), events.Query{Kind: kind, Oldest: true, Limit: 1000})
	s.Must(err)
	return list
}

// Add makes an account with the password that the attempts of this package have, and
// with its home.
func (s *Site) Add(name string, change func(*accounts.Account)) accounts.Account {
	s.t.Helper()
	a := accounts.Account{Account: policy.Account{Name: name}}
	if change != nil {
		change(&a)
	}
	var err error
	a.Password = &accounts.Password{}
	a, err = s.Accounts.Prepare(s.t.Context(), a)
	s.Must(err)
	a.Password, err = s.Auth.NewPassword(s.t.Context(), a, Password)
	s.Must(err)
	made, err := s.Accounts.Create(s.t.Context(), a)
	s.Must(err)
	s.Must(os.MkdirAll(s.Disk(made.Home.String()), 0o750))
	return made
}

// Change changes an account.
func (s *Site) Change(name string, change func(*accounts.Account)) {
	s.t.Helper()
	_, err := s.Accounts.Update(s.t.Context(), name, 0, func(a *accounts.Account) error {
		change(a)
		return nil
	}, accounts.Guarded)
	s.Must(err)
}

// GivePassword gives an account another password than that of the attempts.
func (s *Site) GivePassword(name, password string) {
	s.t.Helper()
	a, err := s.Accounts.Account(s.t.Context(), name)
	s.Must(err)
	made, err := s.Auth.NewPassword(s.t.Context(), a, password)
	s.Must(err)
	s.Change(name, func(a *accounts.Account) { a.Password = made })
}

// ChangeSite changes the site's settings.
func (s *Site) ChangeSite(change func(*accounts.Site)) {
	s.t.Helper()
	_, err := s.Accounts.UpdateSite(s.t.Context(), 0, func(now *accounts.Site) error {
		change(now)
		return nil
	}, accounts.Guarded)
	s.Must(err)
}
