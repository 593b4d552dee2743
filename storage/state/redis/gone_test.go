package redis

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/redis/redistest"
)

// Who goes away while a server hangs is let go at once, also without a deadline: what
// was asked for may be made, and a retry with its id makes it once.
func TestACallerWhoGoesIsLetGo(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := proxied(t, server.Addr)
	s := opened(t, Options{URL: "redis://" + proxy.Addr, Timeout: time.Minute})
	mustPut(t, s, "s", "a")
	server.Pause(t)
	ctx, cancel := context.WithCancel(t.Context())
	b := state.Batch{Scope: "s", ID: state.NewOperationID(), Puts: []state.Put{{Name: "b"}}}
	calls := map[string]func() error{
		"apply": func() error { _, err := s.Apply(ctx, b); return err },
		"get":   func() error { _, err := s.Get(ctx, "s", "a"); return err },
		"read":  func() error { _, err := s.Read(ctx, "log", 0, 0); return err },
		"ask":   func() error { _, err := s.Durability(ctx); return err },
	}
	before := proxy.trips()
	var all sync.WaitGroup
	ended := make(map[string]error)
	var mu sync.Mutex
	for name, call := range calls {
		all.Go(func() {
			err := call()
			mu.Lock()
			defer mu.Unlock()
			ended[name] = err
		})
	}
	for proxy.trips() < before+len(calls) { // they were sent
		time.Sleep(time.Millisecond)
	}
	cancel()
	all.Wait() // a minute, else
	for name, err := range ended {
		if !errors.Is(err, context.Canceled) || errors.Is(err, state.ErrUnknown) != (name == "apply") {
			t.Errorf("%s: %v, want that it was cancelled, and of apply alone ErrUnknown", name, err)
		}
	}
	server.Resume(t)
	if r, err := s.Apply(t.Context(), b); err != nil || r.Revision != 2 {
		t.Errorf("the retry: %+v, %v, want revision 2", r, err)
	}
	if r, err := s.Revision(t.Context(), "s"); err != nil || r != 2 {
		t.Errorf("revision %d, %v: it was made twice", r, err)
	}
}

// A server hangs, and 500 ask for something at once, far more than there are
// connections: the time of one call is that of all of its parts, and once the server
// is known to be away nobody waits as long for it again. It answers, and all goes on.
func TestManyCallersOfAServerThatHangs(t *testing.T) {
	t.Parallel()
	const callers, timeout = 500, 8 * time.Second
	server := redistest.Start(t)
	s := opened(t, Options{URL: server.URL(), Timeout: timeout, Connections: 4})
	mustPut(t, s, "s", "a")
	server.Pause(t)
	askAtOnce := func(slow time.Duration) (slower int) {
		var all sync.WaitGroup
		took := make([]time.Duration, callers)
		for i := range callers {
			all.Go(func() {
				began := time.Now()
				if _, err := s.Get(t.Context(), "s", "a"); !errors.Is(err, state.ErrAway) || errors.Is(err, state.ErrUnknown) {
					t.Errorf("get: %v, want ErrAway", err)
				}
				took[i] = time.Since(began)
			})
		}
		all.Wait()
		for _, d := range took {
			if d > slow {
				slower++
			}
		}
		return slower
	}
	if n := askAtOnce(timeout * 7 / 4); n > 0 {
		t.Errorf("%d took far longer than %v", n, timeout)
	}
	if !s.Away() {
		t.Error("it is not known to be away")
	}
	probing, left := context.WithCancel(t.Context())
	var probe sync.WaitGroup
	probe.Go(func() {
		for probing.Err() == nil { // else it may be over before it is seen
			_, _ = s.Get(probing, "s", "a")
		}
	})
	for s.reach.asks() == nil {
		time.Sleep(time.Millisecond)
	}
	if n := askAtOnce(timeout * 7 / 8); n > 2 { // one at a time finds out
		t.Errorf("while it is known to be away %d took longer than %v", n, timeout*7/8)
	}
	left()
	probe.Wait()
	server.Resume(t)
	if r := eventually(t, s, "s", "b"); r != 2 {
		t.Errorf("revision %d", r)
	}
	if s.Away() {
		t.Error("it has answered, and is taken to be away")
	}
}

// asks is what somebody waits for who asks whether the server is back.
func (r *reach) asks() chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.probe
}

// The server is gone: nobody is kept waiting by others who find it out.
func TestAServerThatIsGoneIsKnownToBeAway(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t, "--appendonly", "yes")
	s := opened(t, Options{URL: server.URL()})
	mustPut(t, s, "s", "a")
	if s.Away() {
		t.Error("it is there, and taken to be away")
	}
	server.Stop(t)
	if _, err := s.Get(t.Context(), "s", "a"); !errors.Is(err, state.ErrAway) {
		t.Errorf("get: %v", err)
	}
	if !s.Away() {
		t.Error("it is gone, and taken to be there")
	}
	server.Start(t)
	if r := eventually(t, s, "s", "b"); r != 2 || s.Away() {
		t.Errorf("revision %d, away %v", r, s.Away())
	}
}

// A slow answer, a lost one and one that says no are no absence.
func TestWhatIsNoAbsence(t *testing.T) {
	t.Parallel()
	server := redistest.Start(t)
	proxy := proxied(t, server.Addr)
	s := opened(t, Options{URL: "redis://" + proxy.Addr, Timeout: time.Minute})
	mustPut(t, s, "s", "a")
	proxy.loseNext(1)
	mustPut(t, s, "s", "b")
	server.Pause(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if _, err := s.Get(ctx, "s", "a"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("get: %v", err)
	}
	server.Resume(t)
	server.Do(t, "CONFIG", "SET", "maxmemory", "1")
	_, err := put(s, t.Context(), "s", "c")
	wantFull(t, "put", err)
	if s.Away() {
		t.Error("it is taken to be away")
	}
}
