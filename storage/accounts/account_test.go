package accounts

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func TestCreateFillsIn(t *testing.T) {
	s := open(t, memory.New())
	a := create(t, s, "Alice Example", nil)
	if a.ID == "" || a.Created.IsZero() || a.Authentication != Local || a.Role != policy.RoleUser || a.Revision == 0 {
		t.Errorf("got %+v", a)
	}
	if a.Name != "Alice Example" || a.Home.String() != "/home/alice example" || a.PlainFTP != policy.Inherit {
		t.Errorf("got name %q, home %s, plain FTP %q", a.Name, a.Home, a.PlainFTP)
	}
	for _, name := range []string{"alice example", "ALICE EXAMPLE"} {
		got, err := s.Account(t.Context(), name)
		if err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("%s: got %+v %v, want %+v", name, got, err, a)
		}
	}
	if got, err := s.ByID(t.Context(), a.ID); err != nil || got.Name != a.Name {
		t.Errorf("got %+v %v", got, err)
	}
	for _, name := range []string{"nobody", "", "a/b", strings.Repeat("x", 10_000)} {
		if _, err := s.Account(t.Context(), name); !errors.Is(err, ErrNotFound) {
			t.Errorf("%.20q: got %v, want %v", name, err, ErrNotFound)
		}
	}
	if _, err := s.Create(t.Context(), Account{Account: policy.Account{Name: "ALICE example"}}); !errors.Is(err, ErrExists) {
		t.Errorf("got %v for a name that folds to one there is, want %v", err, ErrExists)
	}
}

func TestSameNameAtOnceIsCreatedOnce(t *testing.T) {
	st := memory.New()
	nodes := []*Store{open(t, st), open(t, st)}
	var all sync.WaitGroup
	made := make(chan error, 20)
	for i := range 20 {
		all.Go(func() {
			_, err := nodes[i%2].Create(t.Context(), Account{Account: policy.Account{Name: []string{"Alice", "alice"}[i%2]}})
			made <- err
		})
	}
	all.Wait()
	close(made)
	won := 0
	for err := range made {
		switch {
		case err == nil:
			won++
		case !errors.Is(err, ErrExists):
			t.Errorf("got %v, want %v", err, ErrExists)
		}
	}
	if won != 1 {
		t.Errorf("the name was given %d times", won)
	}
}

// A name that was free again belongs to another account, which inherits nothing.
func TestRecreatedNameIsAnotherAccount(t *testing.T) {
	st := memory.New()
	s := open(t, st)
	old := create(t, s, "alice", func(a *Account) { a.Email = "alice@example.org" })
	s.Touch(old.ID, "", time.Now(), "192.0.2.1", policy.SFTP)
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Delete(t.Context(), "alice", 0, Guarded); err != nil {
		t.Fatal(err)
	}
	again := create(t, s, "alice", nil)
	if again.ID == old.ID || again.Email != "" {
		t.Errorf("got %+v, which inherits from %+v", again, old)
	}
	if got, _ := s.Activity(t.Context(), again.ID); !got.LastLogin.IsZero() {
		t.Errorf("got activity %+v", got)
	}
	if _, err := s.ByID(t.Context(), old.ID); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v for the old id, want %v", err, ErrNotFound)
	}
	for item := range st.Dump(t.Context()) {
		if item.Kind == "record" && strings.Contains(item.Name, old.ID) {
			t.Errorf("%s/%s is left of the deleted account", item.Scope, item.Name)
		}
	}
	if got, err := open(t, st).Account(t.Context(), "alice"); err != nil || got.ID != again.ID {
		t.Errorf("after a restart: got %v %v", got.ID, err)
	}
}

func TestUpdateRevisions(t *testing.T) {
	s := open(t, memory.New())
	a := create(t, s, "alice", nil)
	rename := func(to string) func(*Account) error {
		return func(a *Account) error { a.DisplayName = to; return nil }
	}
	b, err := s.Update(t.Context(), "alice", a.Revision, rename("Alice"), Guarded)
	if err != nil || b.Revision == a.Revision || b.DisplayName != "Alice" {
		t.Fatalf("got %+v %v", b, err)
	}
	_, err = s.Update(t.Context(), "alice", a.Revision, rename("lost"), Guarded)
	var conflict *state.ConflictError
	if !errors.As(err, &conflict) || conflict.Revision != b.Revision {
		t.Errorf("got %v, want a conflict with revision %d", err, b.Revision)
	}
	same, err := s.Update(t.Context(), "alice", b.Revision, rename("Alice"), Guarded)
	if err != nil || same.Revision != b.Revision {
		t.Errorf("a change of nothing: got revision %d %v, want %d", same.Revision, err, b.Revision)
	}
	if _, err := s.Delete(t.Context(), "alice", a.Revision, Guarded); !errors.Is(err, state.ErrConflict) {
		t.Errorf("delete: got %v, want a conflict", err)
	}
	refuse := errors.New("no")
	if _, err := s.Update(t.Context(), "alice", 0, func(*Account) error { return refuse }, Guarded); !errors.Is(err, refuse) {
		t.Errorf("got %v, want the change's own error", err)
	}
}

func TestConcurrentUpdatesLoseNothing(t *testing.T) {
	st := memory.New()
	nodes := []*Store{open(t, st), open(t, st)}
	create(t, nodes[0], "alice", nil)
	waitFor(t, func() bool { _, err := nodes[1].Account(t.Context(), "alice"); return err == nil })
	var all sync.WaitGroup
	for i := range 30 {
		all.Go(func() {
			g := policy.Grant{Path: path.MustParse(fmt.Sprint("/shared/", i)), Permissions: policy.ReadOnly}
			if _, _, err := nodes[i%2].AddGrant(t.Context(), "alice", g, Guarded); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i, s := range nodes {
		waitFor(t, func() bool { a, _ := s.Account(t.Context(), "alice"); return len(a.Grants) == 30 })
		if a, _ := s.Account(t.Context(), "alice"); len(a.Grants) != 30 {
			t.Errorf("node %d has %d grants, want 30", i, len(a.Grants))
		}
	}
}

func TestCloneIsCreated(t *testing.T) {
	s := open(t, memory.New())
	boss := create(t, s, "boss", func(a *Account) { admin(a); a.Keys = nil })
	draft, err := CloneOf(boss, "second")
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.Create(t.Context(), draft)
	if err != nil || a.Role != policy.RoleUser || a.Password != nil || a.ID == boss.ID {
		t.Errorf("got %+v %v", a, err)
	}
}

// Nobody may leave a trail that reads as the gateway's own, or as that of an
// administrator at the local socket.
func TestNobodyIsCalledAsTheGateway(t *testing.T) {
	s := open(t, memory.New())
	for name, refused := range map[string]bool{
		"socket": true, "Socket": true, "socket (uid 0)": true, "Gatehouse": true, "socket2": false, "gatehouses": false,
	} {
		_, err := s.Create(t.Context(), Account{Account: policy.Account{Name: name}})
		var invalid *InvalidError
		if errors.As(err, &invalid) != refused || err != nil && invalid.Field != "username" {
			t.Errorf("%q: got %v, want refused %v", name, err, refused)
		}
	}
}
