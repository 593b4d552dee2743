package redis

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"pgregory.net/rapid"

	"gatehouse/storage/state"
	"gatehouse/storage/state/counter"
	"gatehouse/storage/state/redis/redistest"
)

// figure draws figures of all sizes, whole above 2^53 too.
func figure(r *rapid.T, name string) int64 {
	return rapid.OneOf(rapid.Int64Range(0, 50), rapid.Int64Range(1<<53, 1<<53+9),
		rapid.Int64Range(999_999_990, 1_000_000_010), rapid.Int64Range(math.MaxInt64-3, math.MaxInt64)).Draw(r, name)
}

// Leases are reckoned in the server as in the package counter, with all 64 bits.
func TestLeasesLikeCounter(t *testing.T) {
	t.Parallel()
	s := opened(t, Options{URL: redistest.Start(t).URL()})
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		scope := fmt.Sprint(run)
		var model counter.State
		for range rapid.IntRange(1, 12).Draw(r, "operations") {
			op := state.Lease{
				Name: "n", Holder: rapid.SampledFrom([]string{"a", "b", "c/\"ü\x01"}).Draw(r, "holder"),
				Commit: figure(r, "commit"), Release: figure(r, "release"), Min: figure(r, "min"),
				ReleaseAll: rapid.IntRange(0, 5).Draw(r, "all") == 0,
			}
			if rapid.Bool().Draw(r, "given back") {
				op.Commit = -op.Commit - 1
			}
			op.Want, op.Covered = max(op.Min, figure(r, "want")), rapid.Bool().Draw(r, "covered")
			if n := figure(r, "limit"); rapid.Bool().Draw(r, "limited") {
				op.SetLimit = &n
				op.LimitAt = rapid.SampledFrom([]uint64{0, 1, 2, 1<<53 + 1, 1<<53 + 2}).Draw(r, "revision")
			}
			op.Bury = rapid.IntRange(0, 9).Draw(r, "buried") == 0
			if n := figure(r, "used"); rapid.IntRange(0, 3).Draw(r, "counted") == 0 {
				op.SetUsed = &n
			}
			if n := figure(r, "since"); rapid.Bool().Draw(r, "counted while it grew") {
				op.Since = &n
			}
			if n := rapid.Int64Range(-1, 3).Draw(r, "recounts"); rapid.Bool().Draw(r, "unless counted anew") {
				op.Recounts = &n
			}
			sameCount(r, s, scope, &model, op, time.Time{})
		}
	})
}

// sameCount does an operation in a store and to a model: they answer alike.
func sameCount(r *rapid.T, s *Store, scope string, model *counter.State, op state.CounterOp, now time.Time) {
	done := copied(r, *model)
	if end := done.Expires(); !end.IsZero() && !end.After(now) {
		done = counter.State{}
	}
	want, errWant := done.Do(op, now)
	if !counter.Looks(op) {
		*model = done
	}
	if done.Empty() { // it is not kept
		*model = counter.State{}
	}
	got, err := s.Count(r.Context(), scope, op)
	if (err == nil) != (errWant == nil) {
		r.Fatalf("%+v: %v, want %v", op, err, errWant)
	}
	if len(got.Holders) == 0 && len(want.Holders) == 0 {
		got.Holders, want.Holders = nil, nil
	}
	if err == nil && !reflect.DeepEqual(got, want) {
		r.Fatalf("%+v:\n got %+v\nwant %+v", op, got, want)
	}
}

// Windows and sets are kept in the server as in the package counter, to the
// nanosecond, wherever the clock goes; so are their dumps.
func TestCountersLikeCounter(t *testing.T) {
	t.Parallel()
	mini := miniredis.RunT(t)
	s := opened(t, Options{URL: "redis://" + mini.Addr()})
	s.client.AddHook(mayWrite{})
	run := 0
	rapid.Check(t, func(r *rapid.T) {
		run++
		scope := fmt.Sprint(run)
		models := map[string]*counter.State{"w": {}, "d": {}}
		now := time.Unix(2e9+int64(run)*1e6, 0).UTC()
		for range rapid.IntRange(1, 20).Draw(r, "operations") {
			now = now.Add(time.Duration(rapid.Int64Range(0, 30_000).Draw(r, "later")) * time.Millisecond)
			if rapid.IntRange(0, 9).Draw(r, "back") == 0 {
				now = now.Add(-time.Duration(rapid.Int64Range(0, 5_000_000).Draw(r, "earlier")) * time.Microsecond)
			}
			mini.SetTime(now)
			if rapid.Bool().Draw(r, "window") {
				sameCount(r, s, scope, models["w"], windowOp(r), now)
			} else {
				sameCount(r, s, scope, models["d"], distinctOp(r), now)
			}
		}
		sameDump(r, s, scope, models, now)
	})
}

// copied shares nothing with a model.
func copied(r *rapid.T, model counter.State) (c counter.State) {
	b, err := json.Marshal(model)
	if err != nil {
		r.Fatal(err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		r.Fatal(err)
	}
	return c
}

func windowOp(r *rapid.T) state.Window {
	return state.Window{
		Name: "w", Period: rapid.SampledFrom([]time.Duration{time.Minute, 10*time.Second + 7, time.Hour}).Draw(r, "period"),
		Add: rapid.OneOf(rapid.Int64Range(-3, 5), rapid.Int64Range(math.MaxInt64-3, math.MaxInt64)).Draw(r, "add"),
		Max: rapid.Int64Range(0, 20).Draw(r, "max"),
	}
}

func distinctOp(r *rapid.T) state.Distinct {
	member := rapid.SampledFrom([]string{"", "x", "y", "k", "e"})
	return state.Distinct{
		Name: "d", Add: member.Draw(r, "add"), Remove: member.Draw(r, "remove"),
		TTL: rapid.SampledFrom([]time.Duration{0, time.Minute + 1, time.Hour, 100 * 365 * 24 * time.Hour}).Draw(r, "life"),
		Max: rapid.IntRange(0, 3).Draw(r, "max"),
	}
}

// sameDump compares what is dumped with the models that still count.
func sameDump(r *rapid.T, s *Store, scope string, models map[string]*counter.State, now time.Time) {
	got := make(map[string]string)
	for item, err := range s.Dump(r.Context()) {
		if err != nil {
			r.Fatal(err)
		}
		if item.Scope == scope && item.Kind == state.ItemCounter {
			got[item.Name] = string(item.Value)
		}
	}
	for name, model := range models {
		want := ""
		if end := model.Expires(); !model.Empty() && (end.IsZero() || end.After(now)) {
			b, err := json.Marshal(model)
			if err != nil {
				r.Fatal(err)
			}
			want = string(b)
		}
		if got[name] != want {
			r.Errorf("%s is dumped as %s, want %s", name, got[name], want)
		}
	}
}

// What has ended goes from the server by itself, also where nobody asks for it.
func TestKeysEnd(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := opened(t, Options{URL: server.URL(), Keep: time.Millisecond})
	short := 5 * time.Millisecond
	if _, err := s.Apply(t.Context(), state.Batch{Scope: "s", Puts: []state.Put{{Name: "a", TTL: short}, {Name: "b", TTL: 2 * short}}}); err != nil {
		t.Fatal(err)
	}
	for _, op := range []state.CounterOp{
		state.Window{Name: "w", Period: short, Add: 1}, state.Distinct{Name: "d", Add: "m", TTL: short},
		state.Distinct{Name: "dropped", Add: "m"}, state.Drop{Name: "dropped"},
	} {
		if _, err := s.Count(t.Context(), "s", op); err != nil {
			t.Fatal(err)
		}
	}
	// The revision stays, and operation ids for ten minutes and up to ten more.
	for began := time.Now(); ; time.Sleep(time.Millisecond) {
		found, _ := server.Do(t, "KEYS", "gh:{*").([]any)
		stays := 0
		for _, key := range found {
			switch key {
			case s.keys.key("s", "v"):
				stays++
			case s.keys.key("s", "o0"), s.keys.key("s", "o1"):
				stays++
				if left, _ := server.Do(t, "PTTL", key).(int64); left <= 0 || left > (2*state.OperationLife).Milliseconds() {
					t.Errorf("%s ends in %d ms", key, left)
				}
			}
		}
		if stays == len(found) {
			return
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("still there: %v", found)
		}
	}
}

// Records that have ended go with the writes after them, though others stay.
func TestEndedRecordsAreSwept(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := opened(t, Options{URL: server.URL()})
	for i := range 25 {
		if i == 12 { // all that was there before has an end
			mustPut(t, s, "s", "stays")
		}
		if _, err := s.Apply(t.Context(), state.Batch{Scope: "s", Puts: []state.Put{{Name: fmt.Sprint(i), TTL: time.Minute}}}); err != nil {
			t.Fatal(err)
		}
	}
	ahead(s, time.Hour)
	for range 3 {
		mustPut(t, s, "s", "stays")
	}
	if n := server.Do(t, "HLEN", s.keys.key("s", "r")); n != int64(1) {
		t.Errorf("%v records are kept", n)
	}
	if left := server.Do(t, "PTTL", s.keys.key("s", "r")); left != int64(-1) {
		t.Errorf("what stays ends in %v ms", left)
	}
}
