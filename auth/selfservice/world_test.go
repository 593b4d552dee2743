package selfservice

import (
	"context"
	"errors"
	"testing"

	"go.uber.org/goleak"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/auth/provision"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/links"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A world is a site with its sessions, and with accounts that serve themselves.
type world struct {
	*Desk
	*authtest.Site
	t      *testing.T
	door   *session.Manager
	admins *provision.Provisioner
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, Site: authtest.Open(t, authtest.Config{})}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	w.door = session.New(ctx, session.Config{Accounts: w.Accounts, Auth: w.Auth, Tree: w.Tree, Events: w.Events, State: w.Store, Node: w.Node})
	w.admins = provision.New(ctx, provision.Config{Accounts: w.Accounts, Auth: w.Auth, Sessions: w.door, Tree: w.Tree, Quotas: w.Quotas, Events: w.Events})
	w.Desk = New(Config{Accounts: w.Accounts, Auth: w.Auth, Sessions: w.door})
	w.Before(w.end)
	return w
}

// end ends what is still open.
func (w *world) end(ctx context.Context) error {
	for _, d := range w.door.List() {
		w.door.End(d.ID, "test")
	}
	w.admins.Close()
	return w.door.Shutdown(ctx)
}

func (w *world) login(a auth.Attempt) *session.Session {
	w.t.Helper()
	s, err := w.door.Login(w.t.Context(), a)
	w.Must(err)
	return s
}

// refusedBy logs in and returns the rule that refuses.
func (w *world) refusedBy(a auth.Attempt) policy.Rule {
	w.t.Helper()
	return authtest.RefusedBy(w.t, w.door.Login, a)
}

// waitCut waits until live policy cuts the session, and returns the rule.
func waitCut(t *testing.T, s *session.Session) policy.Rule {
	t.Helper()
	cause := authtest.End(s.Context(), t)
	cut, ok := errors.AsType[*session.CutError](cause)
	if !ok {
		t.Fatalf("got cause %v, want a cut", cause)
	}
	return cut.Decision.Rule
}

// enrol sets up a second factor from a login of its account, and returns the
// recovery codes and the login. The present code is used up.
func (w *world) enrol(name string) (codes []string, s *session.Session) {
	w.t.Helper()
	s = w.login(authtest.API(name))
	made, err := w.BeginTOTP(w.t.Context(), s)
	w.Must(err)
	codes, err = w.ConfirmTOTP(w.t.Context(), s, authtest.CodeOf(w.t, made.Secret, 0))
	w.Must(err)
	return codes, s
}

// reset is an attempt with a new reset link of an account.
func (w *world) reset(a accounts.Account) auth.Attempt {
	w.t.Helper()
	_, secret, err := w.Accounts.Links().Make(w.t.Context(), links.Link{Kind: links.Reset, Account: a.ID, By: "socket"}, links.Unbounded)
	w.Must(err)
	return auth.Attempt{Link: secret, Door: policy.AccountPages, Transport: policy.TLS, Address: authtest.Client()}
}
