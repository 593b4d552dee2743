package nodes

import "time"

// An instant is a moment by both clocks: the monotonic one stands still while the
// machine is suspended, and the wall clock can be set.
type instant struct {
	monotonic time.Duration
	wall      time.Duration
}

// clock returns how instants are read.
func clock() func() instant {
	base := time.Now()
	return func() instant {
		t := time.Now()
		return instant{monotonic: t.Sub(base), wall: time.Duration(t.UnixNano())}
	}
}

// since is how long ago an earlier instant was at most: the more by either clock.
func (i instant) since(earlier instant) time.Duration {
	return max(i.monotonic-earlier.monotonic, i.wall-earlier.wall)
}

// atLeast is how long ago an earlier instant was at least: only the monotonic clock
// never goes too fast.
func (i instant) atLeast(earlier instant) time.Duration { return i.monotonic - earlier.monotonic }
