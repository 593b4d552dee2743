package redis

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/redis/redistest"
)

// A master of a Cluster is killed, and its replica takes its place: what was
// acknowledged with it is there, what was not may be asked for again and is made once,
// and what the servers promise is asked of who is written to now.
func TestAPromotionInAClusterKeepsWhatWasPromised(t *testing.T) {
	t.Parallel()
	cluster := redistest.StartCluster(t)
	s := opened(t, Options{URL: cluster.URL(), Wait: Wait{Replicas: 1, Timeout: 20 * time.Second, For: func(b state.Batch) bool { return b.Scope == "s" }}})
	slot := cluster.Masters[0].Do(t, "CLUSTER", "KEYSLOT", s.keys.key("s", "v")).(int64)
	master := cluster.Masters[slot*3/16384]
	replica := cluster.Replicate(t, master, "--appendonly", "yes", "--appendfsync", "always")
	if names := servers(t, s); slices.Contains(names, replica.Addr) || !slices.Contains(names, master.Addr) {
		t.Errorf("it asks %q, want who is written to", names)
	}
	const n = 50
	for i := range n {
		mustPut(t, s, "s", fmt.Sprint(i))
	}

	// One more, of which nobody hears before the master is gone.
	replica.Pause(t)
	hasty := opened(t, Options{URL: cluster.URL(), Wait: Wait{Replicas: 1, Timeout: 50 * time.Millisecond}})
	b := state.Batch{Scope: "s", ID: state.NewOperationID(), Puts: []state.Put{{Name: "unheard"}}}
	if _, err := hasty.Apply(t.Context(), b); !errors.Is(err, state.ErrUnknown) {
		t.Errorf("with the replica away: %v, want ErrUnknown", err)
	}
	master.Kill(t)
	replica.Resume(t)
	cluster.Promote(t, replica)

	alone := opened(t, Options{URL: cluster.URL()})
	for i := range n {
		if r, err := alone.Get(t.Context(), "s", fmt.Sprint(i)); err != nil || r.Revision != uint64(i+1) {
			t.Errorf("%d was acknowledged: %+v, %v", i, r, err)
		}
	}
	for began := time.Now(); ; { // the store has to hear of the promotion
		r, err := alone.Apply(t.Context(), b)
		if err == nil {
			if r.Revision != n+1 {
				t.Errorf("asked for again it is at %d, want %d", r.Revision, n+1)
			}
			break
		}
		if !errors.Is(err, state.ErrAway) || time.Since(began) > 30*time.Second {
			t.Fatalf("asked for again: %v", err)
		}
	}
	// Who is the master now has no replica: what waits for one is not acknowledged.
	for began := time.Now(); ; {
		_, err := put(hasty, t.Context(), "s", "more")
		if errors.Is(err, state.ErrUnknown) && !errors.Is(err, state.ErrAway) {
			break
		}
		if !errors.Is(err, state.ErrAway) || time.Since(began) > 30*time.Second {
			t.Fatalf("without a replica: %v, want ErrUnknown", err)
		}
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		found, err := alone.Durability(t.Context())
		at := slices.IndexFunc(found, func(d Durability) bool { return d.Server == replica.Addr })
		if err == nil && at >= 0 {
			if d := found[at]; d.AppendOnly != "yes" || d.Fsync != "always" {
				t.Errorf("of who was promoted it says %+v", d)
			}
			break
		}
		if time.Since(began) > 30*time.Second {
			t.Fatalf("it does not ask who was promoted: %+v, %v", found, err)
		}
	}
}

// servers are those that are asked how durable the state is.
func servers(t *testing.T, s *Store) []string {
	t.Helper()
	found, err := s.Durability(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, d := range found {
		names = append(names, d.Server)
	}
	return names
}
