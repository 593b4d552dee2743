package session

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// A grant that is taken away cuts the handles that it gave, within a second; the
// session and its other handles go on.
func TestRemovedGrantCutsItsHandles(t *testing.T) {
	w := newWorld(t)
	w.Write("/shared/report", "quarterly")
	w.Add("alice", func(a *accounts.Account) {
		a.Grants = []policy.Grant{{Path: path.MustParse("/shared"), Permissions: policy.ReadOnly, Recursive: true, At: "shared"}}
	})
	w.Write("/home/alice/own", "mine")
	s := w.login(authtest.SFTP("alice"))
	open := func(p string) *File {
		t.Helper()
		f, err := s.FS().Open(t.Context(), path.MustParse(p), Open{Read: true})
		w.Must(err)
		return f
	}
	shared, own := open("/shared/report"), open("/own")
	defer shared.Close()
	defer own.Close()
	buffer := make([]byte, 4)
	if _, err := shared.ReadAt(buffer, 0); err != nil || string(buffer) != "quar" {
		t.Fatalf("got %q %v", buffer, err)
	}
	a, err := w.Accounts.Account(t.Context(), "alice")
	w.Must(err)
	_, err = w.Accounts.RemoveGrant(t.Context(), "alice", a.Grants[0].ID, accounts.Guarded)
	w.Must(err)
	select {
	case <-shared.Context().Done():
	case <-time.After(authtest.SoonEnough):
		t.Fatal("the handle stays open after its grant is gone")
	}
	if _, err := shared.ReadAt(buffer, 0); err == nil {
		t.Error("the cut handle still reads")
	}
	if _, err := own.ReadAt(buffer, 0); err != nil || own.Context().Err() != nil || s.Context().Err() != nil {
		t.Errorf("what is still allowed was cut: %v", err)
	}
	if _, err := s.FS().Open(t.Context(), path.MustParse("/shared/report"), Open{Read: true}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v, want that it is not there", err)
	}
}

func TestEndOfSessionCutsHandles(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	w.Write("/home/alice/own", "mine")
	s := w.login(authtest.SFTP("alice"))
	f, err := s.FS().Open(t.Context(), path.MustParse("/own"), Open{Write: true})
	w.Must(err)
	defer f.Close()
	_, err = w.Accounts.Disable(t.Context(), "alice", "admin", "", accounts.Guarded)
	w.Must(err)
	waitCut(t, s)
	select {
	case <-f.Context().Done():
	case <-time.After(authtest.SoonEnough):
		t.Fatal("the handle is open after its session")
	}
	if _, err := f.WriteAt([]byte("late"), 0); err == nil {
		t.Error("a session that was cut still writes")
	}
	if err := s.FS().Mkdir(context.Background(), path.MustParse("/late"), 0); err == nil {
		t.Error("a session that was cut still makes folders")
	}
}

// Events of operations carry who, from where and in which session.
func TestOperationsAreSigned(t *testing.T) {
	w := newWorld(t)
	a := w.Add("alice", nil)
	s := w.login(authtest.SFTP("alice"))
	w.Must(s.FS().Mkdir(t.Context(), path.MustParse("/new"), 0))
	s.Close()
	var found []events.Event
	for end := time.Now().Add(authtest.SoonEnough); len(found) == 0; time.Sleep(time.Millisecond) {
		for _, e := range w.EventsOf(events.Mkdir) {
			if e.Session == s.ID() {
				found = append(found, e)
			}
		}
		if time.Now().After(end) {
			t.Fatal("there is no event of the operation")
		}
	}
	e := found[0]
	if e.Account != "alice" || e.AccountID != a.ID || e.Door != "sftp" || e.Address != authtest.Client() || e.Node != "node" ||
		e.Path != "/home/alice/new" || e.Time.IsZero() || e.Credential == "" {
		t.Errorf("got event %+v", e)
	}
}

// Ending a session must not wait for a store that does not answer.
func TestCutDoesNotWaitForTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.Add("alice", nil)
		s := w.login(authtest.SFTP("alice"))
		stuck := w.Store.Block()
		began := time.Now()
		w.End(s.ID(), "told to")
		if waited := time.Since(began); waited > 0 {
			t.Errorf("End waits for the store: %v", waited)
		}
		if s.Context().Err() == nil {
			t.Error("the session is open")
		}
		close(stuck)
	})
}

func TestDrainOfRequests(t *testing.T) {
	w := newWorld(t)
	w.Add("alice", nil)
	w.Add("bob", nil)
	api := authtest.SFTP("bob")
	api.Door, api.Transport = policy.API, policy.TLS
	browser := w.login(api)
	idle, done := w.request(authtest.WebDAV("bob"))
	done()
	busy, finish := w.request(authtest.WebDAV("alice"))
	drained := make(chan error)
	go func() { drained <- w.Shutdown(t.Context()) }()
	for _, s := range []*Session{browser, idle} {
		select {
		case <-s.Context().Done():
		case <-time.After(authtest.SoonEnough):
			t.Errorf("a session at %s that has nothing to finish is open", s.door)
		}
	}
	if busy.Context().Err() != nil {
		t.Error("a request was cut")
	}
	finish()
	if err := <-drained; err != nil {
		t.Error(err)
	}
}
