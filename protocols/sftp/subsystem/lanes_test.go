package subsystem

import (
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// What may overtake what on one file. The draft, section 6.1: the outcome is as
// if each request had waited for the one before; what does not meet may go on
// side by side.
func TestLaneOrder(t *testing.T) {
	tests := map[string]struct {
		under, next span
		waits       bool
	}{
		"the same range":   {span{0, 10}, span{0, 10}, true},
		"overlapping":      {span{0, 10}, span{9, 20}, true},
		"inside":           {span{0, 10}, span{5, 6}, true},
		"behind":           {span{0, 10}, span{10, 20}, false},
		"before":           {span{10, 20}, span{0, 10}, false},
		"the whole file":   {span{1 << 40, 1<<40 + 1}, whole, true},
		"under the whole":  {whole, span{7, 8}, true},
		"nothing to write": {span{0, 10}, span{5, 5}, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var moving traffic
				moving.begin(test.under)
				var passed atomic.Bool
				go func() { // ends when the first request is done
					moving.clear(test.next)
					passed.Store(true)
				}()
				synctest.Wait()
				if passed.Load() == test.waits {
					t.Errorf("passed %v, want it to wait: %v", passed.Load(), test.waits)
				}
				moving.done()
				synctest.Wait()
				if !passed.Load() {
					t.Error("it still waits when nothing is under way")
				}
			})
		})
	}
}

// A write behind the end of a file moves it: what was read as the end becomes a
// hole. A read in front of such a write once saw zeros where the file ended.
func TestWritesMoveTheEnd(t *testing.T) {
	behind, before := span{100, 110}, span{50, 60}
	tests := map[string]struct {
		first, then func(*lane)
		finish      func(*lane)
		waits       bool
	}{
		"read after a write behind it":  {func(l *lane) { l.write(behind) }, func(l *lane) { l.read(before) }, func(l *lane) { l.writes.done() }, true},
		"write behind a read":           {func(l *lane) { l.read(before) }, func(l *lane) { l.write(behind) }, func(l *lane) { l.reads.done() }, true},
		"read after a write before it":  {func(l *lane) { l.write(before) }, func(l *lane) { l.read(behind) }, func(l *lane) { l.writes.done() }, false},
		"write before a read":           {func(l *lane) { l.read(behind) }, func(l *lane) { l.write(before) }, func(l *lane) { l.reads.done() }, false},
		"write after a write behind it": {func(l *lane) { l.write(behind) }, func(l *lane) { l.write(before) }, func(l *lane) { l.writes.done() }, false},
		"read after a read":             {func(l *lane) { l.read(before) }, func(l *lane) { l.read(before) }, func(l *lane) { l.reads.done() }, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var l lane
				test.first(&l)
				var passed atomic.Bool
				go func() { // ends when the first request is done
					test.then(&l)
					passed.Store(true)
				}()
				synctest.Wait()
				if passed.Load() == test.waits {
					t.Errorf("passed %v, want it to wait: %v", passed.Load(), test.waits)
				}
				test.finish(&l)
			})
		})
	}
}

// A long upload is one span, not a million; scattered writes wait for one
// another rather than be remembered without bound.
func TestTrafficIsBounded(t *testing.T) {
	var moving traffic
	for i := range int64(10_000) {
		moving.begin(span{i * 10, i*10 + 10})
		moving.done()
	}
	if len(moving.spans) != 1 || moving.spans[0] != (span{0, 100_000}) {
		t.Errorf("a sequential upload is remembered as %d spans", len(moving.spans))
	}
	for i := range int64(10_000) {
		moving.begin(span{i * 100, i*100 + 10})
		moving.done()
		if len(moving.spans) > most {
			t.Fatalf("%d spans are remembered", len(moving.spans))
		}
	}
}

// Two handles of one file are one lane, which goes with the last of them.
func TestLanesAreShared(t *testing.T) {
	var all lanes
	is := func(id string) func() string { return func() string { return id } }
	first, other, second := all.enter(is("a")), all.enter(is("b")), all.enter(is("a"))
	if first != second {
		t.Fatal("two handles of a file do not share a lane")
	}
	if first == other {
		t.Fatal("two files share a lane")
	}
	all.leave(first)
	if !slices.Contains(all.all, first) {
		t.Error("the lane went with the first handle")
	}
	all.leave(second)
	all.leave(other)
	if len(all.all) != 0 {
		t.Error("a lane stays after the last handle")
	}
}

// A file that was cut does not tell any more which one it is, and is no other's.
func TestLanesOfWhatWasCut(t *testing.T) {
	var all lanes
	cut := func() string { return "" }
	if first, second := all.enter(cut), all.enter(cut); first == second {
		t.Error("two files that were cut share a lane")
	}
}

// Who has one file open at a time pays for no question.
func TestLaneOfOneFile(t *testing.T) {
	var all lanes
	for range 2 {
		all.leave(all.enter(func() string {
			t.Error("a file that is alone was asked which one it is")
			return ""
		}))
	}
}

// A copy from one file of a lane to another waits for what is under way on both,
// and not for itself.
func TestCopyWithinALane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var l lane
		l.write(span{0, 10})
		var begun atomic.Bool
		go func() { // ends when the copy has begun
			beginCopy(&l, &l, 0)
			begun.Store(true)
		}()
		synctest.Wait()
		if begun.Load() {
			t.Error("it does not wait for the write before it")
		}
		l.writes.done()
		synctest.Wait()
		if !begun.Load() {
			t.Fatal("it waits for itself")
		}
		l.writes.done()
		l.reads.done()
		l.settle()
	})
}
