package policy

import (
	"errors"
	"fmt"
	"time"
)

// What cannot be an expiry.
var (
	ErrDate    = errors.New("not a date of the form YYYY-MM-DD")
	ErrFarDate = errors.New("no such moment can be kept: for no end, set no expiry")
)

// ParseExpiry reads what an administrator writes: a date, which holds in the
// zone, or an instant as in RFC 3339, which needs none.
func ParseExpiry(s string, zone *time.Location) (Expiry, error) {
	if t, err := time.Parse(time.RFC3339, s); err == nil {
		return Expiry{Instant: t}.Resolve(zone)
	}
	return Expiry{Date: s, Zone: zone.String()}.Resolve(zone)
}

// Resolve fills in the instant: that of the midnight that ends the date in the
// zone, which is the one x.Zone names. An expiry without a date keeps its own.
func (x Expiry) Resolve(zone *time.Location) (Expiry, error) {
	if x.Date != "" {
		day, err := time.Parse(time.DateOnly, x.Date)
		if err != nil {
			return x, fmt.Errorf("%q: %w", x.Date, ErrDate)
		}
		x.Zone, x.Instant = zone.String(), endOfDay(day, zone)
	}
	x.Instant = x.Instant.UTC()
	// The zero time and what has no four-digit year could not be told apart or
	// written as text.
	if y := x.Instant.Year(); x.Instant.IsZero() || y < 1 || y > 9999 {
		return x, ErrFarDate
	}
	return x, nil
}

// endOfDay returns the moment from which on no clock in the zone shows the day
// (given as in UTC) any more. Midnight may not exist there, or come twice: the
// stretches between changes of the zone's offset are looked at one by one, and
// the last passage from the day to a later one is it.
func endOfDay(day time.Time, zone *time.Location) time.Time {
	midnight := day.AddDate(0, 0, 1)
	const reach = 48 * time.Hour // no offset is larger, nor a change of one
	end := midnight
	for at := midnight.Add(-reach); at.Before(midnight.Add(reach)); {
		_, offset := at.In(zone).Zone()
		_, next := at.In(zone).ZoneBounds()
		if next.IsZero() || next.After(midnight.Add(reach)) {
			next = midnight.Add(reach)
		}
		crossing := midnight.Add(-time.Duration(offset) * time.Second)
		if crossing.Before(at) {
			crossing = at
		}
		if crossing.Before(next) && (crossing.After(at) || showsUpTo(day, at.Add(-1).In(zone))) {
			end = crossing
		}
		at = next
	}
	return end
}

// showsUpTo reports whether a clock that shows t shows the day or an earlier one.
func showsUpTo(day, t time.Time) bool {
	shown := time.Date(t.Year(), t.Month(), t.Day(), 0, 0, 0, 0, time.UTC)
	return !shown.After(day)
}
