package traffic

import (
	"strings"
	"time"
)

// A kind is a day or a month.
type kind struct {
	name   string // also of its record
	format string // of its periods' names, which sort as they follow one another
	months int
	days   int
}

var (
	day   = kind{name: "day", format: "2006-01-02", days: 1}
	month = kind{name: "month", format: "2006-01", months: 1}
)

// ahead is how far a period may be ahead of the clock and stand: a site that
// changes its time zone, or a clock that is put right, opens no day again that
// was over. What is further ahead was a wrong clock.
const ahead = 26 * time.Hour

// step is what no clock is put on or back by less than.
const step = 30 * time.Minute

// at is the name of the period in which an instant is; last is the one that was
// in use, "" for none.
func (k kind) at(t time.Time, last string) string {
	present := t.Format(k.format)
	if last > present && last <= t.Add(ahead).Format(k.format) {
		return last
	}
	return present
}

// bounds are from when on a period stands, and its end: the first instant after
// it. Where a clock is put on or back at midnight, that is none, or there are two
// of it.
func (k kind) bounds(period string, zone *time.Location) (since, until time.Time) {
	begin, err := time.ParseInLocation(k.format, period, zone)
	if err != nil {
		return time.Time{}, time.Time{}
	}
	end := begin.AddDate(0, k.months, k.days)
	for end.Format(k.format) <= period {
		end = end.Add(step)
	}
	for end.Add(-step).Format(k.format) > period {
		end = end.Add(-step)
	}
	return begin.Add(-ahead), end
}

// The names of the period in use and of the one before it are kept together: the
// counter of that one may still be in use by a node whose clock is behind.

func parsePeriods(value []byte) (last, before string) {
	last, before, _ = strings.Cut(string(value), " ")
	return last, before
}

func formatPeriods(last, before string) []byte {
	return []byte(strings.TrimSpace(last + " " + before))
}
