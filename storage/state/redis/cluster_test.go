package redis

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/redis/redistest"
	"gatehouse/storage/state/statetest"
)

// TestCluster has all its tests share the servers, which take long to find each other.
func TestCluster(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	t.Run("suite", func(t *testing.T) {
		statetest.Run(t, inPrefixes(cluster.URL()), statetest.Clock(ahead), statetest.ChangeLog(keep))
	})
	t.Run("names of any kind", func(t *testing.T) { namesOfAnyKind(t, cluster) })
	t.Run("a Cluster that is not said to be one", func(t *testing.T) { clusterUnsaid(t, cluster) })
	t.Run("a dump is of one moment of all servers", func(t *testing.T) { oneMoment(t, cluster) })
	t.Run("a slot moves", func(t *testing.T) { slotMoves(t, cluster) })
	t.Run("no memory is left", func(t *testing.T) { fullCluster(t, cluster) })
	t.Run("lost answers", func(t *testing.T) { lostInCluster(t, cluster) })
}

// Names have what ends a hash tag, what escapes it, and what a pattern is made of.
func namesOfAnyKind(t *testing.T, cluster *redistest.Cluster) {
	s := opened(t, Options{URL: cluster.URL(), Prefix: "names:"})
	names := []string{"%", "%7D", "*", "?", "[", "\\", "a:v", "a}:v", "{", "{}", "}", "}{", "ä", "\xff"}
	for i, name := range names {
		mustPut(t, s, name, name)
		if _, err := s.Append(t.Context(), name, "", fmt.Append(nil, i)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Count(t.Context(), name, state.Distinct{Name: name + "}:v", Add: "m"}); err != nil {
			t.Fatal(err)
		}
	}
	scopes, err := s.Scopes(t.Context(), "", 0)
	if err != nil || strings.Join(scopes, " ") != strings.Join(names, " ") {
		t.Errorf("scopes %q, %v, want %q", scopes, err, names)
	}
	for i, name := range names {
		if r, err := s.Get(t.Context(), name, name); err != nil || string(r.Value) != name {
			t.Errorf("%q: %+v, %v", name, r, err)
		}
		if e, err := s.Read(t.Context(), name, 0, 0); err != nil || len(e) != 1 || string(e[0].Value) != fmt.Sprint(i) {
			t.Errorf("%q: %+v, %v", name, e, err)
		}
	}
	if text := dumped(t, s); strings.Count(text, "\n") != 5*len(names) {
		t.Errorf("dumped %s", text)
	}
}

// A server of a Cluster is taken for one alone: the error says what to do.
func clusterUnsaid(t *testing.T, cluster *redistest.Cluster) {
	refused := 0
	for _, m := range cluster.Masters {
		s, err := Open(t.Context(), Options{URL: m.URL()})
		switch {
		case err == nil: // the one that has the key which is asked for
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		case strings.Contains(err.Error(), "cluster=true"):
			refused++
		default:
			t.Errorf("open: %v", err)
		}
	}
	if refused != 2 {
		t.Errorf("%d of three servers refused", refused)
	}
}

// A slot moves to another server of a Cluster while it is written: nothing is
// lost, and nothing made twice.
func slotMoves(t *testing.T, cluster *redistest.Cluster) {
	s := opened(t, Options{URL: cluster.URL(), Prefix: "moves:"})
	mustPut(t, s, "s", "0")
	slot := cluster.Masters[0].Do(t, "CLUSTER", "KEYSLOT", s.keys.key("s", "v"))
	var from, to *redistest.Server
	for i, m := range cluster.Masters {
		if n, _ := m.Do(t, "CLUSTER", "COUNTKEYSINSLOT", slot).(int64); n > 0 {
			from, to = m, cluster.Masters[(i+1)%3]
		}
	}
	changes, err := s.Watch(t.Context(), "s", 0)
	if err != nil {
		t.Fatal(err)
	}
	move := cluster.Move(t, slot, from, to)
	// Keys that are nowhere yet, as that of new operation ids, may be at either
	// server: neither can do it now.
	if _, err := put(s, t.Context(), "s", "1"); err != nil && (!errors.Is(err, state.ErrAway) || errors.Is(err, state.ErrUnknown)) {
		t.Errorf("put amid the move: %v, want ErrAway alone", err)
	}
	move.Keys(t)
	if r, err := s.Get(t.Context(), "s", "0"); err != nil || string(r.Value) != "0" {
		t.Errorf("get amid the move: %+v, %v", r, err)
	}
	move.Finish(t)
	for i, name := range []string{"1", "2"} {
		if revision := eventually(t, s, "s", name); revision != uint64(i+2) {
			t.Errorf("revision %d after the move, want %d", revision, i+2)
		}
	}
	for i := range 3 {
		wantChange(t, changes, state.Change{Revision: uint64(i + 1), Name: fmt.Sprint(i)})
	}
	if n, _ := to.Do(t, "CLUSTER", "COUNTKEYSINSLOT", slot).(int64); n == 0 {
		t.Error("the slot did not move")
	}
}

// Writers write to one scope, then to another, which lie on other servers: no
// dump has the later change without the earlier.
func oneMoment(t *testing.T, cluster *redistest.Cluster) {
	// The writers that wait hold all connections but the one of the dump.
	s := opened(t, Options{URL: cluster.URL(), Prefix: "moment:", Connections: 4})
	ctx, cancel := context.WithCancel(t.Context())
	var writers sync.WaitGroup
	bulk := state.Batch{Scope: "bulk"} // so that one server takes longer to tell what it has
	for i := range 5000 {
		bulk.Puts = append(bulk.Puts, state.Put{Name: fmt.Sprint(i)})
	}
	if _, err := s.Apply(t.Context(), bulk); err != nil {
		t.Fatal(err)
	}
	writers.Go(func() {
		for ctx.Err() == nil {
			if _, err := put(s, t.Context(), "bulk", "n"); err != nil {
				t.Errorf("put: %v", err)
				return
			}
		}
	})
	for w := range 8 {
		writers.Go(func() {
			for ctx.Err() == nil {
				for _, scope := range []string{"first", "then"} {
					if _, err := put(s, t.Context(), fmt.Sprint(scope, w), "n"); err != nil {
						t.Errorf("put: %v", err)
						return
					}
				}
			}
		})
	}
	for range 20 {
		seen := make(map[string]uint64)
		for item, err := range s.Dump(t.Context()) {
			if err != nil {
				t.Errorf("dump: %v", err)
				break
			}
			if item.Kind == state.ItemScope {
				seen[item.Scope] = item.Revision
			}
		}
		for w := range 8 {
			if first, then := seen[fmt.Sprint("first", w)], seen[fmt.Sprint("then", w)]; then > first || first > then+1 {
				t.Errorf("the first of %d is at %d, the one after it at %d", w, first, then)
			}
		}
	}
	cancel()
	writers.Wait()
}

// Answers of a Cluster get lost: the client of one has a way of its own to try again.
func lostInCluster(t *testing.T, cluster *redistest.Cluster) {
	var proxies []*proxy
	var ports []string
	for _, m := range cluster.Masters {
		p := proxied(t, m.Addr)
		_, port, err := net.SplitHostPort(p.Addr)
		if err != nil {
			t.Fatal(err)
		}
		m.Do(t, "CONFIG", "SET", "cluster-announce-port", port)
		proxies, ports = append(proxies, p), append(ports, port)
	}
	for _, m := range cluster.Masters {
		for began := time.Now(); !knows(fmt.Sprint(m.Do(t, "CLUSTER", "NODES")), ports); time.Sleep(10 * time.Millisecond) {
			if time.Since(began) > 30*time.Second {
				t.Fatal("the masters do not hear of the proxies")
			}
		}
	}
	s := opened(t, Options{URL: "redis://" + proxies[0].Addr + "?cluster=true", Prefix: "lost:"})
	for name, mutate := range mutations(t.Context(), s) {
		for range 2 {
			for _, p := range proxies {
				p.loseNext(1)
			}
			if err := mutate(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	wantTwice(t, s)
	// Nor does trying again settle it, where nobody listens any more: that the
	// change may have been made is told.
	for _, p := range proxies {
		p.loseLast()
	}
	if _, err := put(s, t.Context(), "s", "a"); !errors.Is(err, state.ErrUnknown) {
		t.Errorf("put: %v, want ErrUnknown", err)
	}
}

func knows(nodes string, ports []string) bool {
	for _, port := range ports {
		if !strings.Contains(nodes, ":"+port+"@") {
			return false
		}
	}
	return true
}
