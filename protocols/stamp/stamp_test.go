package stamp

import (
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var forms = map[string]func([]byte, time.Time) []byte{
	listed:          AppendListed,
	listedOfOld:     AppendListedOfOld,
	packed:          AppendPacked,
	internet:        AppendInternet,
	http.TimeFormat: AppendHTTP,
}

// Every moment, also one that no calendar reaches, reads as time.Format has it.
func TestAsFormat(t *testing.T) {
	zone := time.FixedZone("east", 7*3600)
	check := func(t interface{ Errorf(string, ...any) }, at time.Time) {
		for layout, write := range forms {
			if got, want := string(write([]byte("before "), at.In(zone))), "before "+at.UTC().Format(layout); got != want {
				t.Errorf("%s of %d: %q, want %q", layout, at.Unix(), got, want)
			}
		}
	}
	for _, at := range []time.Time{{}, time.Unix(0, 0), time.Unix(-1, 0), time.Unix(1<<40, 0), time.Unix(-1<<40, 0)} {
		check(t, at)
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, time.Unix(rapid.Int64Range(-1<<37, 1<<39).Draw(t, "seconds"), rapid.Int64Range(0, 1e9-1).Draw(t, "nanoseconds")))
	})
}

func BenchmarkAppendListed(b *testing.B) {
	now := time.Now()
	for text := make([]byte, 0, 64); b.Loop(); {
		text = AppendListed(text[:0], now)
	}
}
