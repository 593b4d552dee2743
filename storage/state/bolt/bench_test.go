package bolt

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/storage/state"
)

// share has writers make n changes between them.
func share(writers, n int, do func(writer, i int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			for i := int(next.Add(1)); i <= n; i = int(next.Add(1)) {
				do(w, i)
			}
		})
	}
	all.Wait()
}

func benchStore(b *testing.B) *Store {
	b.Helper()
	s, err := Open(b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

func BenchmarkApply(b *testing.B) {
	for _, writers := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s, value := benchStore(b), make([]byte, 330)
			b.ResetTimer()
			share(writers, b.N, func(w, i int) {
				_, err := s.Apply(b.Context(), state.Batch{
					Scope: fmt.Sprint("account", w), ID: state.NewOperationID(),
					Puts: []state.Put{{Name: fmt.Sprint(i % 1000), Value: value}},
				})
				if err != nil {
					b.Error(err)
				}
			})
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			s, value := benchStore(b), make([]byte, 300)
			b.ResetTimer()
			share(writers, b.N, func(int, int) {
				if _, err := s.Append(b.Context(), "events", state.NewOperationID(), value); err != nil {
					b.Error(err)
				}
			})
		})
	}
}

func BenchmarkGet(b *testing.B) {
	s := benchStore(b)
	if err := put(b.Context(), s, "s", "a"); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := s.Get(b.Context(), "s", "a"); err != nil {
			b.Fatal(err)
		}
	}
}
