package staging_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"gatehouse/storage/staging"
)

// other is another node on the same tree.
func (s *site) other(node, epoch string) *staging.Area {
	s.Helper()
	a, err := staging.New(s.Context(), s.table, node, epoch, 10)
	if err != nil {
		s.Fatal(err)
	}
	return a
}

// A node dies in the middle of uploads and of replacements: who buries it brings back
// what was put aside, on all mounts, removes the rest, and touches neither its own work nor that of a third node or of the dead one's
// next run.
func TestReapOfAnotherNode(t *testing.T) {
	s := newSite(t, plain)
	s.put("/d/sub/x", "old")
	s.put("/e/x", "old")
	s.put("/f", "old")
	dead := s.other("node-b", "7")
	third := s.other("node-b-7", "1") // whose name begins alike
	for _, p := range []string{"/d", "/e", "/f"} {
		_, err := dead.PutAside(t.Context(), at(p))
		s.must(err)
	}
	s.put("/e/x", "new")
	s.area = dead
	s.stage("/half", "half")
	s.area = third
	kept := s.stage("/third", "third")
	next := s.other("node-c", "1")
	s.area = next
	own := s.stage("/own", "own")

	for range 2 { // it is tried again where the one who buries dies as well
		s.must(next.Reap(t.Context(), "node-b", "7"))
	}
	s.must(kept.Commit(t.Context(), false))
	s.must(own.Commit(t.Context(), false))
	s.holds(map[string]string{"/d/sub/x": "old", "/e/x": "new", "/e (restored)/x": "old", "/f": "old", "/third": "third", "/own": "own"})
	s.nothingStaged()
}

// Two nodes bury the same one: what was put aside comes back once.
func TestReapOnTwoNodesAtOnce(t *testing.T) {
	s := newSite(t, plain)
	const many = 40
	want := make(map[string]string)
	dead := s.other("node-b", "1")
	for i := range many {
		name := "/" + string(rune('a'+i%20)) + string(rune('a'+i/20))
		s.put(name+"/x", name)
		want[name+"/x"] = name
		_, err := dead.PutAside(t.Context(), at(name))
		s.must(err)
	}
	one, two := s.other("node-c", "1"), s.other("node-d", "1")
	ended := make(chan error, 2)
	for _, a := range []*staging.Area{one, two} {
		go func() { ended <- a.Reap(t.Context(), "node-b", "1") }()
	}
	for range 2 {
		if err := <-ended; err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Error(err)
		}
	}
	s.must(one.Reap(t.Context(), "node-b", "1")) // the second who was in the first's way tries again
	s.holds(want)
	s.nothingStaged()
}

// A node that was taken for dead and wakes up brings its own back, or drops it, where
// somebody else has settled that: nothing is lost, and nothing is there twice.
func TestWokenAfterReap(t *testing.T) {
	s := newSite(t, plain)
	s.put("/d/x", "old")
	s.put("/e/x", "old")
	one, err := s.area.PutAside(t.Context(), at("/d"))
	s.must(err)
	two, err := s.area.PutAside(t.Context(), at("/e"))
	s.must(err)
	u := s.stage("/new", "new")
	s.must(s.other("node-b", "1").Reap(t.Context(), "node-a", "1"))
	if err := one.Restore(); err == nil {
		t.Error("brought back twice")
	}
	_ = two.Drop()
	if err := u.Commit(t.Context(), false); err == nil {
		t.Error("an upload that others have cleared away takes its place")
	}
	s.holds(map[string]string{"/d/x": "old", "/e/x": "old"})
}

// A loss of power has left one note without its text: what it is about is kept for a
// person, and all else comes back.
func TestADamagedNoteKeepsNothingElseAway(t *testing.T) {
	s := newSite(t, plain)
	for _, p := range []string{"/a", "/b", "/c"} {
		s.put(p, p)
		_, err := s.area.PutAside(t.Context(), at(p))
		s.must(err)
	}
	_, hidden := contents(t, s.dir)
	for name, text := range hidden {
		if text == "/b" && strings.HasSuffix(name, ".origin") {
			s.must(os.Truncate(s.dir+name, 0))
		}
	}
	if left := s.restart("2").Left(); len(left) != 1 {
		t.Errorf("left: %v, want one error", left)
	}
	s.holds(map[string]string{"/a": "/a", "/c": "/c"})
	_, hidden = contents(t, s.dir)
	if !slices.Contains(slices.Collect(maps.Values(hidden)), "/b") {
		t.Errorf("what the note is about is gone: %v", hidden)
	}
}
