package counter

import (
	"time"

	"gatehouse/storage/state"
)

// parts is how finely a window tells events apart: it bounds its size.
const parts = 64

// A Window is the events of a while, oldest first, in at most a few more than
// parts buckets.
type Window struct {
	Period  time.Duration `json:"period"` // the longest asked for of late
	Buckets []Bucket      `json:"buckets,omitempty"`
}

// A Bucket is events close together: they leave the window with the last one.
type Bucket struct {
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	Count int64     `json:"count"`
}

func (w *Window) do(op state.Window, now time.Time) state.CounterValue {
	now = now.Round(0).UTC()
	if len(w.Buckets) == 0 || op.Period > w.Period {
		w.Period = op.Period
	}
	for len(w.Buckets) > 0 && !w.Buckets[0].Last.Add(w.Period).After(now) {
		w.Buckets = w.Buckets[1:]
	}
	count := w.count(op.Period, now)
	switch {
	case op.Add == 0 || op.Add > 0 && op.Max > 0 && sum(count, op.Add) > op.Max:
		return state.CounterValue{Count: count}
	case op.Add > 0:
		w.add(op, now)
	default:
		w.takeBack(-op.Add)
	}
	return state.CounterValue{Count: w.count(op.Period, now), Granted: 1}
}

func (w *Window) count(period time.Duration, now time.Time) int64 {
	var all int64
	for _, b := range w.Buckets {
		if b.Last.Add(period).After(now) {
			all = sum(all, b.Count)
		}
	}
	return all
}

func (w *Window) add(op state.Window, now time.Time) {
	if n := len(w.Buckets); n > 0 {
		last := &w.Buckets[n-1]
		if now.Before(last.Last) { // the clock was set back
			now = last.Last
		}
		if now.Sub(last.First) < max(op.Period/parts, 1) {
			last.Last, last.Count = now, sum(last.Count, op.Add)
			return
		}
	}
	w.Buckets = append(w.Buckets, Bucket{First: now, Last: now, Count: op.Add})
}

func (w *Window) takeBack(n int64) {
	for n > 0 && len(w.Buckets) > 0 {
		last := &w.Buckets[len(w.Buckets)-1]
		if last.Count > n {
			last.Count -= n
			return
		}
		n -= last.Count
		w.Buckets = w.Buckets[:len(w.Buckets)-1]
	}
}

func (w *Window) expires() time.Time {
	if len(w.Buckets) == 0 {
		return time.Time{}
	}
	return w.Buckets[len(w.Buckets)-1].Last.Add(w.Period)
}
