package journal

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/storage/state"
)

func BenchmarkAppend(b *testing.B) {
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			j, err := Open(b.TempDir(), Options{})
			if err != nil {
				b.Fatal(err)
			}
			value := make([]byte, 300)
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range writers {
				all.Go(func() {
					for next.Add(1) <= int64(b.N) {
						if _, err := j.Append(b.Context(), "events", state.NewOperationID(), value); err != nil {
							b.Error(err)
						}
					}
				})
			}
			all.Wait()
			b.StopTimer()
			if err := j.Close(); err != nil {
				b.Error(err)
			}
		})
	}
}

// BenchmarkOpen opens a trail of a million events, then reads pages of it.
func BenchmarkOpen(b *testing.B) {
	const events, piece = 1_000_000, 10_000
	dir := b.TempDir()
	j, err := Open(dir, Options{})
	if err == nil {
		err = j.Begin("events", 0)
	}
	entries := make([]state.Entry, piece)
	for n := uint64(0); n < events && err == nil; n += piece {
		for i := range entries {
			entries[i] = state.Entry{Position: n + uint64(i) + 1, Time: time.Unix(1, 0), Value: make([]byte, 350)}
		}
		err = j.Fill(b.Context(), "events", entries)
	}
	if err == nil {
		err = j.Close()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			if j, err = Open(dir, Options{}); err != nil {
				b.Fatal(err)
			}
			if err := j.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	if j, err = Open(dir, Options{}); err != nil {
		b.Fatal(err)
	}
	for name, read := range map[string]func() ([]state.Entry, error){
		"one":      func() ([]state.Entry, error) { return j.Read("events", events/2, 1) },
		"page":     func() ([]state.Entry, error) { return j.Read("events", events/2, 1000) },
		"the last": func() ([]state.Entry, error) { return j.ReadBack("events", 0, 1) },
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if found, err := read(); err != nil || len(found) == 0 {
					b.Fatal(len(found), err)
				}
			}
		})
	}
	if err := j.Close(); err != nil {
		b.Error(err)
	}
}
