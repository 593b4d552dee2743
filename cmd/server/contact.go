package server

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/storage/state"
)

// settled is for how long no call may have failed for the store to be back: one
// that answers some calls and refuses others comes and goes with each of them.
const settled = 2 * time.Second

// contact tells whether the store is there, by how its calls end. It says so once
// when it goes, and once when it is back.
type contact struct {
	now func() time.Time

	out atomic.Bool // that since is not zero: who finds the store there asks no more

	mu     sync.Mutex // guards what follows
	log    *slog.Logger
	since  time.Time // when it went; zero while it is there
	failed time.Time // the last time
	before time.Duration
}

// newContact says nothing until speak: who starts tells itself what it waits for.
func newContact() *contact { return &contact{log: slog.New(slog.DiscardHandler), now: time.Now} }

// speak has it told from now on.
func (c *contact) speak(log *slog.Logger) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.log = log
}

// heard is told how a call has ended.
func (c *contact) heard(err error) {
	switch {
	case err == nil, errors.Is(err, state.ErrNotFound), errors.Is(err, state.ErrConflict), errors.Is(err, state.ErrFull): // of which room tells
		if c.out.Load() {
			c.there()
		}
	case errors.Is(err, context.Canceled), errors.Is(err, state.ErrClosed):
	case errors.Is(err, state.ErrAway):
		c.gone(err)
	}
}

func (c *contact) gone(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = c.now()
	if c.since.IsZero() {
		c.since = c.failed
		c.out.Store(true)
		c.log.Warn("the store is away: changes and logins wait for it", "error", err)
	}
}

func (c *contact) there() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.since.IsZero() || now.Sub(c.failed) < settled {
		return
	}
	took := now.Sub(c.since)
	c.before += took
	c.since = time.Time{}
	c.out.Store(false)
	c.log.Info("the store is back", "away", took.Round(time.Millisecond).String())
}

// away is for how long it was, all times together.
func (c *contact) away() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.since.IsZero() {
		return c.before
	}
	return c.before + c.now().Sub(c.since)
}
