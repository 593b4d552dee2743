package guard_test

import (
	"strconv"
	"testing"

	"gatehouse/policy/guard"
	"gatehouse/storage/mount"
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

// A small file comes up in a folder that has many already: what all doors share,
// and what it costs to be sure of the disk. TMPDIR says which.
func BenchmarkUpload(b *testing.B) {
	for name, how := range map[string]guard.Open{
		"in-place": {Write: true, Create: true, Truncate: true},
		"atomic":   {Write: true, Create: true, Truncate: true, Atomic: true, Size: 4 << 10},
	} {
		for _, sync := range []string{mount.SyncClose, mount.SyncNone} {
			b.Run(name+"/"+sync, func(b *testing.B) { benchmarkUpload(b, how, sync) })
		}
	}
}

func benchmarkUpload(b *testing.B, how guard.Open, sync string) {
	w := &world{t: b, dir: b.TempDir()}
	m := w.mount("/", w.dir)
	m.Sync = sync
	w.open(m)
	u := w.user("ann")
	w.limit("/home/ann", 1<<50, 1<<30)
	block := make([]byte, 4<<10)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		f, err := u.Open(b.Context(), tp("/f"+strconv.Itoa(i)), how)
		u.w.must(err)
		if _, err := f.WriteAt(block, 0); err != nil {
			b.Fatal(err)
		}
		u.w.must(f.Close())
	}
}
