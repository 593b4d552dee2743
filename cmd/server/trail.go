package server

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"gatehouse/storage/events"
)

// retainEvery is how often the trail is cut to what the site keeps.
const retainEvery = 10 * time.Minute

// openTrail opens the events. Each checkpoint goes into the log, which is to be
// kept on another machine: what is signed there cannot be undone here.
func openTrail(ctx context.Context, c events.Config) (*events.Log, error) {
	log := c.Log
	c.Signed = func(c events.Checkpoint) {
		log.Info("checkpoint of the events", "sequence", c.Sequence, "position", c.Position, "checkpoint", c.Text)
	}
	trail, err := events.New(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("open the events: %w", err)
	}
	return trail, nil
}

// retain cuts the trail to the days that the site keeps, until ctx ends.
func (c *core) retain(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(retainEvery)
	defer tick.Stop()
	for {
		if err := c.retainOnce(ctx); err != nil && ctx.Err() == nil {
			log.Error("old events were not dropped", "error", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (c *core) retainOnce(ctx context.Context) error {
	site, err := c.accounts.Site(ctx)
	if err != nil || site.Audit.KeepDays <= 0 {
		return err
	}
	return c.events.Retain(ctx, time.Now().AddDate(0, 0, -site.Audit.KeepDays))
}
