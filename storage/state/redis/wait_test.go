package redis

import (
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/redis/redistest"
	"gatehouse/storage/state/statetest"
)

// replicated starts a server and its replica, which has what the server has.
func replicated(t *testing.T) (master, replica *redistest.Server) {
	t.Helper()
	master = redistest.Start(t, "--repl-diskless-sync-delay", "0")
	host, port, err := net.SplitHostPort(master.Addr)
	if err != nil {
		t.Fatal(err)
	}
	replica = redistest.Start(t, "--replicaof", host, port)
	master.Do(t, "SET", "begun", "1")
	if n := master.Do(t, "WAIT", 1, 20_000); n != int64(1) {
		t.Fatalf("%v replicas", n)
	}
	return master, replica
}

// What was acknowledged is on the replica: a failover right after it loses nothing.
// What is not there yet is not acknowledged, however often it is asked for; it is
// once it is there, and was made once.
func TestChangesWaitForReplicas(t *testing.T) {
	t.Parallel()
	master, replica := replicated(t)
	wait := Wait{Replicas: 1, Timeout: 20 * time.Second, For: func(b state.Batch) bool { return b.Scope == "s" }}
	mustPut(t, opened(t, Options{URL: master.URL(), Wait: wait}), "s", "a")
	wait.Timeout = 300 * time.Millisecond
	s := opened(t, Options{URL: master.URL(), Wait: wait})
	r := opened(t, Options{URL: replica.URL()})
	if _, err := r.Get(t.Context(), "s", "a"); err != nil {
		t.Errorf("on the replica: %v", err)
	}

	replica.Pause(t)
	b := state.Batch{Scope: "s", ID: state.NewOperationID(), Puts: []state.Put{{Name: "b"}}}
	for range 3 {
		if _, err := s.Apply(t.Context(), b); !errors.Is(err, state.ErrUnknown) || errors.Is(err, state.ErrAway) {
			t.Errorf("with the replica away: %v, want ErrUnknown", err)
		}
	}
	if _, err := s.Get(t.Context(), "s", "b"); err != nil {
		t.Errorf("the change is not there: %v", err)
	}
	b.Checks = []state.Check{{Name: "a"}}
	b.ID = state.NewOperationID()
	if _, err := s.Apply(t.Context(), b); !errors.Is(err, state.ErrConflict) || errors.Is(err, state.ErrUnknown) {
		t.Errorf("what was refused: %v, want ErrConflict alone", err)
	}
	mustPut(t, s, "another", "c")
	for name, mutate := range mutations(t.Context(), s) {
		if name == "apply" {
			continue
		}
		if err := mutate(); err != nil {
			t.Errorf("%s waits: %v", name, err)
		}
	}
	replica.Resume(t)
	retried := state.Batch{Scope: "s", ID: state.NewOperationID(), Puts: []state.Put{{Name: "d"}}}
	for began := time.Now(); ; {
		result, err := s.Apply(t.Context(), retried)
		if err == nil {
			if result.Revision != 3 {
				t.Errorf("revision %d, want 3: it was made again", result.Revision)
			}
			break
		}
		if !errors.Is(err, state.ErrUnknown) || time.Since(began) > 30*time.Second {
			t.Fatalf("with the replica back: %v", err)
		}
	}
}

// The wait goes with the change: it costs no round trip of its own.
func TestWaitingIsNoRoundTrip(t *testing.T) {
	t.Parallel()
	master, _ := replicated(t)
	proxy := proxied(t, master.Addr)
	s := opened(t, Options{URL: "redis://" + proxy.Addr, Connections: 1, Wait: Wait{Replicas: 1, Timeout: 20 * time.Second}})
	mustPut(t, s, "s", "a") // sends the script
	before := proxy.trips()
	mustPut(t, s, "s", "b")
	if n := proxy.trips() - before; n != 1 {
		t.Errorf("%d round trips", n)
	}
}

// The answer gets lost with what was waited for: the change is made once.
func TestLostAnswerOfAWait(t *testing.T) {
	t.Parallel()
	master, _ := replicated(t)
	proxy := proxied(t, master.Addr)
	s := opened(t, Options{URL: "redis://" + proxy.Addr, Wait: Wait{Replicas: 1, Timeout: 20 * time.Second}})
	for want := range uint64(2) { // the first one sends the script too
		proxy.loseNext(1)
		if got := mustPut(t, s, "s", "a"); got != want+1 {
			t.Errorf("revision %d, want %d", got, want+1)
		}
	}
}

// In a Cluster the wait is on the server that has the scope, also when that has
// become another.
func TestWaitingInACluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	s := opened(t, Options{URL: cluster.URL(), Wait: Wait{Replicas: 1, Timeout: time.Millisecond}})
	for _, scope := range []string{"a", "b", "c", "d"} { // none has a replica
		if _, err := put(s, t.Context(), scope, "x"); !errors.Is(err, state.ErrUnknown) || errors.Is(err, state.ErrAway) {
			t.Errorf("%s: %v, want ErrUnknown", scope, err)
		}
		if _, err := s.Get(t.Context(), scope, "x"); err != nil {
			t.Errorf("%s: %v", scope, err)
		}
	}
}

// hasWaitAOF reports whether a server has WAITAOF, which is of Redis 7.2. What is shown
// with it is left out else: GATEHOUSE_REDIS_SERVER names a newer server.
func hasWaitAOF(t *testing.T, server *redistest.Server) bool {
	t.Helper()
	known, _ := server.Do(t, "COMMAND", "INFO", "waitaof").([]any)
	return len(known) > 0 && known[0] != nil
}

// A server that cannot say what is on its disk is refused at once, and not when
// somebody relies on it: an old one, one without an AOF, one that leaves it to the
// kernel when that is written.
func TestWaitingForTheDiskNeedsAServerThatTells(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	open := func() error {
		s, err := Open(t.Context(), Options{URL: server.URL(), Wait: Wait{AOF: true, Timeout: 20 * time.Second}})
		if err != nil {
			return err
		}
		mustPut(t, s, "s", "a")
		return s.Close()
	}
	if err := open(); hasWaitAOF(t, server) && err != nil || !hasWaitAOF(t, server) && !errors.Is(err, state.ErrInvalid) {
		t.Errorf("open: %v", err)
	}
	for _, setting := range [][]any{{"appendfsync", "no"}, {"appendonly", "no"}} {
		server.Do(t, append([]any{"CONFIG", "SET"}, setting...)...)
		if err := open(); !errors.Is(err, state.ErrInvalid) {
			t.Errorf("%v: %v, want ErrInvalid", setting, err)
		}
	}
}

// Everything that a store promises it promises also where each change waits for the disk.
func TestServerThatWaitsForTheDisk(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always")
	if !hasWaitAOF(t, server) {
		return
	}
	var n atomic.Int64
	statetest.Run(t, func(t *testing.T) state.Store {
		return openAt(t, Options{URL: server.URL(), Prefix: fmt.Sprintf("disk%d:", n.Add(1)), Wait: Wait{AOF: true, Timeout: 20 * time.Second}})
	}, statetest.Clock(ahead), statetest.ChangeLog(keep))
}

// What is acknowledged is on the disks of both; with the replica's away it is not
// acknowledged, and once it is back. The server's own disk waits for a second.
func TestChangesWaitForTheDisks(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "everysec", "--repl-diskless-sync-delay", "0")
	if !hasWaitAOF(t, server) {
		return
	}
	one := opened(t, Options{URL: server.URL(), Wait: Wait{AOF: true}})
	for range 3 {
		mustPut(t, one, "s", "a") // in the time that is waited by default
	}
	host, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	replica := redistest.Start(t, "--appendonly", "yes", "--appendfsync", "always", "--replicaof", host, port)
	server.Do(t, "SET", "begun", "1")
	server.Do(t, "WAIT", 1, 20_000)
	both := opened(t, Options{URL: server.URL(), Wait: Wait{AOF: true, Replicas: 1, Timeout: 20 * time.Second}})
	mustPut(t, both, "s", "b")

	replica.Pause(t)
	short := opened(t, Options{URL: server.URL(), Wait: Wait{AOF: true, Replicas: 1, Timeout: 100 * time.Millisecond}})
	b := state.Batch{Scope: "s", ID: state.NewOperationID(), Puts: []state.Put{{Name: "c"}}}
	if _, err := short.Apply(t.Context(), b); !errors.Is(err, state.ErrUnknown) || errors.Is(err, state.ErrAway) {
		t.Errorf("with the replica away: %v, want ErrUnknown", err)
	}
	replica.Resume(t)
	if r, err := both.Apply(t.Context(), b); err != nil || r.Revision != 5 {
		t.Errorf("with the replica back: %+v, %v, want revision 5", r, err)
	}
}

func TestTheAnswerOfAWait(t *testing.T) {
	for _, c := range []struct {
		wait   Wait
		answer any
		enough bool
	}{
		{Wait{Replicas: 1}, int64(1), true}, {Wait{Replicas: 2}, int64(1), false}, {Wait{Replicas: 1}, int64(3), true},
		{Wait{AOF: true}, []any{int64(1), int64(0)}, true}, {Wait{AOF: true}, []any{int64(0), int64(1)}, false},
		{Wait{AOF: true, Replicas: 1}, []any{int64(1), int64(0)}, false}, {Wait{AOF: true, Replicas: 1}, []any{int64(1), int64(1)}, true},
	} {
		if err := c.wait.enough(c.answer); (err == nil) != c.enough || err != nil && !errors.Is(err, errFewer) {
			t.Errorf("%+v, %v: %v", c.wait, c.answer, err)
		}
	}
}
