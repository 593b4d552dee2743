package buffers

import "testing"

func TestSizes(t *testing.T) {
	var p Pool
	for n, room := range map[int]int{0: Small, 1: Small, Small: Small, Small + 1: Large, Large: Large, Large + 1: Large + 1} {
		b := p.Get(n)
		if len(b) != n || cap(b) < room {
			t.Errorf("Get(%d) is %d of %d bytes", n, len(b), cap(b))
		}
		p.Put(b[:n/2])
	}
	p.Put(nil)
	p.Put(make([]byte, 10))
	if b := p.Get(Small); len(b) != Small {
		t.Errorf("after what was not lent: %d bytes", len(b))
	}
}
