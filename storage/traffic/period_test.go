package traffic

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"gatehouse/storage/state/memory"
)

// zones have a clock that is put on or back at midnight, by half an hour, or left
// a whole day out.
var zones = []string{
	"UTC", "Europe/Berlin", "America/Sao_Paulo", "Africa/Cairo", "Asia/Beirut", "America/Havana", "Australia/Lord_Howe",
	"Pacific/Apia", "Asia/Kathmandu", "Pacific/Kiritimati", "America/Asuncion",
}

// At every instant the period's end is ahead, by no more than it is long, and it
// is the first instant of another.
func TestBounds(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(rt, "zone"))
		if err != nil {
			rt.Fatal(err)
		}
		k := rapid.SampledFrom([]kind{day, month}).Draw(rt, "kind")
		now := time.Unix(rapid.Int64Range(1_000_000_000, 2_000_000_000).Draw(rt, "now"), 0).In(zone)
		period := k.at(now, "")
		since, until := k.bounds(period, zone)
		if now.Before(since) || !now.Before(until) {
			rt.Errorf("%v is in %s, which is from %v to %v", now, period, since, until)
		}
		if most := time.Duration(k.days)*49*time.Hour + time.Duration(k.months)*32*24*time.Hour; until.Sub(now) > most {
			rt.Errorf("%s ends %v after %v", period, until.Sub(now), now)
		}
		if next := until.Format(k.format); next <= period {
			rt.Errorf("%s ends at %v, which is in %s", period, until, next)
		}
		if last := until.Add(-time.Second).Format(k.format); last > period {
			rt.Errorf("%s ends at %v, and %s has begun before", period, until, last)
		}
	})
}

// A day that is over begins no second time, whichever way the clock is put; a
// clock that was wrong by more than a day does not keep anybody out.
func TestTheClockIsPut(t *testing.T) {
	for name, c := range map[string]struct {
		last, now, want string
	}{
		"on":                 {"2031-05-04", "2031-05-05T00:00:00Z", "2031-05-05"},
		"not":                {"2031-05-04", "2031-05-04T00:00:00Z", "2031-05-04"},
		"back over midnight": {"2031-05-04", "2031-05-03T23:59:58Z", "2031-05-04"},
		"back by a day":      {"2031-05-04", "2031-05-03T00:00:00Z", "2031-05-04"},
		"back by years":      {"2036-01-01", "2031-05-04T12:00:00Z", "2031-05-04"},
		"on by years":        {"2031-05-04", "2036-01-01T12:00:00Z", "2036-01-01"},
		"never before":       {"", "2031-05-04T12:00:00Z", "2031-05-04"},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		if err != nil {
			t.Fatal(err)
		}
		if got := day.at(now, c.last); got != c.want {
			t.Errorf("%s: the day is %s, want %s", name, got, c.want)
		}
	}
	if got := month.at(time.Date(2031, 4, 30, 23, 0, 0, 0, time.UTC), "2031-05"); got != "2031-05" {
		t.Errorf("back over the end of a month: %s", got)
	}
}

// A site that changes its time zone gives nobody a second day.
func TestAnotherTimeZone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		east, west := time.FixedZone("east", 14*3600), time.FixedZone("west", -11*3600)
		store := memory.New()
		s := join(newTraffic(t, store, "n/1"), Limits{Day: 1000, Zone: east})
		defer s.Leave()
		spend := func() {
			t.Helper()
			g, err := s.Upload(t.Context(), 1000)
			if err != nil || g.Bytes != 1000 {
				t.Fatalf("%d bytes, %v", g.Bytes, err)
			}
			g.Moved(1000)
		}
		spend()
		today := time.Now().In(east).Format(day.format)
		s.SetLimits(Limits{Day: 1000, Zone: west})
		var spent *SpentError
		if _, err := s.Upload(t.Context(), 1); !errors.As(err, &spent) {
			t.Fatalf("in another time zone: %v", err)
		}
		if got := spent.Until.Add(-time.Second).In(west).Format(day.format); got != today {
			t.Errorf("the day that is spent ends %v, %s has to be over", spent.Until, today)
		}
		// A node that starts now keeps to it.
		other := join(newTraffic(t, store, "n/2"), Limits{Day: 1000, Zone: west})
		defer other.Leave()
		if _, err := other.Upload(t.Context(), 1); !errors.Is(err, ErrSpent) {
			t.Errorf("after a restart: %v", err)
		}
		time.Sleep(time.Until(spent.Until))
		spend()
		s.SetLimits(Limits{Day: 1000, Zone: east}) // its next day may have begun
		time.Sleep(25 * time.Hour)
		spend()
	})
}

// A node whose clock is a little behind is still in a day that is over for the
// others: it gets no more of it than there was.
func TestANodeThatIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		berlin := time.FixedZone("ahead", 3600) // an hour ahead, in place of a clock
		s := join(newTraffic(t, store, "n/1"), Limits{Day: 1000})
		defer s.Leave()
		g, err := s.Upload(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		g.Moved(1000)
		midnight := time.Now().UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
		time.Sleep(time.Until(midnight.Add(-time.Minute)))
		ahead := join(newTraffic(t, store, "n/2"), Limits{Day: 1000, Zone: berlin})
		defer ahead.Leave()
		g, err = ahead.Upload(t.Context(), 1000)
		if err != nil || g.Bytes != 1000 {
			t.Fatalf("in the next day: %d, %v", g.Bytes, err)
		}
		g.Moved(1000)
		if _, err := s.Upload(t.Context(), 1); !errors.Is(err, ErrSpent) {
			t.Errorf("the day that is spent was had again: %v", err)
		}
	})
}
