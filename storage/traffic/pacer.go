package traffic

import (
	"context"
	"slices"
	"sync"
	"time"
)

// A pacer lets so much pass per second, and shares that fairly among those who
// wait: whoever was served least comes next, however small or many its pieces.
type pacer struct {
	burst time.Duration // how far ahead of its rate it lets pass

	mu    sync.Mutex // guards what follows, and the queues
	rate  int64      // per second; 0 is unbounded
	ready time.Time  // when all that has passed is paid for at the rate
	turns []*queue   // those with somebody waiting
	floor int64      // what who comes newly to wait is taken to have been served
	timer *time.Timer
}

// A queue is one session's place at a pacer.
type queue struct {
	served  int64
	waiters []*waiter
}

type waiter struct {
	n    int64
	pass chan struct{} // closed when it is its turn
}

func newPacer(burst time.Duration) *pacer {
	p := &pacer{burst: burst}
	p.timer = time.AfterFunc(time.Hour, p.turn)
	p.timer.Stop()
	return p
}

// set changes the rate, at once for those who wait already.
func (p *pacer) set(rate int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate != rate {
		p.rate = rate
		p.ready = earlier(p.ready, time.Now().Add(p.burst))
		p.serve(time.Now())
	}
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// wait returns when n may pass, or with the cause of ctx's end.
func (p *pacer) wait(ctx context.Context, q *queue, n int64) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	w := p.enter(q, n)
	if w == nil {
		return nil
	}
	select {
	case <-w.pass:
		return nil
	case <-ctx.Done():
		p.leave(q, w)
		return context.Cause(ctx)
	}
}

// enter lets n pass at once, or returns who waits for it.
func (p *pacer) enter(q *queue, n int64) *waiter {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate == 0 {
		return nil
	}
	now := time.Now()
	if len(q.waiters) == 0 {
		q.served = max(q.served, p.floor)
	}
	if len(p.turns) == 0 && p.open(now) {
		p.spend(now, q, n)
		return nil
	}
	w := &waiter{n: n, pass: make(chan struct{})}
	if len(q.waiters) == 0 {
		p.turns = append(p.turns, q)
	}
	q.waiters = append(q.waiters, w)
	p.serve(now)
	return w
}

func (p *pacer) leave(q *queue, w *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(q.waiters, w); i >= 0 {
		p.remove(q, i)
		p.serve(time.Now())
	}
}

func (p *pacer) remove(q *queue, i int) {
	q.waiters = slices.Delete(q.waiters, i, i+1)
	if len(q.waiters) == 0 {
		p.turns = slices.DeleteFunc(p.turns, func(other *queue) bool { return other == q })
	}
}

func (p *pacer) turn() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.serve(time.Now())
}

// serve lets pass whose turn it is, and sets the timer for the next. p.mu is held.
func (p *pacer) serve(now time.Time) {
	for len(p.turns) > 0 && (p.rate == 0 || p.open(now)) {
		q := slices.MinFunc(p.turns, func(a, b *queue) int { return int(min(max(a.served-b.served, -1), 1)) })
		w := q.waiters[0]
		p.remove(q, 0)
		p.spend(now, q, w.n)
		close(w.pass)
	}
	if len(p.turns) == 0 {
		p.timer.Stop()
		return
	}
	p.timer.Reset(p.ready.Add(-p.burst).Sub(now))
}

func (p *pacer) open(now time.Time) bool { return !p.ready.After(now.Add(p.burst)) }

func (p *pacer) spend(now time.Time, q *queue, n int64) {
	p.floor = max(p.floor, q.served)
	q.served += n
	if p.rate == 0 {
		return
	}
	if p.ready.Before(now) {
		p.ready = now
	}
	p.ready = p.ready.Add(p.cost(n))
}

// refund takes back what was let pass and did not.
func (p *pacer) refund(q *queue, n int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q.served -= n
	if p.rate == 0 {
		return
	}
	p.ready = p.ready.Add(-p.cost(n))
	p.serve(time.Now())
}

// cost is how long the rate takes over n.
func (p *pacer) cost(n int64) time.Duration {
	return time.Duration(float64(n) / float64(p.rate) * float64(time.Second))
}

// The smallest piece that is worth a turn.
const leastPiece = 32 << 10

// piece is how much of n passes in one turn: at a low rate little, so that
// sessions take turns, and nobody waits long for what was already let pass.
func (p *pacer) piece(n int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate == 0 {
		return n
	}
	return min(n, max(p.rate/16, min(p.rate, leastPiece)))
}
