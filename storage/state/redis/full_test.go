package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/redis/redistest"
)

// filled is a server whose memory is used up, and a store on it that has one of each
// kind. Batches of the scope "beats" are vital.
func filled(t *testing.T) (*redistest.Server, *Store) {
	t.Helper()
	server := redistest.Start(t)
	s := opened(t, Options{URL: server.URL(), Vital: func(b state.Batch) bool { return b.Scope == "beats" }})
	for name, mutate := range mutations(t.Context(), s) {
		if err := mutate(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	server.Do(t, "CONFIG", "SET", "maxmemory", "1")
	return server, s
}

// wantFull wants a call to have been refused, for now, and for this reason.
func wantFull(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, state.ErrFull) || !errors.Is(err, state.ErrAway) || errors.Is(err, state.ErrUnknown) {
		t.Errorf("%s: %v, want ErrFull, which is an ErrAway, alone", what, err)
	}
}

// The memory of the server is used up: what adds is refused, nothing of it is half
// made, and what is there can be read. With more memory all goes on.
func TestAFullServerTakesNothingMore(t *testing.T) {
	t.Parallel()
	server, s := filled(t)
	before := dumped(t, s)
	all := int64(100)
	for what, op := range map[string]state.CounterOp{
		"a new lease":        state.Lease{Name: "new", Holder: "h", SetLimit: &all, Want: 1},
		"a new window":       state.Window{Name: "new", Period: time.Hour, Add: 1},
		"a new set":          state.Distinct{Name: "new", Add: "m"},
		"a new member":       state.Distinct{Name: "d", Add: "other"},
		"one more than gone": state.Distinct{Name: "d", Add: "other", Remove: "stranger"},
	} {
		_, err := s.Count(t.Context(), "s", op)
		wantFull(t, what, err)
	}
	longer := []byte(strings.Repeat("x", 1000))
	for what, b := range map[string]state.Batch{
		"a new record":             {Puts: []state.Put{{Name: "b"}}},
		"a new one for a small":    {Puts: []state.Put{{Name: "b", Value: longer}}, Deletes: []string{"a"}},
		"a longer record":          {Puts: []state.Put{{Name: "a", Value: longer}}},
		"a new one beside the old": {Puts: []state.Put{{Name: "a", Value: []byte("a")}, {Name: "b"}}},
	} {
		b.Scope = "s"
		_, err := s.Apply(t.Context(), b)
		wantFull(t, what, err)
	}
	_, err := s.Append(t.Context(), "log", "", []byte("e"))
	wantFull(t, "an entry", err)
	_, err = s.Append(state.InRun(t.Context(), state.Run{Name: "n", Number: 1}), "log", "", []byte("e"))
	wantFull(t, "an entry of a run", err)
	if after := dumped(t, s); after != before {
		t.Errorf("what was refused has changed something:\n%s\nwas\n%s", after, before)
	}
	if _, err := s.Get(t.Context(), "s", "a"); err != nil {
		t.Errorf("get: %v", err)
	}
	server.Do(t, "CONFIG", "SET", "maxmemory", "0")
	mustPut(t, s, "s", "b")
}

// What keeps nodes alive, renews, gives back or takes out goes on at a full server:
// else nobody could make room.
func TestAFullServerLetsLive(t *testing.T) {
	t.Parallel()
	_, s := filled(t)
	none := int64(0)
	for i, op := range []state.CounterOp{
		state.Lease{Name: "l", Holder: "h", Commit: 1, Want: 1},
		state.Lease{Name: "l", Holder: "another", SetUsed: &none, Want: 1},
		state.Lease{Name: "l", Holder: "h", Commit: 1, ReleaseAll: true},
		state.Window{Name: "w", Period: time.Hour, Add: 1},
		state.Window{Name: "w", Period: time.Hour, Add: -1},
		state.Distinct{Name: "d", Add: "m", TTL: time.Hour},
		state.Distinct{Name: "d", Remove: "m"},
		state.Drop{Name: "l"},
	} {
		if _, err := s.Count(t.Context(), "s", op); err != nil {
			t.Errorf("%d, %+v: %v", i, op, err)
		}
	}
	for _, b := range []state.Batch{
		{Scope: "s", Puts: []state.Put{{Name: "a", Value: []byte("A"), TTL: time.Hour}}},              // renewed
		{Scope: "s", Puts: []state.Put{{Name: "a", Value: []byte(strings.Repeat("disabled", 20))}}},   // a little longer
		{Scope: "s", Puts: []state.Put{{Name: "small", Value: []byte("s")}}, Deletes: []string{"a"}},  // less than it takes out
		{Scope: "s", Deletes: []string{"small", "none"}},                                              //
		{Scope: "beats", Puts: []state.Put{{Name: "node", Value: []byte("there"), TTL: time.Minute}}}, // its last beat has ended
	} {
		if _, err := s.Apply(t.Context(), b); err != nil {
			t.Errorf("%+v: %v", b, err)
		}
	}
	vital := state.Vital(t.Context())
	if _, err := s.Append(vital, "log", "", []byte("who makes room")); err != nil {
		t.Errorf("append: %v", err)
	}
	if _, err := put(s, vital, "s", "room"); err != nil {
		t.Errorf("put: %v", err)
	}
	if _, err := s.Append(state.InRun(t.Context(), state.Run{Name: "n", Number: 2}), "log", ""); err != nil {
		t.Errorf("tell of a run: %v", err)
	}
	_, err := s.Append(state.InRun(vital, state.Run{Name: "n", Number: 1}), "log", "", []byte("late"))
	if !errors.Is(err, state.ErrOvertaken) {
		t.Errorf("an earlier run: %v", err)
	}
	if err := s.Trim(t.Context(), "log", 2); err != nil {
		t.Errorf("trim: %v", err)
	}
	if e, err := s.Read(t.Context(), "log", 0, 0); err != nil || len(e) > 0 {
		t.Errorf("after the trim: %v, %v", e, err)
	}
}

// What is deleted makes room by itself, with nobody to raise the limit.
func TestAFullServerRecovers(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	s := opened(t, Options{URL: server.URL()})
	server.Do(t, "CONFIG", "SET", "maxmemory", "12mb")
	big := []byte(strings.Repeat("x", 1<<20))
	full := 0
	for ; full < 20; full++ {
		b := state.Batch{Scope: "s", Puts: []state.Put{{Name: fmt.Sprint(full), Value: big}}}
		if _, err := s.Apply(t.Context(), b); err != nil {
			wantFull(t, "apply", err)
			break
		}
	}
	rooms, err := s.Memory(t.Context())
	if err != nil || len(rooms) != 1 || rooms[0].Max != 12<<20 || rooms[0].Server != server.Addr {
		t.Fatalf("memory %+v, %v", rooms, err)
	}
	if full == 0 || full == 20 || rooms[0].Used < 3*rooms[0].Max/4 {
		t.Fatalf("%d records fill it: %+v", full, rooms[0])
	}
	for i := range full {
		if _, err := s.Apply(t.Context(), state.Batch{Scope: "s", Deletes: []string{fmt.Sprint(i)}}); err != nil {
			t.Fatalf("delete: %v", err)
		}
	}
	for began := time.Now(); ; { // what was taken out goes in the background
		_, err := put(s, t.Context(), "s", "new")
		if err == nil {
			break
		}
		if wantFull(t, "put", err); time.Since(began) > 30*time.Second {
			t.Fatal("it does not recover")
		}
	}
	if now, err := s.Memory(t.Context()); err != nil || now[0].Used >= rooms[0].Used || now[0].Left() == 0 {
		t.Errorf("memory %+v, %v", now, err)
	}
}

// A Cluster refuses and lets live as one server does.
func fullCluster(t *testing.T, cluster *redistest.Cluster) {
	s := opened(t, Options{URL: cluster.URL(), Prefix: "full:"})
	for name, mutate := range mutations(t.Context(), s) {
		if err := mutate(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	limit := func(bytes string) {
		for _, m := range cluster.Masters {
			m.Do(t, "CONFIG", "SET", "maxmemory", bytes)
		}
	}
	limit("1")
	defer limit("0")
	_, err := put(s, t.Context(), "s", "new")
	wantFull(t, "put", err)
	_, err = s.Append(t.Context(), "log", "", []byte("e"))
	wantFull(t, "append", err)
	for _, step := range []struct {
		name string
		call func(context.Context) error
	}{
		{"renew", func(ctx context.Context) error { _, err := put(s, ctx, "s", "a"); return err }},
		{"delete", func(ctx context.Context) error {
			_, err := s.Apply(ctx, state.Batch{Scope: "s", Deletes: []string{"a"}})
			return err
		}},
		{"commit", func(ctx context.Context) error {
			_, err := s.Count(ctx, "s", state.Lease{Name: "l", Holder: "h", Commit: 1, Want: 1})
			return err
		}},
		{"vital", func(ctx context.Context) error { _, err := put(s, state.Vital(ctx), "t", "new"); return err }},
		{"trim", func(ctx context.Context) error { return s.Trim(ctx, "log", 1) }},
	} {
		if err := step.call(t.Context()); err != nil {
			t.Errorf("%s: %v", step.name, err)
		}
	}
	if rooms, err := s.Memory(t.Context()); err != nil || len(rooms) != 3 || rooms[1].Max != 1 || rooms[1].Left() != 0 || rooms[1].Share() < 1 {
		t.Errorf("memory %+v, %v", rooms, err)
	}
}
