package cli

import (
	"cmp"
	"time"

	"gatehouse/admin/record"
)

// statusText is whether an account may come in, in a few words.
func statusText(x record.AccountView) string {
	if x.LockedUntil == nil {
		return x.Status.State
	}
	text := "locked until " + when(*x.LockedUntil)
	if x.Status.State != "enabled" {
		text = x.Status.State + ", " + text
	}
	return text
}

// expiryText is the last day where a date was set, else the instant.
func expiryText(x record.AccountView) string {
	if x.ExpiresOn != "" {
		return "through " + x.ExpiresOn + " (" + cmp.Or(x.ExpiresZone, "UTC") + ")"
	}
	return expiresText(x.ExpiresAt)
}

// expiresText is when something ends. Midnight is told as the day before: what
// ends then lasts through that day, and most often was given so.
func expiresText(t *time.Time) string {
	if t == nil {
		return "never"
	}
	local := t.Local()
	if local.Equal(time.Date(local.Year(), local.Month(), local.Day(), 0, 0, 0, 0, time.Local)) {
		last := local.AddDate(0, 0, -1)
		return "through " + last.Format(time.DateOnly) + " (" + last.Format("MST") + ")"
	}
	return when(*t)
}
