package metrics

import (
	"errors"

	"gatehouse/storage/quota"
)

// Checked counts what a scheduled check of a quota has found.
func (m *Metrics) Checked(c quota.Check) {
	drift := c.Drift()
	outcome := "exact"
	switch {
	case errors.Is(c.Err, quota.ErrBusy):
		outcome = "busy"
	case c.Err != nil:
		outcome = "failed"
	case drift != (quota.Amount{}):
		outcome = "drift"
		m.driftBytes.Add(float64(max(drift.Bytes, -drift.Bytes)))
		m.driftFiles.Add(float64(max(drift.Files, -drift.Files)))
	}
	m.checks.WithLabelValues(outcome).Inc()
}
