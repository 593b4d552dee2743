package guard_test

import (
	"errors"
	"io/fs"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/guard"
	"gatehouse/storage/backend"
	"gatehouse/storage/state"
)

// What another node does in the worst moment: between the last look and the change.

// newMoment is two nodes with two quotas.
func newMoment(t *testing.T) (n *twoNodes, here, there *user) {
	t.Helper()
	t.Parallel()
	n = newTwoNodes(t)
	n.folder("/home/ann/x/d")
	n.folder("/home/ann/y")
	n.limit("/home/ann/x", 5000, 20)
	n.limit("/home/ann/y", 5000, 20)
	return n, n.user("ann"), n.there.user("ann")
}

// meanwhile has others do something right before the first node's next such call.
func (n *twoNodes) meanwhile(call string, do func()) {
	n.lives[0].next = map[string]func(){call: do}
}

func (n *twoNodes) happened() {
	n.t.Helper()
	if len(n.lives[0].next) > 0 {
		n.t.Error("the moment did not come")
	}
}

// A file is renamed away over another node just before an upload takes its place: it is
// still there, and stays charged.
func TestRenamedAwayBeforeItIsReplaced(t *testing.T) {
	for name, replace := range map[string]func(u *user) error{
		"upload": func(u *user) error { return u.whole("/x/f", "new", "") },
		"copy": func(u *user) error {
			return u.Copy(u.w.t.Context(), tp("/x/other"), tp("/x/f"), guard.CopyHow{Replace: guard.ReplaceFile})
		},
		"rename": func(u *user) error { return u.Rename(u.w.t.Context(), tp("/x/other"), tp("/x/f"), guard.ReplaceFile) },
		"move from another quota": func(u *user) error {
			return u.Rename(u.w.t.Context(), tp("/y/other"), tp("/x/f"), guard.ReplaceFile)
		},
	} {
		t.Run(name, func(t *testing.T) {
			n, here, there := newMoment(t)
			n.must(here.upload("/x/f", string(make([]byte, 700))))
			n.must(here.upload("/x/other", "other"))
			n.must(here.upload("/y/other", "other"))
			n.meanwhile("place /home/ann/x/f", func() { n.must(there.Rename(t.Context(), tp("/x/f"), tp("/x/g"), guard.KeepTarget)) })
			n.must(replace(here))
			n.happened()
			n.settle("/home/ann/x", "/home/ann/y")
		})
	}
}

// whole uploads a file that appears as a whole, in the place of the one with that tag.
func (u *user) whole(p, content, match string) error {
	f, err := u.Open(u.w.t.Context(), tp(p), guard.Open{Write: true, Create: true, Truncate: true, Atomic: true, Match: match})
	if err != nil {
		return err
	}
	_, err = f.WriteAt([]byte(content), 0)
	return errors.Join(err, f.Close())
}

// A file is renamed away, and another takes its name, just before it is removed: what
// goes is not what was measured.
func TestSwappedBeforeItIsRemoved(t *testing.T) {
	n, here, there := newMoment(t)
	n.must(here.upload("/x/f", string(make([]byte, 700))))
	n.must(here.upload("/x/other", "other"))
	n.meanwhile("take /home/ann/x/f", func() {
		n.must(there.Rename(t.Context(), tp("/x/f"), tp("/x/g"), guard.KeepTarget))
		n.must(there.Rename(t.Context(), tp("/x/other"), tp("/x/f"), guard.KeepTarget))
	})
	n.must(here.Remove(t.Context(), tp("/x/f")))
	n.happened()
	n.settle("/home/ann/x")
}

// A tree moves from one quota to another. Just before, a file of it gets a name outside
// over another node, or somebody there begins to write to it, or this node is taken for
// dead: the move is taken back.
func TestMovesThatAreTakenBack(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(n *twoNodes, there *user) *guard.File
		want error
	}{
		"a link": {func(n *twoNodes, there *user) *guard.File {
			n.must(there.Link(n.t.Context(), tp("/x/d/f"), tp("/x/g")))
			return nil
		}, backend.ErrUnsupported},
		"a writer": {func(n *twoNodes, there *user) *guard.File {
			f, err := there.Open(n.t.Context(), tp("/x/d/f"), guard.Open{Write: true})
			n.must(err)
			return f
		}, backend.ErrInUse},
		"a new file": {func(n *twoNodes, there *user) *guard.File {
			f, err := there.Open(n.t.Context(), tp("/x/d/new"), newFile)
			n.must(err)
			return f
		}, backend.ErrInUse},
		"the fence": {func(n *twoNodes, _ *user) *guard.File {
			n.lives[0].held.Store(false)
			return nil
		}, state.ErrAway},
	} {
		for how, target := range map[string]string{"to a free name": "/y/e", "over a folder": "/y/old"} {
			t.Run(name+" "+how, func(t *testing.T) {
				n, here, there := newMoment(t)
				n.must(here.upload("/x/d/f", "content"))
				n.must(here.Mkdir(t.Context(), tp("/y/old"), 0))
				n.must(here.upload("/y/old/f", "old content"))
				var writing *guard.File
				n.meanwhile("take /home/ann/x/d", func() { writing = c.do(n, there) })
				if err := here.Rename(t.Context(), tp("/x/d"), tp(target), guard.ReplaceAny); !errors.Is(err, c.want) {
					t.Errorf("got %v, want %v", err, c.want)
				}
				n.happened()
				n.lives[0].held.Store(true)
				if writing != nil {
					_, err := writing.WriteAt(make([]byte, 900), 0)
					n.must(errors.Join(err, writing.Close()))
				}
				if !n.exists("/home/ann/x/d/f") || n.content("/home/ann/y/old/f") != "old content" {
					t.Error("something is not where it was")
				}
				n.settle("/home/ann/x", "/home/ann/y")
				if left := n.staged(); len(left) > 0 {
					t.Errorf("staged: %v", left)
				}
			})
		}
	}
}

// A tree moves to another quota while somebody opens a file in it over another node: who
// opened it would be charged where it was.
func TestOpenedWhileItMoves(t *testing.T) {
	for name, open := range map[string]guard.Open{"an old file": {Write: true}, "a new one": newFile} {
		t.Run(name, func(t *testing.T) {
			n, here, there := newMoment(t)
			n.must(here.upload("/x/d/f", "content"))
			p := map[bool]string{true: "/x/d/new", false: "/x/d/f"}[open.Create]
			n.meanwhile("lock /home/ann"+p, func() { n.must(there.Rename(t.Context(), tp("/x/d"), tp("/y/e"), guard.KeepTarget)) })
			if _, err := here.Open(t.Context(), tp(p), open); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %v", err)
			}
			n.happened()
			n.settle("/home/ann/x", "/home/ann/y")
		})
	}
}

// Somebody writes to a file in place, which another node renames, and something else
// that came by its name is moved to another quota: the writer is charged where it was.
func TestNameOfAWriterThatIsUsedAgain(t *testing.T) {
	n, here, there := newMoment(t)
	f, err := here.Open(t.Context(), tp("/x/f"), newFile)
	n.must(err)
	n.must(there.Rename(t.Context(), tp("/x/f"), tp("/x/g"), guard.KeepTarget))
	n.must(here.whole("/x/f", "another", ""))
	n.must(here.Rename(t.Context(), tp("/x/f"), tp("/y/f"), guard.KeepTarget))
	_, err = f.WriteAt(make([]byte, 900), 0)
	n.must(errors.Join(err, f.Close()))
	n.settle("/home/ann/x", "/home/ann/y")
}

// An FTP upload breaks off before its first byte, and what it had made is taken away
// again: but not the file that was put there over another node just before.
func TestTakenAwayIsOnlyOnesOwn(t *testing.T) {
	n, here, there := newMoment(t)
	tentative := newFile
	tentative.Tentative = true
	f, err := here.Open(t.Context(), tp("/x/f"), tentative)
	n.must(err)
	n.meanwhile("take /home/ann/x/f", func() { n.must(there.whole("/x/f", "acknowledged", "")) })
	f.Abort(nil)
	_ = f.Close()
	n.happened()
	if !n.exists("/home/ann/x/f") || n.content("/home/ann/x/f") != "acknowledged" {
		t.Error("the other's upload is gone")
	}
	n.settle("/home/ann/x")
}

// Two clients replace what both have seen, each over a node of its own: one of them
// hears that it has changed.
func TestReplacedUnderAConditionOnTwoNodes(t *testing.T) {
	n, here, there := newMoment(t)
	n.must(here.upload("/x/f", "seen by both"))
	info, err := here.Stat(t.Context(), tp("/x/f"))
	n.must(err)
	n.meanwhile("place /home/ann/x/f", func() { n.want(there.whole("/x/f", "theirs", info.ETag()), guard.ErrChanged) })
	n.must(here.whole("/x/f", "mine", info.ETag()))
	n.happened()
	if got := n.content("/home/ann/x/f"); got != "mine" {
		t.Errorf("it holds %q", got)
	}
	if n.settle("/home/ann/x") {
		t.Error("the figure is in doubt")
	}
}

// An upload is put into a folder that another node is just moving to another quota: it
// came along, and the quotas find it.
func TestArrivedElsewhere(t *testing.T) {
	n, _, there := newMoment(t)
	u := n.user("ann", uploads(policy.Atomic))
	n.meanwhile("place /home/ann/x/d/new", func() { n.must(there.Rename(t.Context(), tp("/x/d"), tp("/y/e"), guard.KeepTarget)) })
	if err := u.upload("/x/d/new", "content"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	n.happened()
	n.settle("/home/ann/x", "/home/ann/y")
}
