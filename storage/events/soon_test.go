package events

import (
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state/memory"
)

// Who makes nobody wait goes with what comes next, in its order, or alone within
// a second.
func TestRecordSoonGoesWithOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: memory.New()}
		l := open(t, s)
		ended := make(chan error, 2)
		soon := func(path string) {
			go func() { ended <- l.RecordSoon(t.Context(), Event{Path: path}) }()
			synctest.Wait()
		}
		soon("logout")
		if len(ended) != 0 {
			t.Fatal("it was written by itself")
		}
		record(t, l, Event{Path: "login"})
		if err := <-ended; err != nil || s.appends != 1 {
			t.Errorf("%v, %d appends, want one for both", err, s.appends)
		}
		began := time.Now()
		soon("last")
		if err := <-ended; err != nil || time.Since(began) > noteDurable {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		want(t, paths(t, l), "logout", "login", "last")
	})
}
