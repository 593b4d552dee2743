package traffic

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

func newTraffic(t *testing.T, store state.Store, node string) *Traffic {
	t.Helper()
	traffic := New(store, node)
	t.Cleanup(func() {
		if err := traffic.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return traffic
}

// join makes a session of alice.
func join(traffic *Traffic, l Limits) *Session {
	s := traffic.Join("alice")
	s.SetLimits(l)
	return s
}

// pump uploads pieces until the context ends, and counts what passed.
func pump(ctx context.Context, s *Session, piece int64, passed *atomic.Int64) {
	for {
		g, err := s.Upload(ctx, piece)
		if err != nil {
			return
		}
		passed.Add(g.Bytes)
		g.Moved(g.Bytes)
	}
}

func TestAnAccountKeepsToItsRateAndItsSessionsShareIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const rate, seconds = 1 << 20, 60
		traffic := newTraffic(t, memory.New(), "n/1")
		ctx, cancel := context.WithTimeout(t.Context(), seconds*time.Second)
		defer cancel()
		// One session that sends small pieces, one that sends big ones, and one
		// that sends over many channels at once.
		var passed [3]atomic.Int64
		var wg sync.WaitGroup
		for i, how := range []struct {
			piece   int64
			streams int
		}{{4 << 10, 1}, {4 << 20, 1}, {32 << 10, 16}} {
			s := join(traffic, Limits{UploadRate: rate})
			defer s.Leave()
			for range how.streams {
				wg.Go(func() { pump(ctx, s, how.piece, &passed[i]) })
			}
		}
		wg.Wait()
		var all int64
		for i := range passed {
			n := passed[i].Load()
			all += n
			if share := float64(n) / (rate * seconds); share < 0.30 || share > 0.37 {
				t.Errorf("session %d had %.0f %% of the rate, want a third", i, 100*share)
			}
		}
		if all < rate*seconds*98/100 || all > rate*seconds*102/100 {
			t.Errorf("%d bytes passed in %d s at %d per second", all, seconds, rate)
		}
	})
}

func TestWhoIsAloneHasTheWholeRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traffic := newTraffic(t, memory.New(), "n/1")
		limits := Limits{UploadRate: 1 << 20}
		idle, busy := join(traffic, limits), join(traffic, limits)
		defer idle.Leave()
		defer busy.Leave()
		var passed atomic.Int64
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		pump(ctx, busy, 32<<10, &passed)
		if n := passed.Load(); n < 10<<20*98/100 {
			t.Errorf("%d bytes in 10 s beside a session that does nothing", n)
		}
		// Who was idle has saved nothing up that it could take from the other now.
		ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var late, early atomic.Int64
		var wg sync.WaitGroup
		wg.Go(func() { pump(ctx, idle, 32<<10, &late) })
		wg.Go(func() { pump(ctx, busy, 32<<10, &early) })
		wg.Wait()
		if n := early.Load(); n < 10<<20*45/100 {
			t.Errorf("%d bytes in 10 s beside one that was idle before", n)
		}
	})
}

func TestAChangedRateHoldsAtOnceForThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traffic := newTraffic(t, memory.New(), "n/1")
		s := join(traffic, Limits{DownloadRate: 1})
		defer s.Leave()
		for range 2 { // the first passes ahead of the rate
			start := time.Now()
			go func() {
				time.Sleep(time.Second)
				s.SetLimits(Limits{})
			}()
			if _, err := s.Download(t.Context(), 1<<20); err != nil {
				t.Fatal(err)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("waited %v after the limit was taken away", took)
			}
			synctest.Wait()
			time.Sleep(2 * time.Second)
			s.SetLimits(Limits{DownloadRate: 1})
		}
	})
}

func TestWhoGivesUpWaitingLeavesItsTurnToOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traffic := newTraffic(t, memory.New(), "n/1")
		s := join(traffic, Limits{Operations: 1})
		defer s.Leave()
		ctx, cancel := context.WithCancelCause(t.Context())
		for range 2 {
			if err := s.Operation(ctx); err != nil {
				t.Fatal(err)
			}
		}
		gone := errors.New("the client is gone")
		time.AfterFunc(time.Second/2, func() { cancel(gone) })
		if err := s.Operation(ctx); !errors.Is(err, gone) {
			t.Errorf("waiting ended with %v", err)
		}
		start := time.Now()
		if err := s.Operation(t.Context()); err != nil || time.Since(start) > time.Second {
			t.Errorf("the next waited %v: %v", time.Since(start), err)
		}
	})
}

func TestOperationsPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traffic := newTraffic(t, memory.New(), "n/1")
		s := join(traffic, Limits{Operations: 10})
		defer s.Leave()
		start := time.Now()
		for range 100 {
			if err := s.Operation(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if took := time.Since(start); took < 8*time.Second || took > 10*time.Second {
			t.Errorf("100 operations at 10 per second took %v", took)
		}
	})
}

// Two nodes move at random and give back at random, until the day is spent: what
// was moved is never more than the limit, and over one node all of it.
func TestADayIsNeverPassedByAByte(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			store := memory.New()
			t.Cleanup(func() { store.Close() })
			limit := rapid.Int64Range(1, 64<<20).Draw(rt, "limit")
			nodes := rapid.IntRange(1, 2).Draw(rt, "nodes")
			var sessions []*Session
			for i := range nodes {
				traffic := newTraffic(t, store, fmt.Sprint("n/", i))
				s := join(traffic, Limits{Day: limit})
				defer s.Leave()
				sessions = append(sessions, s)
			}
			var moved int64
			for spent := 0; spent < nodes; {
				s := sessions[rapid.IntRange(0, nodes-1).Draw(rt, "node")]
				g, err := s.Download(t.Context(), rapid.Int64Range(1, 8<<20).Draw(rt, "want"))
				if errors.Is(err, ErrSpent) {
					spent++
					continue
				}
				if err != nil {
					rt.Fatal(err)
				}
				back := rapid.Int64Range(0, g.Bytes).Draw(rt, "unused") / 3
				g.Moved(g.Bytes - back)
				if moved += g.Bytes - back; moved > limit {
					rt.Fatalf("%d bytes moved, %d allowed", moved, limit)
				}
			}
			if nodes == 1 && moved != limit {
				rt.Fatalf("%d bytes moved when the day was said to be spent, %d allowed", moved, limit)
			}
		})
	})
}

func TestTheNextDayBeginsAtMidnightThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		berlin, err := time.LoadLocation("Europe/Berlin")
		if err != nil {
			t.Fatal(err)
		}
		store := memory.New()
		traffic := newTraffic(t, store, "n/1")
		limits := Limits{Day: 100, Zone: berlin}
		s := join(traffic, limits)
		defer s.Leave()
		old, err := s.Upload(t.Context(), 1000)
		if err != nil || old.Bytes != 100 {
			t.Fatalf("%d bytes, %v", old.Bytes, err)
		}
		_, err = s.Upload(t.Context(), 1)
		var spent *SpentError
		if !errors.As(err, &spent) {
			t.Fatalf("one more byte: %v", err)
		}
		if until := spent.Until.In(berlin); until.Hour() != 0 || until.Minute() != 0 || time.Until(until) > 25*time.Hour {
			t.Errorf("spent until %v", until)
		}
		time.Sleep(time.Until(spent.Until))
		// What comes back of yesterday is not today's.
		old.Moved(old.Bytes - 50)
		if g, err := s.Upload(t.Context(), 1000); err != nil || g.Bytes != 100 {
			t.Errorf("after midnight: %d bytes, %v", g.Bytes, err)
		}
		// Nothing of yesterday stays in the store, once no node can be in it.
		time.Sleep(24 * time.Hour)
		if _, err := s.Upload(t.Context(), 1); err != nil {
			t.Error(err)
		}
		if v, err := store.Count(t.Context(), scope+"alice", state.Lease{Name: old.day}); err != nil || v.Used+v.Leased != 0 {
			t.Errorf("yesterday's counter: %+v, %v", v, err)
		}
	})
}

func TestAMonthBoundsItsDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traffic := newTraffic(t, memory.New(), "n/1")
		s := join(traffic, Limits{Day: 100, Month: 150})
		defer s.Leave()
		var moved int64
		for range 5 {
			for {
				g, err := s.Download(t.Context(), 30)
				var spent *SpentError
				if errors.As(err, &spent) {
					if want := map[bool]string{true: "day", false: "month"}[moved == 100]; spent.Period != want {
						t.Errorf("after %d bytes the %s is spent", moved, spent.Period)
					}
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				moved += g.Bytes
			}
			time.Sleep(24 * time.Hour)
		}
		if moved != 150 {
			t.Errorf("%d bytes in five days of one month", moved)
		}
	})
}

func TestAChangedLimitOfTheDayHoldsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traffic := newTraffic(t, memory.New(), "n/1")
		s := join(traffic, Limits{Day: 1 << 20})
		defer s.Leave()
		if g, err := s.Upload(t.Context(), 1000); err != nil || g.Bytes != 1000 {
			t.Fatal(g, err)
		}
		s.SetLimits(Limits{Day: 1500})
		if g, err := s.Upload(t.Context(), 1000); err != nil || g.Bytes != 500 {
			t.Errorf("a lowered limit gave %d bytes, %v", g.Bytes, err)
		}
		if _, err := s.Upload(t.Context(), 1); !errors.Is(err, ErrSpent) {
			t.Errorf("beyond a lowered limit: %v", err)
		}
		s.SetLimits(Limits{Day: 1600})
		if g, err := s.Upload(t.Context(), 1000); err != nil || g.Bytes != 100 {
			t.Errorf("a raised limit gave %d bytes, %v", g.Bytes, err)
		}
	})
}

// A node that is stopped gives back what it leased; of one that was killed the
// lease counts as moved.
func TestAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		const limit = 640 << 10
		stopped := New(store, "n/1")
		s := join(stopped, Limits{Day: limit})
		if _, err := s.Upload(t.Context(), 1000); err != nil {
			t.Fatal(err)
		}
		s.Leave()
		if err := stopped.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		killed := New(store, "n/2")
		s = join(killed, Limits{Day: limit})
		g, err := s.Upload(t.Context(), limit)
		if err != nil || g.Bytes != limit-1000 {
			t.Fatalf("after a stop %d bytes were left, %v", g.Bytes, err)
		}
		g.Moved(0)

		next := join(newTraffic(t, store, "n/3"), Limits{Day: limit})
		defer next.Leave()
		if _, err := next.Upload(t.Context(), 1); !errors.Is(err, ErrSpent) {
			t.Errorf("what a killed node had leased was given out again: %v", err)
		}
	})
}

// lossy is a store that does what it is asked, and says now and then that it
// does not know.
type lossy struct {
	state.Store
	lose atomic.Bool
}

func (l *lossy) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	v, err := l.Store.Count(ctx, scope, op)
	if l.lose.Swap(false) {
		return state.CounterValue{}, state.ErrUnknown
	}
	return v, err
}

func TestAnUnknownOutcomeIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &lossy{Store: memory.New()}
		traffic := newTraffic(t, store, "n/1")
		s := join(traffic, Limits{Day: 1000})
		defer s.Leave()
		store.lose.Store(true)
		if _, err := s.Upload(t.Context(), 400); !errors.Is(err, state.ErrUnknown) {
			t.Fatalf("an unknown outcome went well: %v", err)
		}
		var moved int64
		for {
			g, err := s.Upload(t.Context(), 400)
			if errors.Is(err, ErrSpent) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			moved += g.Bytes
		}
		if moved != 1000 {
			t.Errorf("%d of 1000 bytes could be moved", moved)
		}
	})
}

func BenchmarkUnbounded(b *testing.B) {
	store := memory.New()
	s := join(New(store, "n/1"), Limits{})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			g, _ := s.Upload(context.Background(), 4096)
			g.Moved(4096)
		}
	})
}
