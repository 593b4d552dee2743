package guard_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"syscall"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/events"
)

var tentative = guard.Open{Write: true, Create: true, Truncate: true, Tentative: true}

var errBrokeOff = errors.New("the data connection was lost")

// An upload that breaks off before anything was written leaves no name behind, and
// takes nothing of the quota; whoever may only create is no worse off.
func TestAbortedBeforeTheFirstByte(t *testing.T) {
	for name, c := range map[string]struct {
		how    guard.Open
		rights policy.Permissions
		during func(u *user, f *guard.File)
		want   string
	}{
		"aborted":         {tentative, policy.Full, func(_ *user, f *guard.File) { f.Abort(errBrokeOff) }, events.Aborted},
		"by a creator":    {tentative, policy.Create, func(_ *user, f *guard.File) { f.Abort(errBrokeOff) }, events.Aborted},
		"with a mode":     {guard.Open{Write: true, Create: true, Tentative: true, Mode: 0o600}, policy.Full, func(_ *user, f *guard.File) { f.Abort(errBrokeOff) }, events.Aborted},
		"under its own":   {guard.Open{Write: true, Create: true, Exclusive: true, Tentative: true}, policy.Full, func(_ *user, f *guard.File) { f.Abort(errBrokeOff) }, events.Aborted},
		"session was cut": {tentative, policy.Full, func(u *user, _ *guard.File) { u.FS.Close(errBrokeOff) }, events.WasCut},
		"right was taken": {tentative, policy.Full, func(u *user, _ *guard.File) { u.change(func(a *policy.Account) { a.Grants = nil }) }, events.WasCut},
		"nothing was left": {tentative, policy.Full, func(u *user, f *guard.File) {
			u.w.limit("/in", 0, 5)
			_, _ = f.WriteAt([]byte("x"), 0)
			f.Abort(errBrokeOff)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.folder("/in")
			w.limit("/in", 100, 1)
			u := w.stranger("eve", granted("/in", c.rights))
			f, err := u.Open(t.Context(), tp("/in/f"), c.how)
			w.must(err)
			if !w.exists("/in/f") {
				t.Fatal("it is not made in place")
			}
			u.take()
			c.during(u, f)
			_ = f.Close()
			if w.exists("/in/f") || f.Created() {
				t.Errorf("it stands there: %v; created: %v", w.exists("/in/f"), f.Created())
			}
			w.checkQuota("/in")
			all := u.take()
			last := all[len(all)-1]
			if last.Kind != events.Upload || last.Bytes != 0 || c.want != "" && last.Outcome != c.want {
				t.Errorf("event: %+v", last)
			}
			bob := w.stranger("bob", granted("/in", policy.Full))
			w.limit("/in", 100, 1)
			w.must(bob.upload("/in/f", "mine"))
			w.checkQuota("/in")
		})
	}
}

// What somebody else was told of, or did something to, stays, and so does what was
// written, or closed as it should be, or made by who was told of it at once.
func TestAbortedAndYetThere(t *testing.T) {
	abort := func(f *guard.File) { f.Abort(errBrokeOff) }
	for name, c := range map[string]struct {
		how    guard.Open
		during func(w *world, bob *user)
		end    func(f *guard.File)
		at     string
	}{
		"not tentative":   {how: newFile, end: abort},
		"closed":          {how: tentative, end: func(*guard.File) {}},
		"written":         {how: tentative, end: func(f *guard.File) { _, _ = f.WriteAt([]byte("x"), 0); abort(f) }},
		"made longer":     {how: tentative, end: func(f *guard.File) { _ = f.Truncate(3); abort(f) }},
		"another made it": {how: tentative, during: func(w *world, bob *user) { w.must(bob.upload("/in/f", "")) }, end: abort},
		"another wrote":   {how: tentative, during: func(w *world, bob *user) { w.must(bob.upload("/in/f", "theirs")) }, end: abort},
		"renamed": {how: tentative, at: "/in/g", end: abort, during: func(w *world, bob *user) {
			w.must(bob.Rename(w.t.Context(), tp("/in/f"), tp("/in/g"), guard.KeepTarget))
		}},
		"there and back": {how: tentative, end: abort, during: func(w *world, bob *user) {
			w.must(bob.Rename(w.t.Context(), tp("/in/f"), tp("/in/g"), guard.KeepTarget))
			w.must(bob.Rename(w.t.Context(), tp("/in/g"), tp("/in/f"), guard.KeepTarget))
		}},
		"replaced": {how: tentative, end: abort, during: func(w *world, bob *user) {
			w.must(bob.upload("/in/g", ""))
			w.must(bob.Rename(w.t.Context(), tp("/in/g"), tp("/in/f"), guard.ReplaceFile))
		}},
		"removed, and made anew": {how: tentative, end: abort, during: func(w *world, bob *user) {
			w.must(bob.Remove(w.t.Context(), tp("/in/f")))
			w.must(bob.upload("/in/f", ""))
		}},
		"replaced on the machine": {how: tentative, end: abort, during: func(w *world, _ *user) {
			w.must(os.WriteFile(w.disk("/in/g"), nil, 0o600))
			w.must(os.Rename(w.disk("/in/g"), w.disk("/in/f")))
		}},
		"linked on the machine": {how: tentative, end: abort, during: func(w *world, _ *user) {
			w.must(os.Link(w.disk("/in/f"), w.disk("/in/g")))
		}},
		"dated": {how: tentative, end: abort, during: func(w *world, bob *user) {
			long := time.Unix(1e9, 0)
			w.must(bob.SetAttr(w.t.Context(), tp("/in/f"), backend.Attr{Modified: &long}))
		}},
		"locked": {how: tentative, end: abort, during: func(w *world, _ *user) { w.lockFor("bob", "/in/f") }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.folder("/in")
			w.limit("/in", 100, 5)
			u := w.stranger("eve", granted("/in", policy.Full))
			f, err := u.Open(t.Context(), tp("/in/f"), c.how)
			w.must(err)
			waitForTick(t, w.disk("/in/f"))
			if c.during != nil {
				c.during(w, w.stranger("bob", granted("/in", policy.Full)))
			}
			c.end(f)
			_ = f.Close()
			at := c.at
			if at == "" {
				at = "/in/f"
			}
			if !w.exists(at) {
				t.Errorf("%s is gone", at)
			}
			if name != "replaced on the machine" { // made behind the ledger's back
				w.checkQuota("/in")
			}
		})
	}
}

// An existing file is no new one: who breaks off before the first byte leaves it.
func TestAbortedUploadOverAFile(t *testing.T) {
	w := newWorld(t)
	u := w.user("ann")
	w.put("/home/ann/f", "")
	f, err := u.Open(t.Context(), tp("/f"), tentative)
	w.must(err)
	f.Abort(errBrokeOff)
	w.must(f.Close())
	if !w.exists("/home/ann/f") {
		t.Error("it is gone")
	}
	if _, err := f.Stat(); errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// waitForTick ends once the clock of the file system has gone on since name changed.
func waitForTick(t *testing.T, name string) {
	t.Helper()
	changed := func(name string) int64 {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		st := info.Sys().(*syscall.Stat_t)
		return st.Ctim.Nano()
	}
	other := filepath.Join(t.TempDir(), "other")
	for began := changed(name); ; {
		if err := os.WriteFile(other, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(other, 0o600); err != nil {
			t.Fatal(err)
		}
		if changed(other) > began {
			return
		}
	}
}
