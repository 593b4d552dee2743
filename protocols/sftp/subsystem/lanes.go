package subsystem

import (
	"slices"
	"sync"
)

// The protocol wants requests for one file to have the effect they would have
// one after the other, and leaves all else free (section 6.1 of the draft). A
// lane orders what is asked of one file: reads and writes go on side by side
// while they cannot matter to one another.

// lanes are the lanes of open files: handles of one file share one, by whatever
// names they were opened. They belong to the goroutine that reads the requests.
type lanes struct{ all []*lane }

// A lane is what is under way on one file. Only done is called by others than
// the goroutine that reads the requests.
type lane struct {
	identify      func() string // nil once it was asked
	id            string        // what it told
	handles       int
	reads, writes traffic
}

// enter returns the lane of a file that was opened; identify tells which one it is,
// empty where that cannot be told any more. A file that is alone is not asked.
func (l *lanes) enter(identify func() string) *lane {
	entered := &lane{identify: identify}
	for _, at := range l.all {
		if at.same(entered) {
			entered = at
			break
		}
	}
	if entered.handles++; entered.handles == 1 {
		l.all = append(l.all, entered)
	}
	return entered
}

// same reports whether two lanes are of one file.
func (a *lane) same(b *lane) bool {
	for _, one := range []*lane{a, b} {
		if one.identify != nil {
			one.id, one.identify = one.identify(), nil
		}
	}
	return a.id != "" && a.id == b.id
}

// leave gives the lane up when the last handle was closed.
func (l *lanes) leave(at *lane) {
	if at.handles--; at.handles == 0 {
		l.all = slices.DeleteFunc(l.all, func(other *lane) bool { return other == at })
	}
}

// settleWrites waits for every write under way, settle for every read as well.
func (l *lanes) settleWrites() {
	for _, at := range l.all {
		at.writes.settle()
	}
}

func (l *lanes) settle() {
	for _, at := range l.all {
		at.settle()
	}
}

// read begins a read, after every write that could matter to it: one behind its
// range moves the end of the file, and makes a hole of what was nothing.
func (a *lane) read(s span) {
	a.writes.clear(span{s.first, whole.end})
	a.reads.begin(s)
}

// write begins a write, after every write that it meets and every read to which
// it could matter.
func (a *lane) write(s span) {
	a.writes.clear(s)
	a.reads.clear(span{0, s.end})
	a.writes.begin(s)
}

// beginCopy begins a read of one lane from off on and a write of all of another.
// The two may be one: all that is waited for is waited for before either begins.
func beginCopy(from, to *lane, off int64) {
	read := span{off, whole.end}
	from.writes.clear(read)
	to.writes.clear(whole)
	to.reads.clear(whole)
	from.reads.begin(read)
	to.writes.begin(whole)
}

func (a *lane) settle() {
	a.reads.settle()
	a.writes.settle()
}

// A span is a range of a file: from and including first, up to end.
type span struct{ first, end int64 }

// whole is what a request spans whose range is not known.
var whole = span{0, 1<<63 - 1}

func (s span) meets(o span) bool { return max(s.first, o.first) < min(s.end, o.end) }

// most is how many separate spans are remembered before traffic waits for all.
const most = 64

// traffic is what is under way in one direction, and the ranges that were
// begun since it last was known to be still.
type traffic struct {
	moving sync.WaitGroup
	spans  []span
}

// begin notes a request; done ends it.
func (t *traffic) begin(s span) {
	for i := range t.spans {
		if t.spans[i].end == s.first {
			t.spans[i].end = s.end
			t.moving.Add(1)
			return
		}
	}
	if len(t.spans) == most {
		t.settle()
	}
	t.spans = append(t.spans, s)
	t.moving.Add(1)
}

func (t *traffic) done() { t.moving.Done() }

// clear waits where something under way may meet s.
func (t *traffic) clear(s span) {
	for _, other := range t.spans {
		if s.meets(other) {
			t.settle()
			return
		}
	}
}

func (t *traffic) settle() {
	t.moving.Wait()
	t.spans = t.spans[:0]
}
