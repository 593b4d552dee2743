package events

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/state/memory"
)

func next(t *testing.T, events <-chan Event, path string) {
	t.Helper()
	select {
	case e, ok := <-events:
		if !ok || e.Path != path {
			t.Fatalf("got %q (open %v), want %q", e.Path, ok, path)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("nothing came, want %q", path)
	}
}

func TestFollowFromNowOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memory.New())
		record(t, l, Event{Path: "before"})
		ctx, cancel := context.WithCancel(t.Context())
		events := l.Follow(ctx)
		record(t, l, Event{Path: "1"})
		before := time.Now()
		next(t, events, "1")
		if time.Since(before) != 0 {
			t.Error("an event of this node was late")
		}
		l.Note(Event{Path: "2"})
		record(t, l, Event{Path: "3"})
		next(t, events, "2")
		next(t, events, "3")
		cancel()
		if _, ok := <-events; ok {
			t.Error("an event after the end")
		}
	})
}

func TestFollowSeesOtherNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memory.New()
		here, there := open(t, s), open(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		events := here.Follow(ctx)
		record(t, there, Event{Path: "1"})
		record(t, here, Event{Path: "2"})
		record(t, there, Event{Path: "3"})
		before := time.Now()
		for i := range 3 {
			next(t, events, fmt.Sprint(i+1))
		}
		if waited := time.Since(before); waited > time.Second {
			t.Errorf("it took %v", waited)
		}
	})
}

func TestSlowFollowerLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memory.New())
		events := l.Follow(t.Context())
		for i := range 2000 {
			l.Note(Event{Path: fmt.Sprint(i)})
		}
		time.Sleep(time.Hour)
		for i := range 2000 {
			next(t, events, fmt.Sprint(i))
		}
	})
}

func TestFollowEndsWithTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memory.New())
		events := l.Follow(t.Context())
		l.Note(Event{Path: "last"})
		if err := l.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		next(t, events, "last")
		if e := <-events; e.Kind != Signed {
			t.Errorf("%+v, want the checkpoint of the end", e)
		}
		if e, ok := <-events; ok {
			t.Errorf("%+v after the end", e)
		}
	})
}

// A reader who was away takes up where it stopped.
func TestFollowAfterAPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, memory.New())
		for i := range 5 {
			record(t, l, Event{Path: fmt.Sprint(i)})
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		events := l.FollowAfter(ctx, 3)
		next(t, events, "3")
		next(t, events, "4")
		record(t, l, Event{Path: "5"})
		next(t, events, "5")
	})
}
