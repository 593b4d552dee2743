package main

import (
	"context"
	"time"
)

// A sample is what one server needed for one piece of work.
type sample struct {
	Amount float64       `json:"amount"` // GiB, operations, sessions: the work's unit
	Wall   time.Duration `json:"wall_ns"`
	CPU    time.Duration `json:"cpu_ns"`
	Peak   int64         `json:"peak_bytes"`
	Grown  int64         `json:"grown_bytes"`            // the peak beyond what was occupied before
	Memory float64       `json:"memory_bytes,omitempty"` // of each session
	Count  float64       `json:"count,omitempty"`
}

// A meter measures one piece of work on one server. The work says when it begins
// and ends: what it prepares is not measured.
type meter struct {
	server *server
	proof  bool // nothing is measured: the work looks whether all is right
	sample sample
	began  time.Time
	spent  time.Duration
	before int64              // bytes occupied
	stop   context.CancelFunc // ends the sampling of memory
	peaks  chan int64
}

const (
	lookEvery  = 50 * time.Millisecond // at the memory of servers with several processes
	quietFor   = 30 * time.Millisecond
	quietBelow = 300 * time.Microsecond // of processor time
	patience   = 2 * time.Second        // with a server that is never quiet
)

// begin waits until the server does nothing, and starts to measure.
func (m *meter) begin(ctx context.Context) error {
	spent, err := m.settled(ctx)
	if err != nil {
		return err
	}
	m.server.running.forgetPeak()
	if m.before, err = m.server.running.occupied(); err != nil {
		return err
	}
	m.watch(ctx)
	m.spent, m.began = spent, time.Now()
	return nil
}

// end measures, with what the server does afterwards by itself.
func (m *meter) end(ctx context.Context, amount float64) error {
	m.sample.Wall, m.sample.Amount = time.Since(m.began), amount
	m.stop()
	sampled := <-m.peaks
	spent, err := m.settled(ctx)
	if err != nil {
		return err
	}
	m.sample.CPU = spent - m.spent
	exact, err := m.server.running.peak()
	m.sample.Peak = max(exact, sampled)
	m.sample.Grown = max(0, m.sample.Peak-m.before)
	return err
}

// settled is the processor time of the server once that hardly grows any more.
func (m *meter) settled(ctx context.Context) (time.Duration, error) {
	last, err := m.server.running.processorTime()
	for limit := time.Now().Add(patience); err == nil && time.Now().Before(limit); {
		if err := pause(ctx, quietFor); err != nil {
			return 0, err
		}
		var now time.Duration
		now, err = m.server.running.processorTime()
		if now-last < quietBelow {
			return now, err
		}
		last = now
	}
	return last, err
}

// watch looks at the server's memory until stop, and then says how much it was
// at most. One process alone is asked at the end, which costs nothing.
func (m *meter) watch(ctx context.Context) {
	ctx, m.stop = context.WithCancel(ctx)
	m.peaks = make(chan int64, 1)
	p := m.server.running
	go func() {
		var most int64
		for again := true; again; again = pause(ctx, lookEvery) == nil {
			if pids, err := p.pids(); err != nil || len(pids) < 2 {
				continue
			}
			if now, err := p.memory(); err == nil {
				most = max(most, now)
			}
		}
		m.peaks <- most
	}()
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
