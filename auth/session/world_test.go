package session

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/state"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a site with its sessions.
type world struct {
	*Manager
	*authtest.Site
	t      *testing.T
	untold bool // the others cannot be told that its sessions have ended
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

// open makes a world of a node's run, alone or among others on its store.
func open(t *testing.T, at authtest.Config, set ...func(*Config)) *world {
	t.Helper()
	w := &world{t: t, Site: authtest.Open(t, at)}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	c := Config{
		Accounts: w.Accounts, Auth: w.Auth, Tree: w.Tree, Events: w.Events, State: w.Store, Node: w.Node,
		Nodes: w.Nodes, Key: []byte("the same on every node"),
	}
	for _, set := range set {
		set(&c)
	}
	w.Manager = New(ctx, c)
	w.Start(ctx)
	w.Before(w.end)
	return w
}

// end ends what is still open.
func (w *world) end(ctx context.Context) error {
	for _, s := range w.table.all() {
		s.Close()
	}
	if err := w.Shutdown(ctx); !w.untold || !errors.Is(err, ErrUntold) {
		return err
	}
	return nil
}

func (w *world) login(a auth.Attempt) *Session {
	w.t.Helper()
	s, err := w.Login(w.t.Context(), a)
	w.Must(err)
	return s
}

// refusedBy logs in and returns the rule that refuses.
func (w *world) refusedBy(a auth.Attempt) policy.Rule {
	w.t.Helper()
	return authtest.RefusedBy(w.t, w.Login, a)
}

// setPassword gives an account a new password, as an administrator does.
func (w *world) setPassword(name, password string) {
	w.t.Helper()
	w.GivePassword(name, password)
	a, err := w.Accounts.Account(w.t.Context(), name)
	w.Must(err)
	w.JudgeAccount(a.ID)
}

// changeOwnPassword gives the account of a session a new password, as its owner does.
func (w *world) changeOwnPassword(s *Session, password string) error {
	w.t.Helper()
	ctx := w.t.Context()
	a, err := w.Accounts.ByID(ctx, s.AccountID())
	w.Must(err)
	made, err := w.Auth.NewPassword(ctx, a, password)
	w.Must(err)
	next := func(v *auth.Proved) *auth.Proved { return v.WithPassword(made.ID) }
	err = w.Rebind(s, next, func() (accounts.Account, error) {
		return w.Accounts.Update(ctx, a.Name, 0, func(now *accounts.Account) error {
			now.Password = made
			return nil
		}, accounts.Guarded)
	})
	if err != nil {
		return err
	}
	return w.EndOthers(ctx, s, "the password was changed")
}

// remove deletes an account.
func (w *world) remove(a accounts.Account) {
	w.t.Helper()
	_, err := w.Accounts.Remove(w.t.Context(), a.Name, 0, accounts.KeepFiles, accounts.Guarded)
	w.Must(err)
	w.JudgeAccount(a.ID)
}

// waitCut waits until live policy cuts the session, and returns the rule.
func waitCut(t *testing.T, s *Session) policy.Rule {
	t.Helper()
	cause := authtest.End(s.Context(), t)
	cut, ok := errors.AsType[*CutError](cause)
	if !ok {
		t.Fatalf("got cause %v, want a cut", cause)
	}
	return cut.Decision.Rule
}
