package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"gatehouse/storage/events"
	"gatehouse/storage/pause"
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

// SpoolPrefix begins the names of the folders of a data folder that keep a node's events.
const SpoolPrefix = "spool-"

// spool is the folder that keeps this node's events while the store of all is away;
// none for a gateway alone, whose store is on the same disk. What is there of a node of
// another name is told of, and stays.
func (c *core) spool(log *slog.Logger) string {
	mine := ""
	if c.nodes != nil {
		mine = filepath.Join(c.data, SpoolPrefix+url.PathEscape(c.node))
	}
	all, err := os.ReadDir(c.data)
	if err != nil {
		log.Warn("it was not looked for events that are kept here", "error", err)
	}
	for _, entry := range all {
		if dir := filepath.Join(c.data, entry.Name()); strings.HasPrefix(entry.Name(), SpoolPrefix) && dir != mine {
			log.Warn("events are kept here that are not in the trail: a node of that name takes them there, with the store that it had", "folder", dir)
		}
	}
	return mine
}

// retain cuts the trail to the days that the site keeps, until ctx ends.
func (c *core) retain(ctx context.Context, log *slog.Logger) {
	now := func() {
		if err := c.retainOnce(ctx); err != nil && ctx.Err() == nil {
			log.Error("old events were not dropped", "error", err)
		}
	}
	now()
	pause.Every(ctx, retainEvery, now)
}

func (c *core) retainOnce(ctx context.Context) error {
	site, err := c.accounts.Site(ctx)
	if err != nil || site.Audit.KeepDays <= 0 {
		return err
	}
	return c.events.Retain(ctx, time.Now().AddDate(0, 0, -site.Audit.KeepDays))
}
