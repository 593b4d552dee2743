package server

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A burst of logins leaves garbage that nothing collects while nothing is
// allocated: it is given back once, at rest, and not while there is work.
func TestMemoryIsGivenBackAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var allocated, live atomic.Uint64
		allocated.Store(100 << 20)
		live.Store(16 << 20)
		var percents []int
		var freed atomic.Int64
		h := heap{
			look:    func() (uint64, uint64) { return allocated.Load(), live.Load() },
			percent: func(p int) { percents = append(percents, p) },
			free:    func() { freed.Add(1); allocated.Add(1000) },
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); h.keep(ctx) }()
		pass := func() { time.Sleep(lookEvery); synctest.Wait() }
		synctest.Wait()

		pass()
		if freed.Load() != 0 {
			t.Fatal("freed though nothing was allocated")
		}
		for range 3 {
			allocated.Add(64 << 20)
			pass()
		}
		if freed.Load() != 0 {
			t.Fatal("freed in the middle of work")
		}
		pass()
		pass()
		pass()
		if freed.Load() != 1 {
			t.Fatalf("freed %d times at rest, want once", freed.Load())
		}
		live.Store(1 << 30) // many accounts: their heap is not let grow to several times its size
		pass()
		live.Store(1<<30 + 1<<20)
		pass()
		cancel()
		<-ended
		if len(percents) != 2 || percents[0] != 400 || percents[1] != 100 {
			t.Errorf("percents %v, want 400 and then 100", percents)
		}
	})
}
