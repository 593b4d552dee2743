package accounts

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/state"
	"gatehouse/storage/state/bolt"
	"gatehouse/storage/state/typed"
)

// BenchmarkLoad makes accounts one after the other and many at once, then starts
// from cold: what is told is accounts per second and bytes of heap for each.
func BenchmarkLoad(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprint("create/writers=", writers), func(b *testing.B) {
			s := openBolt(b, b.TempDir())
			var all sync.WaitGroup
			next := make(chan int)
			for range writers {
				all.Go(func() {
					for i := range next {
						if _, err := s.Create(b.Context(), numbered(i)); err != nil {
							b.Error(err)
						}
					}
				})
			}
			for i := range b.N {
				next <- i
			}
			close(next)
			all.Wait()
		})
	}
}

// many is how many accounts a large site has.
const many = 100_000

// BenchmarkMany makes 100,000 accounts in batches, opens them from cold, and asks
// for a page of the list, a search and what holds for one, at the same cost as
// with ten.
func BenchmarkMany(b *testing.B) {
	for _, n := range []int{10, many} {
		dir := b.TempDir()
		list := make([]Account, n)
		for i := range list {
			list[i] = numbered(i)
		}
		b.Run(fmt.Sprint("accounts=", n), func(b *testing.B) {
			st, err := bolt.Open(dir, bolt.Options{})
			if err != nil {
				b.Fatal(err)
			}
			defer st.Close()
			s, err := Open(b.Context(), st)
			if err != nil {
				b.Fatal(err)
			}
			start := time.Now()
			if _, err := s.CreateMany(b.Context(), list); err != nil {
				b.Fatal(err)
			}
			took := time.Since(start)
			if err := s.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
			b.Run("create-many", func(b *testing.B) {
				b.ReportMetric(took.Seconds(), "s/all")
				b.ReportMetric(0, "ns/op")
			})
			s = nil
			benchmarkCold(b, st)
		})
	}
}

func benchmarkCold(b *testing.B, st state.Store) {
	before, start := heapInUse(), time.Now()
	s, err := Open(b.Context(), st)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = s.Close(context.Background()) }()
	took := time.Since(start)
	held := heapInUse() - before
	b.Run("cold-start", func(b *testing.B) {
		b.ReportMetric(took.Seconds(), "s/all")
		b.ReportMetric(float64(held)/(1<<20), "MiB")
		b.ReportMetric(0, "ns/op")
	})
	for _, id := range s.All() {
		if _, _, err := s.LookByID(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
	resolved := heapInUse() - before
	b.Run("all-resolved", func(b *testing.B) {
		b.ReportMetric(float64(resolved)/(1<<20), "MiB")
		b.ReportMetric(0, "ns/op")
	})
	if _, err := s.UpdateSite(b.Context(), 0, func(s *Site) error { s.Inactive = 90; return nil }, Guarded); err != nil {
		b.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"look":      func() error { _, _, err := s.Look(b.Context(), "user000007"); return err },
		"page":      func() error { _, _, err := s.List(b.Context(), Query{}); return err },
		"last-page": func() error { _, _, err := s.List(b.Context(), Query{Sort: "-username"}); return err },
		"search":    func() error { _, _, err := s.List(b.Context(), Query{Text: "number 7"}); return err },
		"idle":      func() error { _, err := s.DisableInactive(b.Context(), time.Now()); return err },
		"update": func() error {
			_, err := s.Update(b.Context(), "user000003", 0, func(a *Account) error { a.Notes = typed.NewID(); return nil }, Guarded)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := do(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func openBolt(b *testing.B, file string) *Store {
	b.Helper()
	st, err := bolt.Open(file, bolt.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s, err := Open(b.Context(), st)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close(b.Context()); _ = st.Close() })
	return s
}

// numbered is an account such as an import brings.
func numbered(i int) Account {
	return Account{
		Account: policy.Account{
			Name:   fmt.Sprintf("user%06d", i),
			Grants: []policy.Grant{{Path: path.MustParse("/shared/projects"), Permissions: policy.ReadOnly, Recursive: true}},
		},
		DisplayName: fmt.Sprintf("User Number %d", i), Email: fmt.Sprintf("user%d@example.org", i),
		Password: &Password{ID: typed.NewID(), Hash: "$2b$12$C6UzMDM.H6dfI/f/IKcEeO0g8C9J3jLf4Jm8Qw6oG8J0E1n2p3q4r", Changed: time.Unix(1_700_000_000, 0)},
	}
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
