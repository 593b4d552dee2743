package quota_test

import (
	"testing"

	"gatehouse/storage/quota"
	"gatehouse/storage/state/memory"
)

// What each block of an upload costs, where a quota stands on the home and one
// on the whole tree.
func BenchmarkReserve(b *testing.B) {
	l := open(b, memory.New(), "1", newDisk())
	set(b, l, "/", 1<<60, -1)
	set(b, l, "/home/bob", 1<<60, -1)
	name := p("/home/bob/a/b/c/file")
	b.ReportAllocs()
	for b.Loop() {
		r, err := l.ReserveBytes(b.Context(), name, 1<<15, 1<<15)
		if err != nil {
			b.Fatal(err)
		}
		r.Commit(quota.Amount{Bytes: 1 << 15})
	}
}
