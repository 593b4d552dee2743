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

// used asks what the store has booked and leased of today, by who is not in.
func used(t testing.TB, store state.Store, l Limits) Use {
	t.Helper()
	u, err := New(store, "looks/1").Use(context.Background(), "alice", l)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (t *Traffic) known() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.accounts)
}

// A session that is cut leaves before what it moves is told: what it was granted
// and did not move is given back all the same, to the byte.
func TestWhoLeavesWhileItMovesLosesNothing(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		synctest.Test(t, func(t *testing.T) {
			store := memory.New()
			t.Cleanup(func() { store.Close() })
			traffic := newTraffic(t, store, "n/1")
			limits := Limits{Day: 1 << 30, UploadRate: rapid.SampledFrom([]int64{0, 1 << 20}).Draw(rt, "rate")}
			var moved atomic.Int64
			var wg sync.WaitGroup
			for range rapid.IntRange(1, 4).Draw(rt, "sessions") {
				s := join(traffic, limits)
				ctx, cancel := context.WithTimeout(t.Context(), rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute}).Draw(rt, "stays"))
				pieces := rapid.SliceOfN(rapid.Int64Range(1, 8<<20), 1, 4).Draw(rt, "pieces")
				defer cancel()
				wg.Go(func() {
					<-ctx.Done()
					s.Leave()
					s.Leave()
				})
				for _, n := range pieces {
					wg.Go(func() {
						defer cancel()
						g, err := s.Upload(ctx, n)
						if err != nil {
							return
						}
						<-ctx.Done() // told when the session is out already
						time.Sleep(time.Second)
						moved.Add(g.Bytes / 3)
						g.Moved(g.Bytes / 3)
					})
				}
			}
			wg.Wait()
			synctest.Wait()
			if got := used(t, store, limits).Day.Used; got != moved.Load() {
				rt.Errorf("%d bytes count, %d were moved", got, moved.Load())
			}
			if n := traffic.known(); n != 0 {
				rt.Errorf("%d accounts are known when everybody is out", n)
			}
		})
	})
}

func TestWhoHasLeftMovesNothing(t *testing.T) {
	traffic := newTraffic(t, memory.New(), "n/1")
	s := join(traffic, Limits{Day: 1000})
	s.Leave()
	if _, err := s.Upload(t.Context(), 1); err == nil {
		t.Error("a byte was granted")
	}
	if err := s.Left(t.Context(), 1); err == nil || errors.Is(err, ErrSpent) {
		t.Errorf("left: %v", err)
	}
}

// away is a store that can be gone.
type away struct {
	state.Store
	gone atomic.Bool
}

func (a *away) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	if a.gone.Load() {
		return state.CounterValue{}, errors.New("the store is away")
	}
	return a.Store.Count(ctx, scope, op)
}

// Thousands come and go: once they are out nothing of them is kept, although the
// store was away when they left.
func TestNothingIsKeptOfThoseWhoLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &away{Store: memory.New()}
		traffic := newTraffic(t, store, "n/1")
		var sessions []*Session
		for i := range 2000 {
			s := traffic.Join(fmt.Sprint("id", i))
			if i%2 == 0 {
				s.SetLimits(Limits{Day: 1 << 30, UploadRate: 1 << 30})
			}
			if g, err := s.Upload(t.Context(), 1000); err != nil {
				t.Fatal(err)
			} else {
				g.Moved(1000)
			}
			sessions = append(sessions, s)
		}
		store.gone.Store(true)
		for _, s := range sessions {
			s.Leave()
		}
		synctest.Wait()
		if n := traffic.known(); n != 1000 {
			t.Errorf("%d accounts are known, want those with something to give back", n)
		}
		// One comes back and leaves again, while it is still tried.
		s := traffic.Join("id0")
		s.SetLimits(Limits{Day: 1 << 30})
		if _, err := s.Upload(t.Context(), 1); err == nil {
			t.Error("a byte was granted out of what was to be given back")
		}
		s.Leave()
		store.gone.Store(false)
		time.Sleep(2 * again)
		synctest.Wait()
		if n := traffic.known(); n != 0 {
			t.Errorf("%d accounts are known", n)
		}
		u, err := traffic.Use(t.Context(), "id0", Limits{Day: 1 << 30})
		if err != nil || u.Day.Used != 1000 || u.Month != nil {
			t.Errorf("the use is %+v, %v", u.Day, err)
		}
	})
}

// While the store is away who has a day's limit moves what is leased already and
// no more, and who has none moves on.
func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &away{Store: memory.New()}
		traffic := newTraffic(t, store, "n/1")
		s := join(traffic, Limits{Day: 1 << 30})
		defer s.Leave()
		free := traffic.Join("free")
		defer free.Leave()
		g, err := s.Upload(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		g.Moved(1000)
		store.gone.Store(true)
		var moved int64
		for {
			g, err := s.Upload(t.Context(), 1<<20)
			if err != nil {
				if errors.Is(err, ErrSpent) {
					t.Errorf("a store that is away is no limit: %v", err)
				}
				break
			}
			g.Moved(g.Bytes)
			moved += g.Bytes
		}
		if moved > chunk {
			t.Errorf("%d bytes without the store", moved)
		}
		if _, err := free.Upload(t.Context(), 1<<40); err != nil {
			t.Errorf("unbounded: %v", err)
		}
		store.gone.Store(false)
		if g, err = s.Upload(t.Context(), 1<<20); err != nil {
			t.Errorf("when it is back: %v", err)
		}
		g.Moved(0)
		if u, err := traffic.Use(t.Context(), "alice", Limits{Day: 1 << 30}); err != nil || u.Day.Used != moved+1000 {
			t.Errorf("the use is %+v, %v, want %d", u.Day, err, moved+1000)
		}
	})
}

// Of a deleted account nothing stays in the store, not even what a session of it
// still gives back.
func TestADeletedAccountIsForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := memory.New()
		traffic := newTraffic(t, store, "n/1")
		limits := Limits{Day: 1 << 30, Month: 1 << 31}
		s := join(traffic, limits)
		for range 3 { // days
			g, err := s.Upload(t.Context(), 1000)
			if err != nil {
				t.Fatal(err)
			}
			g.Moved(1000)
			time.Sleep(24 * time.Hour)
		}
		g, err := s.Upload(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		if err := traffic.Drop(t.Context(), "alice"); err != nil {
			t.Fatal(err)
		}
		g.Moved(10)
		if _, err := s.Upload(t.Context(), 1); !errors.Is(err, errDropped) {
			t.Errorf("one more byte: %v", err)
		}
		s.Leave()
		synctest.Wait()
		if err := traffic.Drop(t.Context(), "alice"); err != nil { // again, after a restart
			t.Fatal(err)
		}
		if n := traffic.known(); n != 0 {
			t.Errorf("%d accounts are known", n)
		}
		for item, err := range store.Dump(t.Context()) {
			if err != nil || item.Kind != state.ItemScope { // whose revision stays
				t.Errorf("the store has %+v, %v", item, err)
			}
		}
	})
}

func TestUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traffic := newTraffic(t, memory.New(), "n/1")
		limits := Limits{Day: 1000, Month: 1500}
		look := func(day, month int64) Use {
			t.Helper()
			u, err := traffic.Use(t.Context(), "alice", limits)
			if err != nil || u.Day.Used != day || u.Month.Used != month || u.Day.Limit != 1000 || u.Month.Limit != 1500 {
				t.Errorf("the use is %+v, %+v, %v, want %d and %d", u.Day, u.Month, err, day, month)
			}
			return u
		}
		if u := look(0, 0); u.Short(1) != nil {
			t.Errorf("before anything was moved: %v", u.Short(1))
		}
		s := join(traffic, limits)
		move := func(n int64) {
			t.Helper()
			g, err := s.Upload(t.Context(), n)
			if err != nil {
				t.Fatal(err)
			}
			g.Moved(n)
		}
		move(300)
		look(300, 300)
		move(700)
		u := look(1000, 1000)
		if err := u.Short(1); !errors.Is(err, ErrSpent) || time.Until(u.Day.Until) <= 0 || time.Until(u.Day.Until) > 24*time.Hour {
			t.Errorf("%v until %v", err, u.Day.Until)
		}
		if err := s.Left(t.Context(), 1); !errors.Is(err, ErrSpent) {
			t.Errorf("what is left: %v", err)
		}
		time.Sleep(time.Until(u.Day.Until))
		look(0, 1000)
		move(500)
		var spent *SpentError
		if u := look(500, 1500); !errors.As(u.Short(1), &spent) || spent.Period != "month" {
			t.Errorf("spent: %v", u.Short(1))
		}
		s.Leave()
		synctest.Wait()
		look(500, 1500)
	})
}

// Who tries in vain writes nothing to the store, and hears at once of a limit
// that was raised, and of what others give back.
func TestTryingInVainIsCheap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &counting{Store: memory.New()}
		traffic := newTraffic(t, store, "n/1")
		s := join(traffic, Limits{Day: 1000})
		defer s.Leave()
		g, err := s.Upload(t.Context(), 1000)
		if err != nil {
			t.Fatal(err)
		}
		before := store.ops.Load()
		for range 100 {
			if err := s.Left(t.Context(), 1); !errors.Is(err, ErrSpent) {
				t.Fatal(err)
			}
		}
		if n := store.ops.Load() - before; n > 1 {
			t.Errorf("%d operations at the store", n)
		}
		g.Moved(900)
		if g, err := s.Upload(t.Context(), 100); err != nil || g.Bytes != 100 {
			t.Errorf("what was given back: %d, %v", g.Bytes, err)
		}
		s.SetLimits(Limits{Day: 1001})
		if err := s.Left(t.Context(), 1); err != nil {
			t.Errorf("a raised limit: %v", err)
		}
	})
}

type counting struct {
	state.Store
	ops atomic.Int64
}

func (c *counting) Count(ctx context.Context, scope string, op state.CounterOp) (state.CounterValue, error) {
	c.ops.Add(1)
	return c.Store.Count(ctx, scope, op)
}

// What was let pass and did not move costs nothing: a thousand small files take
// their bytes' time, and not that of the pieces that were asked for.
func TestWhatDoesNotMoveTakesNoTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traffic := newTraffic(t, memory.New(), "n/1")
		s := join(traffic, Limits{UploadRate: 1 << 20})
		defer s.Leave()
		start := time.Now()
		for range 1000 {
			g, err := s.Upload(t.Context(), 64<<10)
			if err != nil {
				t.Fatal(err)
			}
			g.Moved(1 << 10)
		}
		if took := time.Since(start); took > 1100*time.Millisecond {
			t.Errorf("a thousand files of 1 KiB at 1 MiB/s took %v", took)
		}
	})
}

// Set to unlimited and back, a limit goes on where it was.
func TestALimitThatIsLiftedForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		traffic := newTraffic(t, memory.New(), "n/1")
		s := join(traffic, Limits{Day: 1000})
		defer s.Leave()
		move := func(n, want int64) {
			t.Helper()
			g, err := s.Upload(t.Context(), n)
			if err != nil || g.Bytes != want {
				t.Errorf("%d of %d bytes, %v", g.Bytes, n, err)
			}
			g.Moved(g.Bytes)
		}
		move(600, 600)
		held, err := s.Upload(t.Context(), 100)
		if err != nil {
			t.Fatal(err)
		}
		s.SetLimits(Limits{})
		move(5000, 5000)
		held.Moved(0)
		s.SetLimits(Limits{Day: 1000})
		move(5000, 400)
	})
}
