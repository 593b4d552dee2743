package events

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// A looking store has something happen when somebody has just read back for the first
// time.
type looking struct {
	state.Store
	then func()
}

func (l *looking) ReadBack(ctx context.Context, stream string, before uint64, limit int) ([]state.Entry, error) {
	found, err := l.Store.ReadBack(ctx, stream, before, limit)
	if then := l.then; then != nil {
		l.then = nil
		then()
	}
	return found, err
}

// A run is killed while an append is on its way that its spool does not have yet. It
// arrives at the store when the next run has looked where the chain goes on: the chain
// does not fork, and nothing that was acknowledged is lost.
func TestWhatAKilledRunHadSentForksNoChain(t *testing.T) {
	without := func(c *Config) { c.Spool, c.files = "", nil }
	for name, set := range map[string]func(*Config){"spool": func(*Config) {}, "no spool": without} {
		for when, trail := range map[string][]string{
			"before the next run":    {"before", "on its way", "1", "2", "3"},
			"while it looks":         {"before", "1", "2", "3"},
			"when it has looked":     {"before", "1", "2", "3"},
			"when it has written":    {"before", "1", "2", "3"},
			"when it was restarted":  {"before", "1", "2", "3"},
			"when it has ended, too": {"before", "1", "2", "3"},
		} {
			t.Run(name+", "+when, func(t *testing.T) {
				bubble(t, func(t *testing.T, s *site) {
					killed := s.start(set)
					record(t, killed.Log, Event{Path: "before"})
					killed.set(func() { killed.hangs = true })
					lost := killed.Put(Event{Path: "on its way"})
					synctest.Wait() // it is sent, and its time for the spool has not come
					killed.kill()
					if err := lost.Durable(t.Context()); err == nil {
						t.Error("what was on its way was acknowledged")
					}
					if len(killed.sent) != 1 {
						t.Fatalf("%d were sent", len(killed.sent))
					}
					arrive := func() {
						for _, one := range killed.sent {
							if err := one(); err != nil != (len(trail) == 4) || err != nil && !errors.Is(err, state.ErrOvertaken) {
								t.Errorf("what arrives late: %v", err)
							}
						}
					}
					if when == "before the next run" {
						arrive()
					}
					next := s.start(set, func(c *Config) {
						if when == "while it looks" {
							c.State = &looking{c.State, arrive}
						}
					})
					if when == "when it has looked" {
						arrive()
					}
					record(t, next.Log, Event{Path: "1"})
					if when == "when it has written" {
						arrive()
					}
					record(t, next.Log, Event{Path: "2"})
					if next.stop(); when == "when it has ended, too" {
						arrive()
					}
					if next = s.start(set); when == "when it was restarted" {
						arrive()
					}
					record(t, next.Log, Event{Path: "3"})
					want(t, paths(t, next.Log), trail...)
					wantWhole(t, next.Log)
					next.stop()
				})
			})
		}
	}
}

// A run that stood still wakes up when another has its node's name: the store itself
// refuses what it appends, for now, whatever its fence says.
func TestARunThatWasOvertakenAppendsNothing(t *testing.T) {
	bubble(t, func(t *testing.T, s *site) {
		without := func(c *Config) { c.Spool, c.files = "", nil }
		stood := s.start(without)
		record(t, stood.Log, Event{Path: "1"})
		next := s.start(without)
		if err := stood.Record(t.Context(), Event{Path: "refused"}); !errors.Is(err, state.ErrOvertaken) || !errors.Is(err, state.ErrAway) {
			t.Errorf("got %v", err)
		}
		stood.end()
		record(t, next.Log, Event{Path: "2"})
		want(t, paths(t, next.Log), "1", "2")
		wantWhole(t, next.Log)
		next.stop()
	})
}

// A failover has lost what numbers runs, and not the stream: the node's next run has a
// number that is not the greatest, and goes on all the same, after all others.
func TestARunWhoseNumberWentBackGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		var before *Log
		for _, number := range []uint64{9, 3, 3, 20} {
			l, err := New(t.Context(), Config{State: store, Node: "n", Run: number, Sealer: testSealer(t)})
			if err != nil {
				t.Fatal(err)
			}
			record(t, l, Event{Path: "on"})
			if before != nil {
				if err := before.Record(t.Context(), Event{Path: "refused"}); !errors.Is(err, state.ErrOvertaken) {
					t.Errorf("the run before %d: %v", number, err)
				}
				_ = before.Close(t.Context()) // it has something left that nobody takes
			}
			before = l
		}
		want(t, paths(t, before), "on", "on", "on", "on")
		wantWhole(t, before)
		if err := before.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
