package server

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/storage/events"
	"gatehouse/storage/state"
	"gatehouse/storage/state/redis"
	"gatehouse/storage/state/redis/redistest"
)

// The memory of Redis is used up: its nodes stay alive, get nobody new, and say why;
// with more memory all goes on by itself.
func TestAFullStoreKeepsItsNodes(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	g := launch(t, shared(t, server, nil))
	g.ready(t)
	g.becomes(t, "/readyz", http.StatusOK, "ready")
	store := storeOf(t, server)
	server.Do(t, "CONFIG", "SET", "maxmemory", "1")
	g.becomes(t, "/readyz", http.StatusServiceUnavailable, "the store is full")
	g.says(t, g.log, "the store is full")
	beats := func() uint64 {
		r, err := store.Revision(t.Context(), "nodes")
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for began, first := time.Now(), beats(); beats() < first+3; time.Sleep(10 * time.Millisecond) {
		if time.Since(began) > time.Minute {
			t.Fatal("the node is heard of no more")
		}
	}
	g.becomes(t, "/metrics", http.StatusOK, "gatehouse_node_held 1")
	g.becomes(t, "/metrics", http.StatusOK, `gatehouse_store_memory_max_bytes{server="`+server.Addr+`"} 1`)
	if code, text := g.asked(t, "/healthz"); code != http.StatusOK {
		t.Errorf("/healthz: %d %s", code, text)
	}
	server.Do(t, "CONFIG", "SET", "maxmemory", "0")
	g.becomes(t, "/readyz", http.StatusOK, "ready")
	g.says(t, g.log, "the store has room again")
	if text := g.log.String(); strings.Contains(text, "the store is away") {
		t.Errorf("it answered all the time:\n%s", text)
	}
	g.end(t)
}

// The trail is cut to what is kept also where Redis is full, for the first time too: it
// is what most makes room.
func TestAFullStoreIsCutToWhatIsKept(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	conf := shared(t, server, nil)
	store, err := redis.Open(t.Context(), RedisOptions(&conf.Config))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	sealer, err := Sealer(&conf.Config)
	if err != nil {
		t.Fatal(err)
	}
	trail, err := events.New(t.Context(), events.Config{State: store, Node: "a", Sealer: sealer, SignEvents: 5})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if err := trail.Record(t.Context(), events.Event{Kind: events.Login, Outcome: events.OK}); err != nil {
			t.Fatal(err)
		}
	}
	server.Do(t, "CONFIG", "SET", "maxmemory", "1")
	if err := trail.Record(t.Context(), events.Event{Kind: events.Login, Outcome: events.OK}); !errors.Is(err, state.ErrFull) {
		t.Errorf("record: %v, want ErrFull", err)
	}
	if err := trail.Retain(t.Context(), time.Now()); err != nil {
		t.Errorf("retain: %v", err)
	}
	if left, err := store.Read(t.Context(), events.Stream, 0, 0); err != nil || len(left) > 10 {
		t.Errorf("%d are left, %v", len(left), err)
	}
	server.Do(t, "CONFIG", "SET", "maxmemory", "0")
	if err := trail.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
}

// A shortage is told once, and once that it is over: not each time that a little goes
// or comes.
func TestAShortageIsToldOnce(t *testing.T) {
	var log bytes.Buffer
	var now redis.Memory
	var away error
	r := newRoom(func(context.Context) ([]redis.Memory, error) { return []redis.Memory{now}, away }, slog.New(slog.NewTextHandler(&log, nil)))
	for i, step := range []struct {
		used  uint64
		lines int
		last  string
		full  bool
	}{
		{10, 0, "", false}, {79, 0, "", false}, {80, 1, "nearly full", false}, {78, 1, "", false}, {83, 1, "", false},
		{101, 2, "is full", true}, {102, 2, "", true}, {99, 3, "has room again", false}, {76, 3, "", false}, {70, 3, "", false}, {85, 4, "nearly full", false},
	} {
		now = redis.Memory{Server: "s", Used: step.used, Max: 100}
		r.look(t.Context())
		lines := strings.Split(strings.TrimSuffix(log.String(), "\n"), "\n")
		if n := strings.Count(log.String(), "\n"); n != step.lines || !strings.Contains(lines[len(lines)-1], step.last) || (r.full() != nil) != step.full {
			t.Errorf("%d, %d used: full %v, %d lines:\n%s", i, step.used, r.full(), n, log.String())
		}
	}
	now, away = redis.Memory{Server: "s", Used: 200, Max: 100}, errors.New("away")
	if r.look(t.Context()); r.full() != nil {
		t.Error("what a server that is away did not say is known")
	}
	var none *room
	if err := none.full(); err != nil {
		t.Errorf("a gateway without Redis: %v", err)
	}
}

func TestDoctorTellsWhatMemoryIsLeft(t *testing.T) {
	const mib = 1 << 20
	for _, c := range []struct {
		m      redis.Memory
		level  string
		detail string
	}{
		{redis.Memory{Server: "s", Used: 10 * mib, Max: 100 * mib}, levelOK, "uses 10.0 MiB of 100.0 MiB, 90.0 MiB are left"},
		{redis.Memory{Server: "s", Used: 80 * mib, Max: 100 * mib}, levelWarning, "20.0 MiB are left"},
		{redis.Memory{Server: "s", Used: 101 * mib, Max: 100 * mib}, levelProblem, "takes nothing new"},
		{redis.Memory{Server: "s", Used: 10 * mib, Max: 100 * mib, Unbounded: true}, levelOK, "maxmemory is not set"},
		{redis.Memory{Server: "s", Used: 90 * mib, Max: 100 * mib, Unbounded: true}, levelWarning, "maxmemory is not set"},
		{redis.Memory{Server: "s"}, levelWarning, "does not tell"},
	} {
		if got := roomFinding(c.m); got.Level != c.level || !strings.Contains(got.Detail, c.detail) {
			t.Errorf("%+v: %+v, want %s and %q", c.m, got, c.level, c.detail)
		}
	}
}

// What nodes, the trail and those who end something need is made in a full store; what
// adds for good is not.
func TestWhatIsVital(t *testing.T) {
	for _, c := range []struct {
		scope, name string
		vital       bool
	}{
		{"nodes", "beat/a", true}, {"nodes:work", "a", true}, {"events", "anchor", true}, {"sessions:end", "a", true}, {"failures", "ban/a", true},
		{"failures", "lock/a", false}, {"accounts", "a", false}, {"sessions", "a", false}, {"logins", "a", false}, {"locks", "a", false},
	} {
		if got := vital(state.Batch{Scope: c.scope, Puts: []state.Put{{Name: c.name}}}); got != c.vital {
			t.Errorf("%s %s: %v", c.scope, c.name, got)
		}
	}
}
