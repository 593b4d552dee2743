package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"gatehouse/configs"
)

// asking is how long a look at the store may take.
const asking = 2 * time.Second

// readyz says whether new sessions can be served, and else why not.
func (g *gateway) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), asking)
	defer cancel()
	if err := g.unready(ctx); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ready")
}

// readyzReading is readyz for a balancer that is to send somebody also while the
// store is away, where the configuration admits them for reading.
func (g *gateway) readyzReading(w http.ResponseWriter, r *http.Request) {
	if g.options.Config.State.Away != configs.ReadOnly || !g.ready.Load() {
		g.readyz(w, r)
		return
	}
	_, _ = fmt.Fprintln(w, "ready for reading")
}

// unready is why nobody should come: it is not started, or draining, the store is
// away, or what it has cannot be followed.
func (g *gateway) unready(ctx context.Context) error {
	if !g.ready.Load() {
		return errors.New("starting or stopping")
	}
	if _, err := g.state.Revision(ctx, "accounts"); err != nil {
		return fmt.Errorf("the store does not answer: %w", err)
	}
	if !g.nodes.Held() {
		return errors.New("the store has not heard of this node in time: it changes nothing until it has")
	}
	if err := g.room.full(); err != nil {
		return err
	}
	if err := g.accounts.Err(); err != nil {
		return fmt.Errorf("changes of accounts cannot be followed: %w", err)
	}
	if err := g.events.Err(); err != nil {
		return fmt.Errorf("events cannot be stored: %w", err)
	}
	return g.watch.Err()
}
