package data

import (
	"sync"
	"time"
)

// A watch calls stalled once when progress returns the same figure for a limit's
// time, until it is stopped. It looks at the socket, not at who reads or writes
// it: pieces that go through the kernel take as long as the client needs.
type watch struct {
	limit    time.Duration
	progress func() int64
	stalled  func()

	mu      sync.Mutex // guards what follows
	timer   *time.Timer
	stopped bool
	last    int64
	since   time.Time
}

func newWatch(limit time.Duration, progress func() int64, stalled func()) *watch {
	w := &watch{limit: limit, progress: progress, stalled: stalled, last: -1, since: time.Now()}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.pause(), w.look)
	return w
}

func (w *watch) pause() time.Duration { return max(w.limit/8, time.Millisecond) }

func (w *watch) look() {
	if w.stuck() {
		w.stalled()
	}
}

func (w *watch) stuck() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return false
	}
	if now := w.progress(); now != w.last {
		w.last, w.since = now, time.Now()
	} else if time.Since(w.since) >= w.limit {
		w.stopped = true
		return true
	}
	w.timer.Reset(w.pause())
	return false
}

func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
}
