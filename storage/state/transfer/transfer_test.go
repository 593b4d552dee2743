package transfer

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// A broken store hands out another dump than it should.
type broken struct {
	state.Store
	dump func(iter.Seq2[state.Item, error]) iter.Seq2[state.Item, error]
}

func (b broken) Dump(ctx context.Context) iter.Seq2[state.Item, error] {
	return b.dump(b.Store.Dump(ctx))
}

// each gives each item to do, which may change it, or say that it is lost.
func each(do func(*state.Item) (kept bool)) func(iter.Seq2[state.Item, error]) iter.Seq2[state.Item, error] {
	return func(items iter.Seq2[state.Item, error]) iter.Seq2[state.Item, error] {
		return func(yield func(state.Item, error) bool) {
			for item, err := range items {
				if (err != nil || do(&item)) && !yield(item, err) {
					return
				}
			}
		}
	}
}

// breaks ends a dump with an error after so many items.
func breaks(after int, cause error) func(iter.Seq2[state.Item, error]) iter.Seq2[state.Item, error] {
	return func(items iter.Seq2[state.Item, error]) iter.Seq2[state.Item, error] {
		return func(yield func(state.Item, error) bool) {
			n := 0
			for item := range items {
				if n++; n > after {
					yield(state.Item{}, cause)
					return
				}
				if !yield(item, nil) {
					return
				}
			}
		}
	}
}

func filled(t *testing.T) *memory.Store {
	t.Helper()
	s := memory.New()
	fill(t, s)
	return s
}

func TestCopy(t *testing.T) {
	from, to := filled(t), memory.New()
	sum, err := Copy(t.Context(), from, to)
	if err != nil || without(sum) != want || !strings.HasPrefix(sum.Digest, "sha256:") {
		t.Fatalf("got %+v, %v; want %+v", sum, err, want)
	}
	back := memory.New()
	if again, err := Copy(t.Context(), to, back); err != nil || again != sum {
		t.Errorf("and on: %+v, %v; want %+v", again, err, sum)
	}
}

// A copy that was whole when it was cut off is not made again: it is compared.
func TestCopyAgain(t *testing.T) {
	from, to := filled(t), memory.New()
	first, err := Copy(t.Context(), from, to)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Copy(t.Context(), from, to); err != nil || again != first {
		t.Errorf("again: %+v, %v; want %+v", again, err, first)
	}
}

func TestCopyLeavesAloneWhatIsThere(t *testing.T) {
	from, to := filled(t), memory.New()
	if _, err := to.Apply(t.Context(), state.Batch{Scope: "s", Puts: []state.Put{{Name: "theirs"}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := Copy(t.Context(), from, to); !errors.Is(err, state.ErrNotEmpty) {
		t.Errorf("got %v, want ErrNotEmpty", err)
	}
	if scopes, err := to.Scopes(t.Context(), "", 0); err != nil || len(scopes) != 1 {
		t.Errorf("the target holds %v, %v", scopes, err)
	}
}

func TestCopyOfNothing(t *testing.T) {
	if _, err := Copy(t.Context(), memory.New(), memory.New()); !errors.Is(err, ErrNothing) {
		t.Errorf("got %v, want ErrNothing", err)
	}
}

// The source breaks off anywhere: the target is empty, and the copy can be made
// again.
func TestCopyCutOff(t *testing.T) {
	from := filled(t)
	gone := errors.New("the source is gone")
	for n := 1; n < 60; n += 7 {
		to := memory.New()
		if _, err := Copy(t.Context(), broken{from, breaks(n, gone)}, to); !errors.Is(err, gone) {
			t.Errorf("after %d items: %v", n, err)
		}
		if held, err := holdsAnything(t.Context(), to); err != nil || held {
			t.Fatalf("after %d items the target is not empty: %v", n, err)
		}
		if _, err := Copy(t.Context(), from, to); err != nil {
			t.Errorf("again after %d items: %v", n, err)
		}
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Copy(stopped, from, memory.New()); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// Whatever the second store has otherwise than the first is found, and told by
// its scope or stream.
func TestCompareFindsWhatDiffers(t *testing.T) {
	one := func(kind, name string, change func(*state.Item) bool) func(*state.Item) bool {
		done := false
		return func(i *state.Item) bool {
			if done || i.Kind != kind || !strings.HasPrefix(i.Name, name) {
				return true
			}
			done = true
			return change(i)
		}
	}
	lost := func(*state.Item) bool { return false }
	for name, c := range map[string]struct {
		do    func(*state.Item) bool
		place string
	}{
		"a record is lost":         {one(state.ItemRecord, "a/1", lost), `scope "accounts"`},
		"a record is another":      {one(state.ItemRecord, "a/1", func(i *state.Item) bool { i.Value = []byte("w"); return true }), `scope "accounts"`},
		"a name is another":        {one(state.ItemRecord, "a/1", func(i *state.Item) bool { i.Name += "x"; return true }), `scope "accounts"`},
		"a revision is another":    {one(state.ItemRecord, "a/1", func(i *state.Item) bool { i.Revision++; return true }), `scope "accounts"`},
		"a far end is lost":        {one(state.ItemRecord, "later", func(i *state.Item) bool { i.Expires = time.Time{}; return true }), `scope "codes"`},
		"a near end is lost":       {one(state.ItemRecord, "late", func(i *state.Item) bool { i.Expires = time.Time{}; return true }), `scope "codes"`},
		"an end is another":        {one(state.ItemRecord, "late", func(i *state.Item) bool { i.Expires = i.Expires.Add(1); return true }), `scope "codes"`},
		"a scope's revision":       {one(state.ItemScope, "", func(i *state.Item) bool { i.Revision++; return true }), `scope "accounts"`},
		"an emptied scope is lost": {func(i *state.Item) bool { return i.Scope != "emptied}%" }, `scope "emptied}%"`},
		"a counter is lost":        {one(state.ItemCounter, "all", lost), `scope "counted/a"`},
		"a counter has no ends": {one(state.ItemCounter, "members", func(i *state.Item) bool {
			i.Value = []byte(`{"distinct":{"members":{"m":"0001-01-01T00:00:00Z"}}}`)
			return true
		}), `scope "counted/m"`},
		"a counter counts more": {one(state.ItemCounter, "lease", func(i *state.Item) bool {
			i.Value = []byte(strings.Replace(string(i.Value), "993", "994", 1))
			return true
		}), `scope "counted/l"`},
		"a window counts more": {one(state.ItemCounter, "day", func(i *state.Item) bool {
			i.Value = []byte(strings.Replace(string(i.Value), `"count":5`, `"count":6`, 1))
			return true
		}), `scope "counted/d"`},
		"an entry is lost":         {one(state.ItemEntry, "", lost), `stream "events"`},
		"an entry's time":          {one(state.ItemEntry, "", func(i *state.Item) bool { i.Expires = i.Expires.Add(1); return true }), `stream "events"`},
		"a trimmed stream is lost": {func(i *state.Item) bool { return i.Scope != "trimmed" }, `stream "trimmed"`},
		"a position is another":    {func(i *state.Item) bool { i.Revision += map[bool]uint64{true: 1}[i.Scope == "trimmed"]; return true }, `stream "trimmed"`},
	} {
		t.Run(name, func(t *testing.T) {
			from := filled(t)
			to := memory.New()
			if _, err := Copy(t.Context(), from, to); err != nil {
				t.Fatal(err)
			}
			_, err := Compare(t.Context(), from, broken{to, each(c.do)})
			var differ *DifferenceError
			if !errors.As(err, &differ) || len(differ.Places) != 1 || !strings.HasPrefix(differ.Places[0], c.place) {
				t.Errorf("got %v, want it of %s", err, c.place)
			}
		})
	}
}

// What is in the target alone is found as well.
func TestCompareFindsWhatIsMore(t *testing.T) {
	from, to := filled(t), memory.New()
	if _, err := Copy(t.Context(), from, to); err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{"1", "2", "3", "4", "5", "6", "7"} {
		if _, err := to.Append(t.Context(), stream, "", []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	var differ *DifferenceError
	_, err := Compare(t.Context(), from, to)
	if !errors.As(err, &differ) || len(differ.Places) != named || differ.More != 2 || !strings.Contains(err.Error(), "and 2 more") {
		t.Errorf("got %v", err)
	}
}

// Time goes by between the reading of one store and that of the other: what ends
// meanwhile, or within the minute by which clocks may differ, is missed by nobody.
func TestCompareWhileTimeGoesBy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		from, to := filled(t), memory.New()
		if _, err := Copy(t.Context(), from, to); err != nil {
			t.Fatal(err)
		}
		late := func(d time.Duration) state.Store {
			return broken{to, func(items iter.Seq2[state.Item, error]) iter.Seq2[state.Item, error] {
				time.Sleep(d)
				return to.Dump(t.Context())
			}}
		}
		if sum, err := Compare(t.Context(), from, late(10*time.Second)); err != nil || without(sum) != want {
			t.Errorf("after seconds: %+v, %v; want %+v", sum, err, want)
		}
		less := want
		less.Records, less.Counters, less.Scopes = 42, 5, 7 // "late" and "members" have ended
		if sum, err := Compare(t.Context(), from, late(45*time.Minute)); err != nil || without(sum) != less {
			t.Errorf("after 45 minutes: %+v, %v; want %+v", sum, err, less)
		}
		if _, err := Compare(t.Context(), from, late(2*time.Hour)); err == nil {
			t.Error("stores of which one was read hours later were compared")
		}
	})
}
