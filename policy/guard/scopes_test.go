package guard_test

import (
	"errors"
	"io/fs"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/events"
)

// changing reports whether an operation of the table changes anything.
func (o operation) changing() bool { return o.needs&^(policy.Read|policy.List) != 0 }

// scene makes what the operations of the table work on.
func (w *world) scene(folder string) {
	w.t.Helper()
	w.put(folder+"/old", "ab")
	w.folder(folder + "/void")
	w.put(folder+"/tree/leaf", "leaf")
}

// A credential that is read-only refuses every change, and says so; what only
// looks and reads it does as ever.
func TestReadOnlyCredentialDoesEveryOperation(t *testing.T) {
	for _, o := range operations() {
		t.Run(o.name, func(t *testing.T) {
			w := newWorld(t)
			w.site.Symlinks = policy.Allow
			w.scene("/home/ann/d")
			u := w.user("ann", readOnly)
			before := snapshot(t, w.disk("/home/ann"))
			err := o.do(t.Context(), u, "/d")
			if snapshot(t, w.disk("/home/ann")) != before {
				t.Error("changed")
			}
			if locked, lerr := u.LocksBelow(t.Context(), tp("/")); lerr != nil || len(locked) > 0 {
				t.Errorf("locked: %+v, %v", locked, lerr)
			}
			if !o.changing() {
				w.must(err)
				checkEvent(t, u.take(), o.kind, events.OK)
				return
			}
			var d *guard.DeniedError
			if !errors.As(err, &d) || d.Rule != policy.RuleReadOnly {
				t.Errorf("got %v", err)
			}
			if all := u.take(); len(all) != 1 || all[0].Rule != string(policy.RuleReadOnly) && all[0].Kind != events.Download {
				t.Errorf("events %+v", all)
			}
		})
	}
}

// A credential for one folder does all in it, and outside nothing: what is
// there does not exist for it, though the account has every right on it.
func TestFolderCredentialDoesEveryOperation(t *testing.T) {
	for _, o := range operations() {
		t.Run(o.name, func(t *testing.T) {
			w := newWorld(t)
			w.site.Symlinks = policy.Allow
			w.scene("/home/ann/in")
			w.scene("/home/ann/out")
			before := snapshot(t, w.disk("/home/ann/out"))
			u := w.user("ann", within("/home/ann/in"))
			w.want(o.do(t.Context(), u, "/out"), fs.ErrNotExist)
			if snapshot(t, w.disk("/home/ann/out")) != before {
				t.Error("changed")
			}
			all := u.take()
			checkEvent(t, all, o.kind, events.Denied)
			if len(all) == 1 && all[0].Rule != string(policy.RuleFolder) {
				t.Errorf("the event names the rule %q", all[0].Rule)
			}
			w.must(o.do(t.Context(), u, "/in"))
			checkEvent(t, u.take(), o.kind, events.OK)
		})
	}
}

// Nothing goes from a credential's folder out of it or comes in from outside, by
// no operation that has two ends, nor through a link.
func TestFolderCredentialIsNotLeft(t *testing.T) {
	w := newWorld(t)
	w.site.Symlinks = policy.Allow
	w.scene("/home/ann/in")
	w.scene("/home/ann/out")
	w.link("../out/old", "/home/ann/in/link")
	w.link("../in/old", "/home/ann/out/link")
	before := snapshot(t, w.disk("/home/ann"))
	u := w.user("ann", within("/home/ann/in"))
	for _, ends := range [][2]string{
		{"/in/old", "/out/new"}, {"/out/old", "/in/new"}, {"/in/tree", "/out/new"}, {"/out/tree", "/in/new"},
		{"/in/old", "/out/old"}, {"/out/old", "/in/old"}, {"/in/link", "/in/copy"}, {"/out/link", "/in/copy"}, {"/in/old", "/new"},
	} {
		from, to := tp(ends[0]), tp(ends[1])
		if ends[0] != "/in/link" { // the link itself is in the folder
			w.want(u.Rename(t.Context(), from, to, guard.ReplaceAny), fs.ErrNotExist)
			w.want(u.Link(t.Context(), from, to), fs.ErrNotExist)
		}
		w.want(u.Copy(t.Context(), from, to, guard.CopyHow{Replace: guard.ReplaceAny}), fs.ErrNotExist)
	}
	if _, err := u.download("/in/link"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("through a link out of the folder: %v", err)
	}
	w.want(u.upload("/in/link", "x"), fs.ErrNotExist)
	if after := snapshot(t, w.disk("/home/ann")); after != before {
		t.Errorf("changed:\n%s\nwas\n%s", after, before)
	}
	w.wantNames(u, "/", "in")
}

// Where events cannot be kept and the site wants no work without them, nothing
// is done that would leave one. What leaves none goes on.
func TestNothingIsDoneUnaudited(t *testing.T) {
	for _, o := range operations() {
		t.Run(o.name, func(t *testing.T) {
			w := newWorld(t)
			w.site.Symlinks = policy.Allow
			w.scene("/home/ann/d")
			kept := false
			u := w.user("ann", func(_ *policy.Account, c *guard.Config) { c.Audited = func() bool { return kept } })
			before := snapshot(t, w.disk("/home/ann"))
			err := o.do(t.Context(), u, "/d")
			var d *guard.DeniedError
			if refused := errors.As(err, &d) && d.Rule == policy.RuleAudit; refused != (o.kind != "") {
				t.Errorf("got %v", err)
			}
			if snapshot(t, w.disk("/home/ann")) != before {
				t.Error("changed")
			}
			if kept = true; o.kind != "" {
				w.must(o.do(t.Context(), u, "/d"))
			}
		})
	}
}

// A read-only credential does nothing to a lock of its account: neither ends it
// nor keeps it alive.
func TestReadOnlyCredentialLeavesLocks(t *testing.T) {
	w := newWorld(t)
	w.put("/home/ann/f", "f")
	l, _, err := w.user("ann").Lock(t.Context(), tp("/f"), guard.LockRequest{})
	w.must(err)
	u := w.user("ann", readOnly)
	var d *guard.DeniedError
	if err := u.Unlock(t.Context(), tp("/f"), l.Token); !errors.As(err, &d) || d.Rule != policy.RuleReadOnly {
		t.Errorf("unlock: %v", err)
	}
	if _, err := u.RefreshLock(t.Context(), tp("/f"), l.Token, time.Minute); !errors.As(err, &d) || d.Rule != policy.RuleReadOnly {
		t.Errorf("refresh: %v", err)
	}
	if held, err := u.Locks(t.Context(), tp("/f")); err != nil || len(held) != 1 {
		t.Errorf("the lock is gone: %+v, %v", held, err)
	}
	w.must(w.user("ann", within("/home/ann")).Unlock(t.Context(), tp("/f"), l.Token))
}

// Into a drop box new names go, and nothing else comes of it: no operation of
// the table touches what exists, and what the session made itself is described
// to it, and gets its times, but is not read, moved, or replaced.
func TestDropBoxTakesNewNamesOnly(t *testing.T) {
	for _, how := range []policy.Uploads{policy.InPlace, policy.Atomic} {
		t.Run(string(how), func(t *testing.T) {
			w := newWorld(t)
			w.scene("/drop")
			w.put("/home/eve/own", "own")
			before := snapshot(t, w.disk("/drop"))
			u := w.user("eve", root("/"), granted("/drop", policy.UploadOnly), uploads(how))
			for _, p := range []string{"/drop/old", "/drop/void", "/drop/tree", "/drop/tree/leaf"} {
				refused := map[string]error{
					"upload":     u.upload(p, "x"),
					"mkdir":      u.Mkdir(t.Context(), tp(p), 0),
					"rename":     u.Rename(t.Context(), tp("/home/eve/own"), tp(p), guard.ReplaceAny),
					"copy":       u.Copy(t.Context(), tp("/home/eve/own"), tp(p), guard.CopyHow{Replace: guard.ReplaceAny}),
					"take":       u.Rename(t.Context(), tp(p), tp("/home/eve/taken"), guard.KeepTarget),
					"copy out":   u.Copy(t.Context(), tp(p), tp("/home/eve/taken"), guard.CopyHow{}),
					"link out":   u.Link(t.Context(), tp(p), tp("/home/eve/taken")),
					"remove":     u.RemoveAll(t.Context(), tp(p)),
					"properties": u.SetProperties(t.Context(), tp(p), map[string][]byte{"{x}y": nil}),
				}
				for name, err := range refused {
					if err == nil || w.exists("/home/eve/taken") || !w.exists("/home/eve/own") {
						t.Errorf("%s %s: %v", name, p, err)
					}
				}
			}
			if after := snapshot(t, w.disk("/drop")); after != before {
				t.Fatalf("changed:\n%s\nwas\n%s", after, before)
			}
			w.must(u.upload("/drop/mine", "mine"))
			if i, err := u.Stat(t.Context(), tp("/drop/mine")); err != nil || i.Size() != 4 {
				t.Errorf("what it made: %v, %v", i, err)
			}
			for name, err := range map[string]error{
				"read":    readError(u, "/drop/mine"),
				"replace": u.upload("/drop/mine", "again"),
				"rename":  u.Rename(t.Context(), tp("/drop/mine"), tp("/drop/other"), guard.KeepTarget),
				"take":    u.Rename(t.Context(), tp("/drop/mine"), tp("/home/eve/mine"), guard.KeepTarget),
				"remove":  u.Remove(t.Context(), tp("/drop/mine")),
			} {
				if !errors.Is(err, fs.ErrPermission) {
					t.Errorf("%s of what it made: %v", name, err)
				}
			}
			if got := w.content("/drop/mine"); got != "mine" {
				t.Errorf("got %q", got)
			}
		})
	}
}

func readError(u *user, p string) error {
	_, err := u.download(p)
	return err
}
