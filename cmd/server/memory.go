package server

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// lookEvery is how often the heap is looked at.
	lookEvery = 5 * time.Second
	// headroom is how much garbage a small heap may gather: collecting it costs
	// as much as what is alive, which is little, but each time.
	headroom = 64 << 20
	// restful is the most that is allocated between two looks by who is at rest,
	// and worthwhile, or a quarter of what is alive, what must have been since
	// memory was given back last: collecting a large heap is work.
	restful    = 1 << 20
	worthwhile = 4 << 20
)

// A heap is what the collector is steered by.
type heap struct {
	look    func() (allocated, live uint64)
	percent func(int)
	free    func()
}

func goHeap() heap {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:bytes"}, {Name: "/gc/heap/live:bytes"}}
	return heap{
		look: func() (allocated, live uint64) {
			metrics.Read(samples)
			return samples[0].Value.Uint64(), samples[1].Value.Uint64()
		},
		percent: func(p int) { debug.SetGCPercent(p) },
		free:    debug.FreeOSMemory,
	}
}

// keep collects a small heap seldom, and gives back what a burst has left (each
// password hash takes 19 MiB) when there is nothing to do; until ctx ends.
func (h heap) keep(ctx context.Context) {
	every := time.NewTicker(lookEvery)
	defer every.Stop()
	allocated, live := h.look()
	percent, freed := share(live), allocated
	h.percent(percent)
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		now, live := h.look()
		if now-allocated < restful && now-freed > max(worthwhile, live/4) {
			h.free()
			now, live = h.look()
			freed = now
		}
		allocated = now
		if p := share(live); p < percent*4/5 || p > percent*5/4 {
			percent = p
			h.percent(p)
		}
	}
}

// share is how much garbage may gather, in per cent of what is alive.
func share(live uint64) int {
	return int(min(max(100*headroom/max(live, 1), 100), 400))
}

// tuned reports whether somebody steers the collector from outside.
func tuned() bool { return os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" }
