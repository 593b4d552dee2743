package quota_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/storage/quota"
	"gatehouse/storage/state/redis"
	"gatehouse/storage/state/redis/redistest"
)

// 64 writers on three nodes fill a folder over a real Redis: to the last byte and file,
// never beyond, and what one frees the others can use.
func TestNodesFillAFolderOverRedis(t *testing.T) {
	server := redistest.Start(t)
	d := newDisk()
	var nodes []*quota.Ledger
	for i := range 3 {
		s, err := redis.Open(t.Context(), redis.Options{URL: server.URL()})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		l := ledger(t, s, fmt.Sprint("node", i), "1", d.walk)
		l.Share(quota.Sharing{})
		nodes = append(nodes, l)
	}
	const bytes, files = 1_000_003, 64
	set(t, nodes[0], "/q", bytes, files)
	for _, l := range nodes {
		for _, ok := l.On(p("/q")); !ok; _, ok = l.On(p("/q")) {
			if _, err := nodes[0].List(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	fill := func() {
		var all sync.WaitGroup
		var refused atomic.Int64
		for i := range 64 {
			l, name := nodes[i%3], p(fmt.Sprintf("/q/%d", i))
			all.Go(func() {
				if err := d.write(t.Context(), l, name, 0); err != nil {
					t.Error(err)
					return
				}
				for {
					_, err := d.stream(t.Context(), l, name, 1, int64(1+i*97))
					if errors.Is(err, quota.ErrExceeded) {
						refused.Add(1)
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		all.Wait()
		if got := d.total(p("/q")); got != (quota.Amount{Bytes: bytes, Files: files}) || refused.Load() != 64 {
			t.Errorf("it holds %+v, want %d bytes in %d files; %d were refused", got, bytes, files, refused.Load())
		}
	}
	fill()
	for i := range 64 {
		if err := d.remove(t.Context(), nodes[(i+1)%3], p(fmt.Sprintf("/q/%d", i))); err != nil {
			t.Fatal(err)
		}
	}
	fill()
	for _, l := range nodes[:2] {
		closeLedger(t, l)
	}
	wantUsed(t, nodes[2], "/q", quota.Amount{Bytes: bytes, Files: files})
}
