package guard_test

import (
	"testing"

	"gatehouse/policy/guard"
)

// What the guard costs, with and without a quota above.
func benchmarkQuota(b *testing.B, run func(b *testing.B, u *user)) {
	for name, limited := range map[string]bool{"quota": true, "none": false} {
		b.Run(name, func(b *testing.B) {
			w := newWorld(b)
			u := w.user("ann")
			if limited {
				w.limit("/home/ann", 1<<50, 1<<30)
			}
			run(b, u)
		})
	}
}

func BenchmarkWriteAt(b *testing.B) {
	benchmarkQuota(b, func(b *testing.B, u *user) {
		f, err := u.Open(b.Context(), tp("/f"), newFile)
		u.w.must(err)
		defer f.Close()
		block := make([]byte, 32<<10)
		b.SetBytes(int64(len(block)))
		for i := 0; b.Loop(); i++ {
			// Grows a megabyte, then starts anew.
			if i%64 == 0 {
				u.w.must(f.Truncate(0))
			}
			if _, err := f.WriteAt(block, int64(i%64)*int64(len(block))); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkOpenClose(b *testing.B) {
	benchmarkQuota(b, func(b *testing.B, u *user) {
		u.w.must(u.upload("/f", "content"))
		for b.Loop() {
			f, err := u.Open(b.Context(), tp("/f"), guard.Open{Write: true})
			u.w.must(err)
			u.w.must(f.Close())
		}
	})
}

func BenchmarkStat(b *testing.B) {
	w := newWorld(b)
	u := w.user("ann")
	w.put("/home/ann/1/2/3/4/5/6/7/f", "x")
	for b.Loop() {
		if _, err := u.Stat(b.Context(), tp("/1/2/3/4/5/6/7/f")); err != nil {
			b.Fatal(err)
		}
	}
}
