package redis

import (
	"context"
	"errors"
	"testing"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/redis/redistest"
)

// Each call costs one round trip, whatever it checks, writes and remembers.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	proxy := proxied(t, redistest.Start(t).Addr)
	s := opened(t, Options{URL: "redis://" + proxy.Addr, Connections: 1})
	ctx := t.Context()
	calls := mutations(ctx, s)
	calls["batch"] = func() error {
		r, err := s.Revision(ctx, "b")
		if err != nil {
			return err
		}
		before := proxy.trips()
		b := state.Batch{Scope: "b", ID: state.NewOperationID(), Deletes: []string{"gone"}}
		for _, name := range []string{"x", "y", "z"} {
			b.Checks = append(b.Checks, state.Check{Name: name, Revision: r})
			b.Puts = append(b.Puts, state.Put{Name: name, Value: []byte(name), TTL: time.Hour})
		}
		_, err = s.Apply(ctx, b)
		if n := proxy.trips() - before; r > 0 && n != 1 {
			t.Errorf("a batch took %d round trips", n)
		}
		return err
	}
	calls["get"] = func() error { _, err := s.Get(ctx, "s", "a"); return err }
	calls["list"] = func() error { _, err := s.List(ctx, "s", "", "", 0); return err }
	calls["look"] = func() error { _, err := s.Count(ctx, "s", state.Distinct{Name: "d"}); return err }
	calls["read"] = func() error { _, err := s.Read(ctx, "log", 0, 0); return err }
	calls["read back"] = func() error { _, err := s.ReadBack(ctx, "log", 0, 1); return err }
	inRun := state.InRun(ctx, state.Run{Name: "n", Number: 1})
	calls["append of a run"] = func() error { _, err := s.Append(inRun, "log", state.NewOperationID(), []byte("e")); return err }
	calls["tell of a run"] = func() error { _, err := s.Append(inRun, "log", ""); return err }
	calls["trim"] = func() error { return s.Trim(ctx, "log", 1) }
	for range 2 { // the first one sends scripts
		for name, call := range calls {
			if err := call(); err != nil && !errors.Is(err, state.ErrNotFound) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	delete(calls, "batch")
	for name, call := range calls {
		before := proxy.trips()
		if err := call(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if n := proxy.trips() - before; n != 1 {
			t.Errorf("%s took %d round trips", name, n)
		}
	}
}

func benchServer(b *testing.B) *Store {
	b.Helper()
	return opened(b, Options{URL: redistest.Start(b).URL()})
}

func BenchmarkGet(b *testing.B) {
	s := benchServer(b)
	if _, err := put(s, b.Context(), "s", "a"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Get(b.Context(), "s", "a"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	benchmark(b, func(ctx context.Context, s *Store, value []byte) error {
		_, err := s.Apply(ctx, state.Batch{Scope: "s", ID: state.NewOperationID(), Puts: []state.Put{{Name: "a", Value: value}}})
		return err
	})
}

func BenchmarkAppend(b *testing.B) {
	benchmark(b, func(ctx context.Context, s *Store, value []byte) error {
		_, err := s.Append(ctx, "events", state.NewOperationID(), value)
		return err
	})
}

func BenchmarkLease(b *testing.B) {
	benchmark(b, func(ctx context.Context, s *Store, _ []byte) error {
		_, err := s.Count(ctx, "s", state.Lease{ID: state.NewOperationID(), Name: "n", Holder: "h", Commit: 1, Want: 1})
		return err
	})
}

// benchmark has one writer, then 64, make the same change.
func benchmark(b *testing.B, change func(context.Context, *Store, []byte) error) {
	for name, writers := range map[string]int{"writers=1": 1, "writers=64": 64} {
		b.Run(name, func(b *testing.B) {
			s, value := benchServer(b), make([]byte, 330)
			b.SetParallelism((writers + 1) / 2)
			if writers == 1 {
				for b.Loop() {
					if err := change(b.Context(), s, value); err != nil {
						b.Fatal(err)
					}
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := change(b.Context(), s, value); err != nil {
						b.Error(err)
					}
				}
			})
		})
	}
}
