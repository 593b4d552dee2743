package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"gatehouse/storage/state/redis/redistest"
)

// The master dies, and its replica takes over. What was promised to stand on both
// stands: every change of accounts that was confirmed.
func TestRedisFailsOver(t *testing.T) {
	t.Parallel()
	random, watched := seedOf(t), redistest.StartWatched(t)
	url := watched.URL()
	f := newFleet(t, url, url)
	for _, n := range f.nodes {
		n.stop()
		n.extra = append(n.extra, "GATEHOUSE_STATE_WAIT_REPLICAS=1")
	}
	for i := range f.nodes {
		f.start(i)
	}
	f.admit(f.nodes[0], "anna", 100*uploadSize)
	list := f.arrivals(random, "anna")
	made := f.register()
	watched.Master.Kill(t)
	names := made()
	for _, n := range f.nodes {
		f.says(n, http.StatusOK)
	}
	f.within(patience, "all that was confirmed is there", func() error { // the node has to hear of the last ones
		for _, name := range names {
			if err := f.nodes[1].api(http.MethodGet, "/accounts/"+name, nil, nil); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		return nil
	})
	t.Logf("%d accounts were confirmed until the master died", len(names))
	watched.Master.Start(t) // as a replica of the other, which alone can promise nothing
	f.within(patience, "the former master follows", func() error {
		if text := fmt.Sprint(watched.Replica.Do(t, "INFO", "replication")); !strings.Contains(text, "state=online") {
			return errors.New(text)
		}
		return nil
	})
	e := finish(list)
	if n := f.ended(list, e); n == 0 {
		t.Errorf("none of %d uploads came to its end: %v", len(list), errors.Join(e.errs...))
	}
	f.serves(random, "anna")
	f.sound(f.nodes[0])
}

// register makes accounts at all nodes, as fast as it goes, until they are refused.
// It returns once some are made; what it returns gives the names of all.
func (f *fleet) register() (names func() []string) {
	f.t.Helper()
	const some = 20
	var all sync.WaitGroup
	var mu sync.Mutex
	var made []string
	begun := make(chan struct{})
	for i, n := range f.nodes {
		all.Go(func() {
			for k := range 10_000 {
				name := fmt.Sprintf("made-%d-%d", i, k)
				if err := n.api(http.MethodPost, "/accounts", map[string]any{"username": name}, nil); err != nil {
					return
				}
				mu.Lock()
				if made = append(made, name); len(made) == some {
					close(begun)
				}
				mu.Unlock()
			}
		})
	}
	select {
	case <-begun:
	case <-time.After(patience):
		f.t.Fatal("no accounts are made")
	}
	return func() []string { all.Wait(); return made }
}
