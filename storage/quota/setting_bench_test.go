package quota_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/policy/path"
	"gatehouse/storage/quota"
	"gatehouse/storage/state/bolt"
)

// How many quotas are set in a second on homes that were just made, over the
// store of a real installation, by one and by many at once.
func BenchmarkSet(b *testing.B) {
	for _, setters := range []int{1, 8, 64} {
		b.Run(fmt.Sprint(setters), func(b *testing.B) {
			s, err := bolt.Open(b.TempDir(), bolt.Options{})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(func() { _ = s.Close() })
			l := open(b, s, "1", newDisk())
			var next atomic.Int64
			var all sync.WaitGroup
			b.ResetTimer()
			for range setters {
				all.Go(func() {
					for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
						home := path.MustParse(fmt.Sprintf("/home/%d", n))
						if err := l.Set(b.Context(), quota.Limit{Folder: home, Amount: quota.Amount{Bytes: 1 << 30, Files: -1}}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "quotas/s")
		})
	}
}
