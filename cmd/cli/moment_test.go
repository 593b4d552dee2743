package cli

import (
	"net/url"
	"testing"
	"time"
)

func TestParseMoment(t *testing.T) {
	zone := time.FixedZone("somewhere", 2*3600)
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, zone)
	for text, want := range map[string]string{
		"1h": "2026-03-10T11:00:00+02:00", "90m": "2026-03-10T10:30:00+02:00", "2d": "2026-03-08T12:00:00+02:00",
		"1w": "2026-03-03T12:00:00+02:00", "0s": "2026-03-10T12:00:00+02:00",
		"2026-01-31": "2026-01-31T00:00:00+02:00", "2026-01-31 08:30": "2026-01-31T08:30:00+02:00",
		"2026-01-31T08:30:00Z": "2026-01-31T08:30:00Z", "": "", "yesterday": "", "-1h": "", "-2d": "", "d": "",
		"99999999d": "", "2026-02-30": "", "1h2d": "",
	} {
		got, _, err := parseMoment(text, now)
		if want == "" {
			if err == nil {
				t.Errorf("%q is taken for %v", text, got)
			}
			continue
		}
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q: got %v, %v, want %s", text, got.Format(time.RFC3339), err, want)
		}
	}
}

// --until a date means through that day.
func TestUntilADate(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	query := url.Values{}
	if err := setMoments(query, "2026-01-31", "2026-01-31", now); err != nil {
		t.Fatal(err)
	}
	if query.Get("since") != "2026-01-31T00:00:00Z" || query.Get("until") != "2026-01-31T23:59:59.999999999Z" {
		t.Errorf("got %v", query)
	}
}
