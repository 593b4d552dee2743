package server

import (
	"errors"
	"log/slog"
	"time"

	"gatehouse/storage/events"
	"gatehouse/storage/quota"
)

// checkQuotas compares every quota with its folder now and then, and tells of
// what was changed behind the gateway's back; never where every is 0.
func (c *core) checkQuotas(every time.Duration, log *slog.Logger) {
	if every <= 0 {
		return
	}
	c.quotas.CheckEvery(every, func(found quota.Check) {
		c.metrics.Checked(found)
		switch {
		case errors.Is(found.Err, quota.ErrBusy): // the next check finds it quiet, or the one after
		case found.Err != nil:
			log.Warn("a quota could not be checked", "folder", found.Folder.String(), "error", found.Err)
		case found.Drift() != quota.Amount{}:
			c.events.Note(drifted(found))
			log.Warn("a folder was changed behind the gateway's back; its quota is right again",
				"folder", found.Folder.String(), "bytes", found.Drift().Bytes, "files", found.Drift().Files)
		}
	})
}

func drifted(c quota.Check) events.Event {
	used := func(a quota.Amount) map[string]any {
		return map[string]any{"used_bytes": a.Bytes, "used_files": a.Files}
	}
	return events.Event{
		Kind: events.QuotaDrift, Outcome: events.OK, Path: c.Folder.String(), Before: used(c.Booked), After: used(c.Stored),
	}
}
