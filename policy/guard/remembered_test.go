package guard

import (
	"strconv"
	"testing"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
)

// However many files a session makes, the last ones are remembered, in bounded memory,
// and none under a name that another file has by now.
func TestRemembered(t *testing.T) {
	var m remembered
	name := func(n int) path.Path { return path.MustParse("/" + strconv.Itoa(n)) }
	file := func(n int) backend.FileID { return backend.FileID{Inode: uint64(n)} }
	const all = 3*maxRemembered + 7
	for n := range all {
		m.add(name(n), file(n))
		if !m.has(name(n), file(n)) {
			t.Fatalf("file %d is forgotten at once", n)
		}
	}
	for n := all - maxRemembered; n < all; n++ {
		if !m.has(name(n), file(n)) {
			t.Fatalf("file %d of %d is forgotten", n, all)
		}
	}
	if m.has(name(0), file(0)) || len(m.young)+len(m.old) > 2*maxRemembered {
		t.Errorf("%d files are remembered, the first of %d among them: %v", len(m.young)+len(m.old), all, m.has(name(0), file(0)))
	}
	before, recent := all-maxRemembered, all-1 // one of them is old, the other young
	for _, n := range []int{before, recent} {
		m.add(name(n), file(all))
		if m.has(name(n), file(n)) || !m.has(name(n), file(all)) {
			t.Errorf("the name of file %d has another one, which is not the one remembered", n)
		}
		m.forget(name(n))
		if m.has(name(n), file(n)) || m.has(name(n), file(all)) {
			t.Errorf("file %d is not forgotten", n)
		}
	}
	m.clear()
	if m.has(name(all-2), file(all-2)) {
		t.Error("a file is remembered after all were forgotten")
	}
}
