package server

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A burst of logins leaves garbage that nothing collects while nothing is
// allocated: it is given back once, at rest, and not while there is work.
func TestMemoryIsGivenBackAtRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var allocated, live uint64 = 100 << 20, 16 << 20
		var percents []int
		freed := 0
		h := heap{
			look:    func() (uint64, uint64) { return allocated, live },
			percent: func(p int) { percents = append(percents, p) },
			free:    func() { freed++; allocated += 1000 },
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); h.keep(ctx) }()
		pass := func() { time.Sleep(lookEvery); synctest.Wait() }
		synctest.Wait()

		pass()
		if freed != 0 {
			t.Fatal("freed though nothing was allocated")
		}
		for range 3 {
			allocated += 64 << 20
			pass()
		}
		if freed != 0 {
			t.Fatal("freed in the middle of work")
		}
		pass()
		pass()
		pass()
		if freed != 1 {
			t.Fatalf("freed %d times at rest, want once", freed)
		}
		live = 1 << 30 // many accounts: their heap is not let grow to several times its size
		pass()
		live = 1<<30 + 1<<20
		pass()
		if len(percents) != 2 || percents[0] != 400 || percents[1] != 100 {
			t.Errorf("percents %v, want 400 and then 100", percents)
		}
		cancel()
		<-ended
	})
}
