package provision

import (
	"errors"
	"os"
	"testing"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
	"gatehouse/storage/state"
)

func TestCreateMakesTheHome(t *testing.T) {
	w := newWorld(t)
	a := w.make("Alice", bytes10)
	if !w.there("/home/alice") || w.limitOn("/home/alice") != 10 {
		t.Errorf("home there %v, quota %d", w.there("/home/alice"), w.limitOn("/home/alice"))
	}
	if a.Password == nil || a.Password.MustChange {
		t.Errorf("got password %+v", a.Password)
	}
	deep, err := w.Create(t.Context(), func() accounts.Account {
		a := named("bob")
		a.Home = path.MustParse("/projects/x/y/bob")
		return a
	}(), "", false, false)
	if err != nil || deep.Password != nil || !w.there("/projects/x/y/bob") {
		t.Errorf("got %+v %v", deep.Password, err)
	}
}

// Somebody else's files must not become an account's home by accident.
func TestExistingHomeIsRefused(t *testing.T) {
	w := newWorld(t)
	w.Write("/home/alice/old", "x")
	w.Must(os.Mkdir(w.Disk("/home/empty"), 0o750))
	w.Write("/home/file", "x")
	for _, name := range []string{"alice", "empty"} {
		if _, err := w.Create(t.Context(), named(name), "", false, false); !errors.Is(err, accounts.ErrHome) {
			t.Errorf("%s: got %v, want %v", name, err, accounts.ErrHome)
		}
		if _, err := w.Accounts.Account(t.Context(), name); !errors.Is(err, accounts.ErrNotFound) {
			t.Errorf("%s: the account is there: %v", name, err)
		}
		if _, err := w.Create(t.Context(), named(name), "", false, true); err != nil {
			t.Errorf("%s: adopting: %v", name, err)
		}
	}
	var invalid *accounts.InvalidError
	if _, err := w.Create(t.Context(), named("file"), "", false, true); !errors.As(err, &invalid) || invalid.Field != "home" {
		t.Errorf("a file as home: got %v", err)
	}
	if !w.there("/home/alice/old") {
		t.Error("adopting lost a file")
	}
}

func TestRefusedCreateLeavesNothing(t *testing.T) {
	w := newWorld(t)
	w.make("taken", nil)
	for name, c := range map[string]struct {
		account  accounts.Account
		password string
	}{
		"bad name":      {named("a/b"), ""},
		"bad password":  {named("weak"), "short"},
		"bad group":     {func() accounts.Account { a := named("group"); a.Groups = []string{"x"}; return a }(), ""},
		"taken":         {named("TAKEN"), ""},
		"must not be /": {func() accounts.Account { a := named("off"); a.Role = "king"; return a }(), ""},
	} {
		if _, err := w.Create(t.Context(), c.account, c.password, false, false); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	list, err := os.ReadDir(w.Disk("/home"))
	if err != nil || len(list) != 1 {
		t.Errorf("got %v %v, want the home of the one account", list, err)
	}
}

// What a password has with it can be set with the password at once, and not
// without one: to accept it and throw it away would let an administrator believe
// that somebody must change what there is not.
func TestNewPasswordBringsItsRules(t *testing.T) {
	w := newWorld(t)
	days := 30
	aged := func(name string) accounts.Account { a := named(name); a.PasswordAge = &days; return a }
	made, err := w.Create(t.Context(), aged("alice"), "correct horse", true, false)
	if err != nil || *made.PasswordAge != days || !made.Password.MustChange {
		t.Errorf("got %+v %v", made, err)
	}
	for field, a := range map[string]accounts.Account{"must_change": named("bob"), "password_max_age_days": aged("carol")} {
		_, err := w.Create(t.Context(), a, "", field == "must_change", false)
		if invalid, ok := errors.AsType[*accounts.InvalidError](err); !ok || invalid.Field != field {
			t.Errorf("%s without a password: got %v", field, err)
		}
	}
	shared := named("bot")
	shared.Shared = true
	_, err = w.Create(t.Context(), shared, "correct horse", true, false)
	if invalid, ok := errors.AsType[*accounts.InvalidError](err); !ok || invalid.Field != "must_change" {
		t.Errorf("of a shared account: got %v", err)
	}
}

// Wherever making an account is cut short, the same call again goes on: nothing
// that is left over is in its way.
func TestCreateCutShortCanBeRepeated(t *testing.T) {
	for cut := 0; ; cut++ {
		w := newWorld(t)
		w.Store.FailAfter(cut)
		_, err := w.Create(t.Context(), func() accounts.Account { a := named("alice"); bytes10(&a); return a }(), "correct horse", false, false)
		w.Store.Heal()
		if err == nil {
			if cut == 0 {
				t.Fatal("nothing is written at all")
			}
			return
		}
		if _, err := w.Accounts.Account(t.Context(), "alice"); err == nil {
			t.Fatalf("cut after %d: the account is there", cut)
		}
		w.make("alice", bytes10)
		if !w.there("/home/alice") || w.limitOn("/home/alice") != 10 {
			t.Errorf("cut after %d: home there %v, quota %d", cut, w.there("/home/alice"), w.limitOn("/home/alice"))
		}
		s, err := w.door.Login(t.Context(), authtest.SFTP("alice"))
		w.Must(err)
		s.Close()
	}
}

// A home that came to hold files after a try was cut short is somebody's.
func TestLeftoverHomeWithFilesIsRefused(t *testing.T) {
	w := newWorld(t)
	w.Must(w.Accounts.Begin(t.Context(), "alice", accounts.Making{Home: path.MustParse("/home/alice")}))
	w.Write("/home/alice/mine", "x")
	if _, err := w.Create(t.Context(), named("alice"), "", false, false); !errors.Is(err, accounts.ErrHome) {
		t.Errorf("got %v, want %v", err, accounts.ErrHome)
	}
}

func TestDeleteKeepsOrDeletesFiles(t *testing.T) {
	for files, c := range map[string]struct{ kept bool }{"keep": {true}, "delete": {false}} {
		t.Run(files, func(t *testing.T) {
			w := newWorld(t)
			a := w.make("Alice", bytes10)
			w.Write("/home/alice/dir/file", "x")
			w.Must(w.Delete(t.Context(), "alice", a.Revision, files, accounts.Guarded))
			if w.there("/home/alice") || w.limitOn("/home/alice") != -1 {
				t.Errorf("home there %v, quota %d", w.there("/home/alice"), w.limitOn("/home/alice"))
			}
			if got := w.there("/.kept/Alice-" + a.ID + "/dir/file"); got != c.kept {
				t.Errorf("kept %v, want %v", got, c.kept)
			}
			if list, err := w.Accounts.Leavings(t.Context()); err != nil || len(list) != 0 {
				t.Errorf("notes are left: %v %v", list, err)
			}
			if again := w.make("alice", nil); again.ID == a.ID {
				t.Error("the account came back")
			}
		})
	}
}

// What somebody had shared of his home ends with the home: it would else be
// shared by whoever gets the name next, who knows nothing of it.
func TestDeleteTakesAwayWhatWasGrantedInTheHome(t *testing.T) {
	w := newWorld(t)
	w.make("alice", nil)
	inside := policy.Grant{ID: "in", Path: path.MustParse("/home/alice/project"), Permissions: policy.Full, Recursive: true, At: "project"}
	beside := policy.Grant{ID: "out", Path: path.MustParse("/home/alicia"), Permissions: policy.Full, Recursive: true, At: "beside"}
	w.make("bob", func(a *accounts.Account) { a.Grants = []policy.Grant{inside, beside} })
	g := accounts.Group{Group: policy.Group{Name: "crew", Grants: []policy.Grant{inside, beside}}, Kind: accounts.UserGroup}
	_, err := w.Accounts.CreateGroup(t.Context(), g)
	w.Must(err)
	w.Must(w.Delete(t.Context(), "alice", 0, "delete", accounts.Guarded))
	bob, err := w.Accounts.Account(t.Context(), "bob")
	w.Must(err)
	crew, err := w.Accounts.Group(t.Context(), "crew")
	w.Must(err)
	for whose, grants := range map[string][]policy.Grant{"bob": bob.Grants, "crew": crew.Grants} {
		if len(grants) != 1 || grants[0].ID != "out" {
			t.Errorf("%s has %+v", whose, grants)
		}
	}
	found, _, err := w.Events.List(t.Context(), events.Query{Kind: "account.grant.remove"})
	if err != nil || len(found) != 1 || found[0].Account != "bob" || found[0].Actor != "gatehouse" {
		t.Errorf("events %+v, %v", found, err)
	}
}

func TestDeleteAsksWhatToDoWithFiles(t *testing.T) {
	w := newWorld(t)
	w.make("alice", nil)
	var invalid *accounts.InvalidError
	if err := w.Delete(t.Context(), "alice", 0, "", accounts.Guarded); !errors.As(err, &invalid) || invalid.Field != "files" {
		t.Errorf("got %v, want a refusal of files", err)
	}
	if _, err := w.Accounts.Account(t.Context(), "alice"); err != nil {
		t.Errorf("the account is gone: %v", err)
	}
}

// A delete that is cut short after the account is gone is finished by the next
// start, or by whoever makes the account anew.
func TestDeleteCutShortIsFinished(t *testing.T) {
	for _, by := range []string{"restart", "create"} {
		t.Run(by, func(t *testing.T) {
			w := newWorld(t)
			w.make("alice", bytes10)
			w.Write("/home/alice/file", "x")
			_, err := w.Accounts.Remove(t.Context(), "alice", 0, accounts.DeleteFiles, accounts.Guarded)
			w.Must(err)
			if by == "create" {
				w.make("alice", nil)
				if w.there("/home/alice/file") || !w.there("/home/alice") {
					t.Error("the new home is not a new one")
				}
				return
			}
			w = restart(t, w.Memory, w.Dir, "2")
			for end := time.Now().Add(authtest.SoonEnough); w.there("/home/alice"); time.Sleep(time.Millisecond) {
				if time.Now().After(end) {
					t.Fatal("the home is still there")
				}
			}
		})
	}
}

func TestChangeMovesHomeAndQuota(t *testing.T) {
	w := newWorld(t)
	w.make("alice", bytes10)
	n := int64(20)
	_, err := w.Provisioner.Change(t.Context(), "alice", 0, func(a *accounts.Account) error { a.Quota.Bytes = &n; return nil }, accounts.Guarded)
	if err != nil || w.limitOn("/home/alice") != 20 {
		t.Errorf("got %v and quota %d, want 20", err, w.limitOn("/home/alice"))
	}
	_, err = w.Provisioner.Change(t.Context(), "alice", 0, func(a *accounts.Account) error {
		a.Home = path.MustParse("/elsewhere/alice")
		return nil
	}, accounts.Guarded)
	if err != nil || !w.there("/elsewhere/alice") || w.limitOn("/elsewhere/alice") != 20 || w.limitOn("/home/alice") != -1 {
		t.Errorf("got %v, quotas %d and %d", err, w.limitOn("/elsewhere/alice"), w.limitOn("/home/alice"))
	}
	_, err = w.Provisioner.Change(t.Context(), "alice", 0, func(a *accounts.Account) error { a.Quota = policy.Quota{}; return nil }, accounts.Guarded)
	if err != nil || w.limitOn("/elsewhere/alice") != -1 {
		t.Errorf("got %v and quota %d, want none", err, w.limitOn("/elsewhere/alice"))
	}
	if _, err := w.Provisioner.Change(t.Context(), "nobody", 0, func(*accounts.Account) error { return nil }, accounts.Guarded); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("got %v, want %v", err, accounts.ErrNotFound)
	}
}

// A change moves a home onto no folder that is there, unless it is adopted; one that
// does not come about leaves nothing where the next try would find it.
func TestChangeAdoptsHomesAsCreationDoes(t *testing.T) {
	w := newWorld(t)
	w.make("alice", nil)
	w.Write("/carol/file", "x")
	to := func(home string) func(*accounts.Account) error {
		return func(a *accounts.Account) error { a.Home = path.MustParse(home); return nil }
	}
	if _, err := w.Provisioner.Change(t.Context(), "alice", 0, to("/carol"), accounts.Guarded); !errors.Is(err, accounts.ErrHome) {
		t.Errorf("got %v, want %v", err, accounts.ErrHome)
	}
	if _, err := w.Provisioner.Change(t.Context(), "alice", 99, to("/new/alice"), accounts.Guarded); !errors.Is(err, state.ErrConflict) || w.there("/new/alice") {
		t.Errorf("got %v, and the home that was made for nothing stays: %v", err, w.there("/new/alice"))
	}
	if _, err := w.Provisioner.Change(t.Context(), "alice", 0, to("/new/alice"), accounts.Guarded); err != nil {
		t.Error(err)
	}
	if a, err := w.ChangeAdopting(t.Context(), "alice", 0, to("/carol"), accounts.Guarded); err != nil || a.Home.String() != "/carol" || !w.there("/carol/file") {
		t.Errorf("adopted: %v, %v", a.Home, err)
	}
}

// What is left to do with a deleted account's home must not hit somebody who has
// it by now.
func TestHomeOfAnotherIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.make("alice", nil)
	w.make("bob", nil)
	w.Write("/home/alice/file", "x")
	_, err := w.Accounts.Remove(t.Context(), "alice", 0, accounts.DeleteFiles, accounts.Guarded)
	w.Must(err)
	w.Site.Change("bob", func(a *accounts.Account) { a.Home = path.MustParse("/home/alice") })
	w.finishAll()
	if !w.there("/home/alice/file") {
		t.Error("the files of another account's home are gone")
	}
	if list, err := w.Accounts.Leavings(t.Context()); err != nil || len(list) != 0 {
		t.Errorf("notes are left: %v %v", list, err)
	}
}

func TestNewHomeIsClearedFirst(t *testing.T) {
	w := newWorld(t)
	w.make("alice", nil)
	w.make("bob", nil)
	w.Write("/home/alice/file", "x")
	_, err := w.Accounts.Remove(t.Context(), "alice", 0, accounts.DeleteFiles, accounts.Guarded)
	w.Must(err)
	_, err = w.Provisioner.Change(t.Context(), "bob", 0, func(a *accounts.Account) error {
		a.Home = path.MustParse("/home/alice")
		return nil
	}, accounts.Guarded)
	w.Must(err)
	if w.there("/home/alice/file") || !w.there("/home/alice") {
		t.Error("the new home holds what was to be deleted, or is not there")
	}
}
