package cli

import (
	"strconv"
	"time"
)

// parseMoment reads how long ago (90m, 1h, 2d, 3w), a date, a date and time of
// this machine's zone, or an RFC 3339 instant; day tells that it was a date.
func parseMoment(text string, now time.Time) (t time.Time, day bool, err error) {
	if ago, ok := parseAgo(text); ok {
		return now.Add(-ago), false, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, false, nil
	}
	if t, err := time.ParseInLocation(time.DateOnly, text, now.Location()); err == nil {
		return t, true, nil
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05", "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(layout, text, now.Location()); err == nil {
			return t, false, nil
		}
	}
	return time.Time{}, false, usagef("%q is no time: give 90m, 1h, 2d, a date such as 2026-01-31, or an RFC 3339 instant", text)
}

func parseAgo(text string) (time.Duration, bool) {
	if text == "" {
		return 0, false
	}
	days := map[byte]int64{'d': 1, 'w': 7}[text[len(text)-1]]
	if days > 0 {
		n, err := strconv.ParseInt(text[:len(text)-1], 10, 16)
		return time.Duration(n*days) * 24 * time.Hour, err == nil && n >= 0
	}
	d, err := time.ParseDuration(text)
	return d, err == nil && d >= 0
}
