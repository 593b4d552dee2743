package redis

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	goredis "github.com/redis/go-redis/v9"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
	"gatehouse/storage/state/redis/redistest"
)

// A gateway is killed in the middle of a load: the next one takes out what that
// has left, but not while it may still be at work.
func TestLoadThatBrokeOff(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := opened(t, Options{URL: server.URL()})
	mustPut(t, s, "s", "a")
	if _, err := s.Append(t.Context(), "log", "", []byte("e")); err != nil {
		t.Fatal(err)
	}
	server.Do(t, "SET", "another's", "stays")
	server.Do(t, "SET", s.keys.loading(), "1")
	server.Do(t, "SET", s.keys.lease(), "1")
	if _, err := Open(t.Context(), Options{URL: server.URL()}); !errors.Is(err, errLoading) {
		t.Errorf("opened amid a load: %v", err)
	}
	if n := server.Do(t, "EXISTS", s.keys.key("s", "r")); n != int64(1) {
		t.Error("a load at work was taken out")
	}
	server.Do(t, "DEL", s.keys.lease())
	again := opened(t, Options{URL: server.URL()})
	if text := dumped(t, again); text != "" {
		t.Errorf("left: %s", text)
	}
	if n := server.Do(t, "DBSIZE"); n != int64(2) {
		t.Errorf("%v keys are left, want that of another and the format", n)
	}
}

// All goes from one kind of store to another and back, to the nanosecond.
func TestThereAndBack(t *testing.T) {
	t.Parallel()
	from := memory.New()
	_, err := from.Apply(t.Context(), state.Batch{Scope: "s", Puts: []state.Put{{Name: "a", Value: []byte("1")}, {Name: "b", TTL: 1_000_000_000_001}}})
	if err != nil {
		t.Fatal(err)
	}
	most := int64(1<<62 + 1)
	for _, op := range []state.CounterOp{
		state.Lease{Name: "l", Holder: "h", SetLimit: &most, SetUsed: &most},
		state.Lease{Name: "l", Holder: "h", Commit: -7, Want: 3},
		state.Window{Name: "w", Period: 1_000_000_000_003, Add: 5},
		state.Distinct{Name: "d", Add: "m", TTL: 1_000_000_000_007},
		state.Distinct{Name: "d", Add: "n"},
	} {
		if _, err := from.Count(t.Context(), "c", op); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := from.Append(t.Context(), "log", "", []byte("1"), []byte("2"), []byte("3")); err != nil {
		t.Fatal(err)
	}
	if err := from.Trim(t.Context(), "log", 1); err != nil {
		t.Fatal(err)
	}
	s := opened(t, Options{URL: redistest.Start(t).URL()})
	if err := s.Load(t.Context(), from.Dump(t.Context())); err != nil {
		t.Fatal(err)
	}
	back := memory.New()
	if err := back.Load(t.Context(), s.Dump(t.Context())); err != nil {
		t.Fatal(err)
	}
	if got, want := dumped(t, back), dumped(t, from); got != want {
		t.Errorf("came back as\n%s\nwas\n%s", got, want)
	}
	v, err := s.Count(t.Context(), "c", state.Lease{Name: "l", Holder: "h", Commit: 1})
	if err != nil || v.Used != most-6 || v.Held != 2 {
		t.Errorf("goes on with %+v, %v", v, err)
	}
}

// A figure that a script could not count on from is refused.
func TestLoadTooGreat(t *testing.T) {
	t.Parallel()
	s := opened(t, Options{URL: redistest.Start(t).URL()})
	err := s.Load(t.Context(), func(yield func(state.Item, error) bool) {
		yield(state.Item{Kind: state.ItemScope, Scope: "s", Revision: maxRevision + 1}, nil)
	})
	if !errors.Is(err, state.ErrInvalid) {
		t.Errorf("load: %v, want ErrInvalid", err)
	}
}

// A prefix may end in the greatest byte, and be no text.
func TestPrefixes(t *testing.T) {
	t.Parallel()
	s := opened(t, Options{URL: redistest.Start(t).URL()})
	names := []string{"a", "a\xc0", "a\xff", "a\xff\xff", "a\xff\xffb", "b", "\xff", "\xff\xff", "\xff\xff\x00"}
	for _, name := range names {
		mustPut(t, s, "s", name)
	}
	for _, prefix := range append(names, "", "a\xff\xff\xff", "c", "\xc0") {
		var want []string
		for _, name := range names {
			if strings.HasPrefix(name, prefix) {
				want = append(want, name)
			}
		}
		page, err := s.List(t.Context(), "s", prefix, "", 0)
		var got []string
		for _, r := range page.Records {
			got = append(got, r.Name)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %q, %v, want %q", prefix, got, err, want)
		}
	}
}

// A gateway of an older version meets what a newer one has written.
func TestNewerFormat(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := opened(t, Options{URL: server.URL()})
	if got := server.Do(t, "INCR", s.keys.format()); got != int64(format+1) {
		t.Errorf("the format is now %v", got)
	}
	if _, err := Open(t.Context(), Options{URL: server.URL()}); !errors.Is(err, state.ErrNewer) || errors.Is(err, state.ErrAway) {
		t.Errorf("open: %v, want ErrNewer alone", err)
	}
}

// A load stands still for so long that another gateway takes it for broken off,
// cleans up and goes to work: the load fails, and takes out nothing of it.
func TestLoadTakenForBrokenOff(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := opened(t, Options{URL: server.URL()})
	err := s.Load(t.Context(), func(yield func(state.Item, error) bool) {
		item := state.Item{Kind: state.ItemRecord, Scope: "loaded", Name: "a", Value: make([]byte, loadBytes+1), Revision: 1}
		if !yield(item, nil) {
			t.Error("the load ended early")
			return
		}
		server.Do(t, "DEL", s.keys.lease())
		other := opened(t, Options{URL: server.URL()})
		mustPut(t, other, "work", "b")
		item.Name = "c"
		yield(item, nil)
	})
	if !errors.Is(err, errTaken) {
		t.Errorf("load: %v, want errTaken", err)
	}
	if scopes, err := s.Scopes(t.Context(), "", 0); err != nil || !slices.Equal(scopes, []string{"work"}) {
		t.Errorf("there is %q, %v, want what the other has written", scopes, err)
	}
}

// Two gateways start after a load that broke off. One has seen the mark of it, and
// before it goes on the other has cleaned up and gone to work: that stays.
func TestCleanUpAtOnce(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := opened(t, Options{URL: server.URL()})
	server.Do(t, "SET", s.keys.loading(), "1")
	var begun sync.Once
	s.client.AddHook(afterEach{func() {
		begun.Do(func() { mustPut(t, opened(t, Options{URL: server.URL()}), "work", "a") })
	}})
	if err := s.cleanUp(t.Context()); err != nil {
		t.Errorf("clean up: %v", err)
	}
	if _, err := s.Get(t.Context(), "work", "a"); err != nil {
		t.Errorf("what was written meanwhile: %v", err)
	}
	if n := server.Do(t, "EXISTS", s.keys.loading(), s.keys.lease()); n != int64(0) {
		t.Errorf("%v marks are left", n)
	}
}

// afterEach does something after each command.
type afterEach struct{ do func() }

// DialHook implements goredis.Hook.
func (afterEach) DialHook(next goredis.DialHook) goredis.DialHook { return next }

// ProcessPipelineHook implements goredis.Hook.
func (afterEach) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

// ProcessHook implements goredis.Hook.
func (a afterEach) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		defer a.do()
		return next(ctx, cmd)
	}
}
