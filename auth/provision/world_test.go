package provision

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"testing"

	"go.uber.org/goleak"

	"gatehouse/auth/authtest"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a site with its sessions, and with accounts that are provisioned.
type world struct {
	*Provisioner
	*authtest.Site
	t    *testing.T
	door *session.Manager
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return open(t, authtest.Config{})
}

// restart makes a world over what a former one left.
func restart(t *testing.T, st state.Store, dir, epoch string) *world {
	t.Helper()
	return open(t, authtest.Config{State: st, Dir: dir, Epoch: epoch})
}

func open(t *testing.T, at authtest.Config) *world {
	t.Helper()
	w := &world{t: t, Site: authtest.Open(t, at)}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	w.door = session.New(ctx, session.Config{
		Accounts: w.Accounts, Auth: w.Auth, Tree: w.Tree, Events: w.Events, State: w.Store, Node: w.Node, Nodes: w.Nodes,
	})
	w.Before(w.door.Shutdown)
	w.Provisioner = New(ctx, Config{
		Accounts: w.Accounts, Auth: w.Auth, Sessions: w.door, Tree: w.Tree, Quotas: w.Quotas, Events: w.Events, Nodes: w.Nodes,
	})
	w.Before(func(context.Context) error { w.Provisioner.Close(); return nil })
	w.Start(ctx)
	return w
}

// newNodes makes so many gateways on one store and one tree.
func newNodes(t *testing.T, n int) []*world {
	t.Helper()
	first := authtest.Config{Dir: t.TempDir(), Node: "node1", Shares: true}
	all := []*world{open(t, first)}
	for i := 1; i < n; i++ {
		at := first
		at.State, at.Node = all[0].Memory, "node"+string(rune('1'+i))
		all = append(all, open(t, at))
	}
	return all
}

// make provisions an account with the password of the attempts.
func (w *world) make(name string, change func(*accounts.Account)) accounts.Account {
	w.t.Helper()
	a := named(name)
	if change != nil {
		change(&a)
	}
	made, err := w.Create(w.t.Context(), a, authtest.Password, false, false)
	w.Must(err)
	return made
}

func named(name string) accounts.Account {
	return accounts.Account{Account: policy.Account{Name: name}}
}

func bytes10(a *accounts.Account) {
	n := int64(10)
	a.Quota.Bytes = &n
}

func (w *world) there(p string) bool {
	w.t.Helper()
	_, err := os.Lstat(w.Disk(p))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		w.t.Fatal(err)
	}
	return err == nil
}

// limitOn returns the bytes that a folder's own quota allows, -1 without one.
func (w *world) limitOn(folder string) int64 {
	w.t.Helper()
	u, ok, err := w.Quotas.Get(w.t.Context(), path.MustParse(folder))
	w.Must(err)
	if !ok {
		return -1
	}
	return u.Bytes
}
