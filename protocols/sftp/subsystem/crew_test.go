package subsystem

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// Many at once go on beside one another, few rest when they are done, and those
// take what comes next.
func TestCrew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrew()
		var done atomic.Int32
		let := make(chan struct{})
		for range 10 {
			c.do(func() { <-let; done.Add(1) })
		}
		synctest.Wait()
		close(let)
		synctest.Wait()
		if done.Load() != 10 || c.resting.Load() != mostResting {
			t.Fatalf("%d done and %d rest, want 10 and %d", done.Load(), c.resting.Load(), mostResting)
		}
		c.do(func() { done.Add(1) })
		synctest.Wait()
		if done.Load() != 11 || c.resting.Load() != mostResting {
			t.Errorf("%d done and %d rest, want 11 and %d", done.Load(), c.resting.Load(), mostResting)
		}
		c.do(func() { done.Add(1) })
		c.disband()
		if done.Load() != 12 {
			t.Errorf("%d done, want 12", done.Load())
		}
	})
}
