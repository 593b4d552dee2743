package redis

import (
	"strconv"
	"strings"

	"gatehouse/storage/state/counter"
)

// buckets are those of a stored window: first, last and count of each.
func buckets(stored string) [][3]string {
	var found [][3]string
	for one := range strings.SplitSeq(strings.TrimSuffix(stored, ";"), ";") {
		first, rest, _ := strings.Cut(one, ",")
		last, count, _ := strings.Cut(rest, ",")
		found = append(found, [3]string{first, last, count})
	}
	return found
}

// packed is the inverse of buckets.
func packed(w *counter.Window) string {
	var b strings.Builder
	for _, one := range w.Buckets {
		b.WriteString(instant(one.First) + "," + instant(one.Last) + "," + strconv.FormatInt(one.Count, 10) + ";")
	}
	return b.String()
}
