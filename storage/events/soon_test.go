package events

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state/memory"
)

// Who makes nobody wait goes with what comes next, in its order, or alone within
// a second.
func TestPutSoonGoesWithOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &away{Store: memory.New()}
		l := open(t, s)
		ended := make(chan error, 2)
		soon := func(path string) {
			go func() { ended <- l.PutSoon(Event{Path: path}).Durable(t.Context()) }()
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

// A log that is closed waits for nobody else, and loses nothing that has its place.
func TestCloseTakesWhatWasPutSoon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		l := open(t, s)
		began := time.Now()
		p := l.PutSoon(Event{Path: "logout"})
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.Durable(t.Context()); err != nil || time.Since(began) > 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		want(t, paths(t, l), "logout")
		if err := l.Put(Event{}).Durable(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("got %v of a closed log", err)
		}
	})
}
