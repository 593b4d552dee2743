package guard_test

import (
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
	"gatehouse/storage/locks"
	"gatehouse/storage/quota"
)

// things are what can stand where an account may not look.
var things = map[string]func(w *world, p string){
	"nothing":        func(*world, string) {},
	"a file":         func(w *world, p string) { w.put(p, "x") },
	"a full folder":  func(w *world, p string) { w.put(p+"/sub/f", "x") },
	"a link":         func(w *world, p string) { w.folder("/home/carol/far"); w.link("far", p) },
	"a link back":    func(w *world, p string) { w.link("../ann/f", p) },
	"a dead link":    func(w *world, p string) { w.link("gone/gone", p) },
	"a looping link": func(w *world, p string) { w.link("x", p) },
	"a locked file": func(w *world, p string) {
		w.put(p, "x")
		_, err := w.locks.Lock(w.t.Context(), locks.Request{Path: tp(p), AccountID: "id-carol", Account: "carol", Door: "webdav", Deep: true})
		w.must(err)
	},
}

// besides makes a world with that at /home/carol/x, of which ann may not know.
func besides(t *testing.T, put func(*world, string)) (*world, *user) {
	w := newWorld(t)
	w.put("/home/ann/f", "f")
	w.folder("/home/ann/d")
	w.link("../carol", "/home/ann/out")
	w.folder("/home/carol")
	put(w, "/home/carol/x")
	r := path.Root
	return w, w.user("ann", func(a *policy.Account, _ *guard.Config) { a.Root = &r })
}

// A delegate who manages ann asks what she may do in carol's home: the answer is
// the same whatever is there, so that nobody reads a tree by asking.
func TestExplainIsNoOracle(t *testing.T) {
	asked := func(t *testing.T, put func(*world, string)) map[string]string {
		w, u := besides(t, put)
		c := guard.Config{Effective: u.effective(), Door: policy.WebDAV}
		answers := make(map[string]string)
		note := func(question string, e guard.Explained, err error) {
			if e.To != nil {
				question += fmt.Sprintf(" (to %+v)", *e.To)
			}
			if e.Lock != nil {
				t.Errorf("%s tells of a lock", question)
			}
			answers[question] = fmt.Sprintf("%+v %+v on %s, obstacle %v, %v", e.Decision, e.Spot, e.Judged, e.Obstacle, err)
		}
		for _, p := range []string{"/home/carol/x", "/home/carol/x/sub", "/home/carol/x/sub/f", "/home/ann/out/x", "/home/ann/out/x/sub/f"} {
			for _, op := range []policy.Operation{policy.OpStat, policy.OpList, policy.OpRead, policy.OpCreate, policy.OpWrite, policy.OpDelete, policy.OpShare} {
				e, err := w.tree.Explain(t.Context(), c, guard.AsTheAccount, op, tp(p))
				note(string(op)+" "+p, e, err)
			}
			for _, op := range []policy.Operation{policy.OpRename, policy.OpCopy} {
				for _, own := range []string{"/home/ann/f", "/home/ann/d", "/home/ann/new"} {
					for _, q := range []guard.Move{{From: tp(p), To: tp(own)}, {From: tp(own), To: tp(p)}} {
						q.Op, q.Replace = op, guard.ReplaceAny
						e, err := w.tree.ExplainMove(t.Context(), c, guard.AsTheAccount, q)
						note(fmt.Sprintf("%s %s %s", op, q.From, q.To), e, err)
					}
				}
			}
		}
		return answers
	}
	want := asked(t, things["nothing"])
	for name, put := range things {
		t.Run(name, func(t *testing.T) {
			got := asked(t, put)
			for question, answer := range want {
				if name == "a link back" && strings.Contains(question, "/out/") {
					continue // from one's own to one's own a way is open, wherever it leads through
				}
				if got[question] != answer {
					t.Errorf("%s: %s\nwhere nothing is: %s", question, got[question], answer)
				}
			}
		})
	}
}

// Who sees all of the tree is told all of it.
func TestExplainTellsAdministratorsAll(t *testing.T) {
	w, u := besides(t, things["a locked file"])
	w.link("x", "/home/carol/way")
	c := guard.Config{Effective: u.effective(), Door: policy.WebDAV}
	e, err := w.tree.Explain(t.Context(), c, guard.WholeTree, policy.OpWrite, tp("/home/carol/way"))
	w.must(err)
	if e.Allowed || !e.There || e.Real != tp("/home/carol/x") || e.Lock == nil {
		t.Errorf("got %+v", e)
	}
	e, err = w.tree.ExplainMove(t.Context(), c, guard.WholeTree, guard.Move{Op: policy.OpCopy, From: tp("/home/ann/f"), To: tp("/home/ann/out/x")})
	w.must(err)
	if e.Allowed || !e.To.There || e.To.Real != tp("/home/carol/x") || e.Lock == nil {
		t.Errorf("got %+v to %+v", e, e.To)
	}
}

// What ann tries in carol's home leaves the same events whatever is there: her own
// history is no oracle either.
func TestEventsOfHiddenPathsAreAlike(t *testing.T) {
	tried := func(t *testing.T, put func(*world, string)) []events.Event {
		_, u := besides(t, put)
		for _, p := range []string{"/home/carol/x", "/home/carol/x/sub/f"} {
			for _, own := range []string{"/home/ann/f", "/home/ann/d"} {
				for _, how := range []guard.Replace{guard.KeepTarget, guard.ReplaceFile, guard.ReplaceAny} {
					_ = u.Rename(t.Context(), tp(own), tp(p), how)
					_ = u.Rename(t.Context(), tp(p), tp("/home/ann/new"), how)
					_ = u.Copy(t.Context(), tp(own), tp(p), guard.CopyHow{Replace: how})
					_ = u.Copy(t.Context(), tp(p), tp("/home/ann/new"), guard.CopyHow{Replace: how})
				}
				_ = u.Link(t.Context(), tp(own), tp(p))
			}
			_ = u.Remove(t.Context(), tp(p))
			_ = u.RemoveDir(t.Context(), tp(p))
			_ = u.RemoveAll(t.Context(), tp(p))
			_ = u.Mkdir(t.Context(), tp(p), 0)
			_ = u.upload(p, "x")
			_, _ = u.download(p)
			_, _ = u.names(p)
		}
		list := u.take()
		for i := range list {
			list[i].Took = 0
			if list[i].Outcome == events.OK {
				t.Errorf("%s of %s is done", list[i].Kind, list[i].Path)
			}
		}
		return list
	}
	want := tried(t, things["nothing"])
	for name, put := range things {
		t.Run(name, func(t *testing.T) {
			got := tried(t, put)
			for i := range want {
				if !reflect.DeepEqual(got[i], want[i]) {
					t.Errorf("%d: %+v\nwhere nothing is: %+v", i, got[i], want[i])
				}
			}
		})
	}
}

// What is not there, or is something else, is told although the rules allow the
// operation.
func TestExplainTellsWhatIsInTheWay(t *testing.T) {
	w := newWorldWith(t, map[string]string{"/mnt/two": t.TempDir()})
	w.house()
	w.put("/home/ann/full/f", "f")
	w.limit("/home/ann/full", 1, 1)
	w.folder("/home/ann/count")
	w.limit("/home/ann/count", 0, -1)
	u := w.inHouse(func(a *policy.Account, _ *guard.Config) {
		a.Grants = append(a.Grants, policy.Grant{ID: "gone", Path: tp("/groups/gone"), Permissions: policy.Full, Recursive: true, At: "gone"})
	})
	for _, tt := range []struct {
		op   policy.Operation
		at   string
		want error
	}{
		{policy.OpStat, "/f", nil}, {policy.OpStat, "/none", fs.ErrNotExist}, {policy.OpStat, "/", nil}, {policy.OpStat, "/gone", fs.ErrNotExist},
		{policy.OpRead, "/f", nil}, {policy.OpRead, "/home/ann/f", fs.ErrNotExist}, {policy.OpRead, "/d", backend.ErrIsDir},
		{policy.OpList, "/d", nil}, {policy.OpList, "/none", fs.ErrNotExist}, {policy.OpList, "/f", backend.ErrNotDir}, {policy.OpList, "/", nil},
		{policy.OpWrite, "/f", nil}, {policy.OpWrite, "/new", nil}, {policy.OpWrite, "/none/new", fs.ErrNotExist}, {policy.OpWrite, "/f/new", fs.ErrNotExist},
		{policy.OpWrite, "/d", backend.ErrIsDir}, {policy.OpWrite, "/full/new", quota.ErrExceeded}, {policy.OpWrite, "/full/f", nil},
		{policy.OpWrite, "/rich/new", nil}, {policy.OpWrite, "/count/new", quota.ErrExceeded},
		{policy.OpCreate, "/new", nil}, {policy.OpCreate, "/d", fs.ErrExist}, {policy.OpCreate, "/none/new", fs.ErrNotExist}, {policy.OpCreate, "/full/new", nil},
		{policy.OpDelete, "/f", nil}, {policy.OpDelete, "/none", fs.ErrNotExist}, {policy.OpDelete, "/mnt/two", backend.ErrBusy}, {policy.OpDelete, "/out", nil},
	} {
		got, err := w.tree.Explain(t.Context(), guard.Config{Effective: u.effective(), Door: policy.SFTP}, guard.AsTheAccount, tt.op, tp(tt.at))
		w.must(err)
		if !got.Allowed || !errors.Is(got.Obstacle, tt.want) {
			t.Errorf("%s %s: %+v, obstacle %v, want %v", tt.op, tt.at, got.Decision, got.Obstacle, tt.want)
		}
	}
}

// A rename or copy to where no room is says so, and takes none.
func TestExplainAsksForRoom(t *testing.T) {
	for name, p := range map[string]prediction{
		"a file":                   {"/big", "/full/big", 0, "home", "/home/ann/full/big", quota.ErrExceeded, false},
		"a folder":                 {"/d", "/full/d", 0, "home", "/home/ann/full/d", quota.ErrExceeded, false},
		"what fits":                {"/small", "/full/small", 0, "home", "/home/ann/full/small", nil, false},
		"in the place of as much":  {"/big", "/full/old", guard.ReplaceFile, "home", "/home/ann/full/old", nil, false},
		"within the same quota":    {"/full/old", "/full/in/new", 0, "home", "/home/ann/full/in/new", nil, false},
		"to where no quota stands": {"/full/old", "/free", 0, "home", "/home/ann/free", nil, false},
	} {
		for _, op := range []policy.Operation{policy.OpRename, policy.OpCopy} {
			w := newWorld(t)
			w.put("/home/ann/big", "0123456789")
			w.put("/home/ann/small", "0")
			w.put("/home/ann/d/e/f", "0123456789")
			w.put("/home/ann/full/old", "01234567890123456789")
			w.folder("/home/ann/full/in")
			w.limit("/home/ann/full", 22, -1)
			if op == policy.OpCopy && name == "within the same quota" {
				p.obstacle = quota.ErrExceeded
			}
			w.explained(w.user("ann"), op, string(op)+" "+name, p)
			w.checkQuota("/home/ann/full")
		}
	}
}
