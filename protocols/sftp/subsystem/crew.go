package subsystem

import (
	"sync"
	"sync/atomic"
)

// mostResting is how many goroutines of a crew wait for what comes next.
const mostResting = 2

// A crew works beside the reading of requests. A goroutine that has done one
// thing takes the next: each new one would grow its stack anew, which cost a
// tenth of the time of small files.
type crew struct {
	jobs    chan func()
	all     sync.WaitGroup
	resting atomic.Int32
}

func newCrew() *crew { return &crew{jobs: make(chan func())} }

// do has f done by whoever rests, or by one more.
func (c *crew) do(f func()) {
	select {
	case c.jobs <- f:
	default:
		c.all.Go(func() { c.work(f) })
	}
}

func (c *crew) work(f func()) {
	f()
	for c.resting.Add(1) <= mostResting {
		next, more := <-c.jobs
		c.resting.Add(-1)
		if !more {
			return
		}
		next()
	}
	c.resting.Add(-1)
}

// disband returns when everything is done. Nothing is done after it.
func (c *crew) disband() {
	close(c.jobs)
	c.all.Wait()
}
