package locks_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/policy/path"
	"gatehouse/storage/locks"
	"gatehouse/storage/state/memory"
)

func p(s string) path.Path { return path.MustParse(s) }

func one(path.Path) string { return "/" }

func newTable(t testing.TB) *locks.Table {
	t.Helper()
	return locks.New(memory.New(), one)
}

func lock(t testing.TB, table *locks.Table, r locks.Request) locks.Lock {
	t.Helper()
	l, err := table.Lock(t.Context(), r)
	if err != nil {
		t.Fatalf("lock %s: %v", r.Path, err)
	}
	return l
}

func TestLocksExclude(t *testing.T) {
	type held struct {
		path         string
		deep, shared bool
	}
	tests := []struct {
		first, second held
		together      bool
	}{
		{held{"/a", false, false}, held{"/a", false, false}, false},
		{held{"/a", false, false}, held{"/a", false, true}, false},
		{held{"/a", false, true}, held{"/a", false, true}, true},
		{held{"/a", false, false}, held{"/b", false, false}, true},
		{held{"/a", false, false}, held{"/a/b", false, false}, true},
		{held{"/a", true, false}, held{"/a/b/c", false, false}, false},
		{held{"/a/b/c", false, false}, held{"/a", true, false}, false},
		{held{"/a", true, false}, held{"/ab", false, false}, true},
		{held{"/", true, false}, held{"/a", true, false}, false},
		{held{"/", false, false}, held{"/a", true, false}, true},
		{held{"/a", true, true}, held{"/a/b", true, true}, true},
		{held{"/a", true, true}, held{"/a/b", false, false}, false},
	}
	for _, tt := range tests {
		table := newTable(t)
		first := lock(t, table, locks.Request{Path: p(tt.first.path), Deep: tt.first.deep, Shared: tt.first.shared, AccountID: "1", Account: "alice"})
		_, err := table.Lock(t.Context(), locks.Request{Path: p(tt.second.path), Deep: tt.second.deep, Shared: tt.second.shared, AccountID: "1"})
		if (err == nil) != tt.together {
			t.Errorf("%+v beside %+v: %v", tt.second, tt.first, err)
		}
		var locked *locks.LockedError
		if err != nil && (!errors.As(err, &locked) || locked.Lock.Token != first.Token || !errors.Is(err, locks.ErrLocked)) {
			t.Errorf("the error does not name the lock in the way: %v", err)
		}
	}
}

func TestCheck(t *testing.T) {
	table := newTable(t)
	folder := lock(t, table, locks.Request{Path: p("/flat"), AccountID: "1"})
	deep := lock(t, table, locks.Request{Path: p("/deep"), Deep: true, AccountID: "1"})
	file := lock(t, table, locks.Request{Path: p("/a/b/file"), AccountID: "1"})
	tests := map[string]struct {
		account string
		tokens  []string
		touch   locks.Touch
		blocked string // token
	}{
		"nothing there":                 {"2", nil, locks.Touch{Path: p("/x"), Tree: true, Member: true}, ""},
		"the file itself":               {"2", nil, locks.Touch{Path: p("/a/b/file")}, file.Token},
		"by its owner, without a token": {"1", nil, locks.Touch{Path: p("/a/b/file")}, file.Token},
		"by its owner":                  {"1", []string{"x", file.Token}, locks.Touch{Path: p("/a/b/file")}, ""},
		"with a stolen token":           {"2", []string{file.Token}, locks.Touch{Path: p("/a/b/file")}, file.Token},
		"the folder above":              {"2", nil, locks.Touch{Path: p("/a/b")}, ""},
		"the tree above":                {"2", nil, locks.Touch{Path: p("/a"), Tree: true}, file.Token},
		"the tree above, by its owner":  {"1", []string{file.Token}, locks.Touch{Path: p("/a"), Tree: true}, ""},
		"a tree beside":                 {"2", nil, locks.Touch{Path: p("/a/bb"), Tree: true}, ""},
		"below a deep one":              {"2", nil, locks.Touch{Path: p("/deep/x/y")}, deep.Token},
		"below a deep one, by its owner": {
			"1", []string{deep.Token}, locks.Touch{Path: p("/deep/x/y"), Tree: true, Member: true}, ""},
		"a member's content of a flat one": {"2", nil, locks.Touch{Path: p("/flat/x")}, ""},
		"a name in a flat one":             {"2", nil, locks.Touch{Path: p("/flat/x"), Member: true}, folder.Token},
		"a name further down":              {"2", nil, locks.Touch{Path: p("/flat/x/y"), Member: true}, ""},
		"a name in it, by its owner":       {"1", []string{folder.Token}, locks.Touch{Path: p("/flat/x"), Member: true}, ""},
		"everything":                       {"1", []string{folder.Token, deep.Token}, locks.Touch{Path: path.Root, Tree: true}, file.Token},
	}
	for name, tt := range tests {
		err := table.Check(t.Context(), tt.account, tt.tokens, tt.touch)
		var locked *locks.LockedError
		errors.As(err, &locked)
		if tt.blocked == "" && err != nil || tt.blocked != "" && (locked == nil || locked.Lock.Token != tt.blocked) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Of several shared locks on a place one token opens it, since nobody knows the
// others'; a flat one does not open what is below.
func TestCheckShared(t *testing.T) {
	table := newTable(t)
	mine := lock(t, table, locks.Request{Path: p("/s"), Shared: true, Deep: true, AccountID: "1"})
	theirs := lock(t, table, locks.Request{Path: p("/s"), Shared: true, Deep: true, AccountID: "2"})
	flat := lock(t, table, locks.Request{Path: p("/s"), Shared: true, AccountID: "3"})
	tests := map[string]struct {
		account, token string
		touch          locks.Touch
		free           bool
	}{
		"mine":                   {"1", mine.Token, locks.Touch{Path: p("/s")}, true},
		"theirs":                 {"2", theirs.Token, locks.Touch{Path: p("/s/x"), Member: true}, true},
		"none":                   {"1", "", locks.Touch{Path: p("/s")}, false},
		"another's":              {"1", theirs.Token, locks.Touch{Path: p("/s")}, false},
		"the whole tree":         {"1", mine.Token, locks.Touch{Path: p("/s"), Tree: true}, true},
		"flat, on the folder":    {"3", flat.Token, locks.Touch{Path: p("/s")}, true},
		"flat, on what is below": {"3", flat.Token, locks.Touch{Path: p("/s/x")}, false},
		"flat, on the tree":      {"3", flat.Token, locks.Touch{Path: p("/s"), Tree: true}, false},
	}
	for name, tt := range tests {
		err := table.Check(t.Context(), tt.account, []string{tt.token}, tt.touch)
		if (err == nil) != tt.free {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestUnlockAndRefreshAreTheOwners(t *testing.T) {
	table := newTable(t)
	l := lock(t, table, locks.Request{Path: p("/a"), Deep: true, AccountID: "1", Timeout: time.Minute})
	tests := map[string]struct{ at, account, token string }{
		"another account": {"/a", "2", l.Token},
		"another token":   {"/a", "1", "urn:uuid:x"},
		"above the lock":  {"/", "1", l.Token},
		"beside the lock": {"/ab", "1", l.Token},
	}
	for name, tt := range tests {
		if err := table.Unlock(t.Context(), p(tt.at), tt.account, tt.token); !errors.Is(err, locks.ErrNoLock) {
			t.Errorf("unlock, %s: %v", name, err)
		}
		if _, err := table.Refresh(t.Context(), p(tt.at), tt.account, tt.token, 0); !errors.Is(err, locks.ErrNoLock) {
			t.Errorf("refresh, %s: %v", name, err)
		}
	}
	again, err := table.Refresh(t.Context(), p("/a/b"), "1", l.Token, 2*time.Hour)
	if err != nil || again.Timeout != locks.MaxTimeout || again.Token != l.Token {
		t.Errorf("refresh through a member: %+v, %v", again, err)
	}
	if err := table.Unlock(t.Context(), p("/a/b"), "1", l.Token); err != nil {
		t.Errorf("unlock through a member: %v", err)
	}
	if err := table.Unlock(t.Context(), p("/a"), "1", l.Token); !errors.Is(err, locks.ErrNoLock) {
		t.Errorf("unlock twice: %v", err)
	}
}

func TestListCoveringMovedBreak(t *testing.T) {
	store := memory.New()
	mounts := func(q path.Path) string {
		if p("/m").Contains(q) {
			return "/m"
		}
		return "/"
	}
	table := locks.New(store, mounts)
	var tokens []string
	for _, at := range []string{"/a/b/c", "/a", "/ab", "/m/x", "/a/b"} {
		tokens = append(tokens, lock(t, table, locks.Request{Path: p(at), AccountID: "1"}).Token)
	}
	list := func(at string) string {
		found, err := table.List(t.Context(), p(at))
		if err != nil {
			t.Fatal(err)
		}
		var paths []string
		for _, l := range found {
			paths = append(paths, l.Path.String())
		}
		return strings.Join(paths, " ")
	}
	if got := list("/"); got != "/a /a/b /a/b/c /ab /m/x" {
		t.Errorf("List(/) = %s", got)
	}
	if got := list("/a/b"); got != "/a/b /a/b/c" {
		t.Errorf("List(/a/b) = %s", got)
	}
	covering, err := table.Covering(t.Context(), p("/a/b"))
	if err != nil || len(covering) != 1 || covering[0].Path != p("/a/b") {
		t.Errorf("Covering = %+v, %v", covering, err)
	}
	if err := table.Moved(t.Context(), p("/a/b")); err != nil {
		t.Fatal(err)
	}
	if got := list("/"); got != "/a /ab /m/x" {
		t.Errorf("after a move: %s", got)
	}
	broken, err := table.Break(t.Context(), tokens[3])
	if err != nil || broken.Path != p("/m/x") {
		t.Errorf("Break = %+v, %v", broken, err)
	}
	if _, err := table.Break(t.Context(), tokens[3]); !errors.Is(err, locks.ErrNoLock) {
		t.Errorf("broken twice: %v", err)
	}
	if got := list("/"); got != "/a /ab" {
		t.Errorf("after breaking: %s", got)
	}
}

// A name that is made or removed at a mount point is one in the folder above,
// which is on another mount.
func TestMemberOfAnotherMount(t *testing.T) {
	table := locks.New(memory.New(), func(q path.Path) string {
		if p("/a/m").Contains(q) {
			return "/a/m"
		}
		return "/"
	})
	lock(t, table, locks.Request{Path: p("/a"), AccountID: "1"})
	if err := table.Check(t.Context(), "2", nil, locks.Touch{Path: p("/a/m"), Member: true}); !errors.Is(err, locks.ErrLocked) {
		t.Errorf("got %v", err)
	}
}

func TestLocksRunOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newTable(t)
		lock(t, table, locks.Request{Path: p("/a"), AccountID: "1", Timeout: time.Minute})
		kept := lock(t, table, locks.Request{Path: p("/b"), AccountID: "1", Timeout: time.Minute})
		touch := func(at string) error { return table.Check(t.Context(), "2", nil, locks.Touch{Path: p(at)}) }
		time.Sleep(40 * time.Second)
		again, err := table.Refresh(t.Context(), p("/b"), "1", kept.Token, time.Minute)
		if err != nil || !again.Expires.Equal(time.Now().Add(time.Minute)) {
			t.Fatalf("refresh: %+v, %v", again, err)
		}
		if err := touch("/a"); !errors.Is(err, locks.ErrLocked) {
			t.Errorf("within its life: %v", err)
		}
		time.Sleep(20*time.Second + 1)
		if err := touch("/a"); err != nil {
			t.Errorf("after its life: %v", err)
		}
		if err := touch("/b"); !errors.Is(err, locks.ErrLocked) {
			t.Errorf("a refreshed lock has run out: %v", err)
		}
		lock(t, table, locks.Request{Path: p("/a"), AccountID: "2"})
		time.Sleep(locks.MaxTimeout + 1)
		if list, err := table.List(t.Context(), path.Root); err != nil || len(list) != 0 {
			t.Errorf("after an hour: %+v, %v", list, err)
		}
	})
}

func TestAnAccountsLocksAreBounded(t *testing.T) {
	table := newTable(t)
	var last locks.Lock
	for range locks.MaxPerAccount {
		last = lock(t, table, locks.Request{Path: p("/a"), Shared: true, AccountID: "1", Timeout: time.Hour})
	}
	r := locks.Request{Path: p("/b"), AccountID: "1"}
	if _, err := table.Lock(t.Context(), r); !errors.Is(err, locks.ErrTooMany) {
		t.Errorf("one too many: %v", err)
	}
	r.AccountID = "2"
	lock(t, table, r)
	if err := table.Unlock(t.Context(), p("/a"), "1", last.Token); err != nil {
		t.Fatal(err)
	}
	r.AccountID, r.Path = "1", p("/c")
	lock(t, table, r)
	r.Owner = strings.Repeat("x", locks.MaxOwner+1)
	if _, err := table.Lock(t.Context(), r); !errors.Is(err, locks.ErrOwner) {
		t.Errorf("an owner without end: %v", err)
	}
}
