package explain

import (
	"context"
	"testing"

	"go.uber.org/goleak"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/auth/session"
	"gatehouse/policy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a site with its sessions, which are explained.
type world struct {
	*Explainer
	*authtest.Site
	t    *testing.T
	door *session.Manager
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, Site: authtest.Open(t, authtest.Config{})}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	w.door = session.New(ctx, session.Config{Accounts: w.Accounts, Auth: w.Auth, Tree: w.Tree, Events: w.Events, State: w.Store, Node: w.Node})
	w.Before(w.door.Shutdown)
	w.Explainer = New(Config{Accounts: w.Accounts, Auth: w.Auth, Sessions: w.door, Tree: w.Tree})
	return w
}

func (w *world) refusedBy(a auth.Attempt) policy.Rule {
	w.t.Helper()
	return authtest.RefusedBy(w.t, w.door.Login, a)
}
