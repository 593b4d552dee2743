package events

import (
	"context"
	"slices"
	"sort"
	"sync"
	"time"

	"gatehouse/storage/state"
)

const (
	// pollEvery is how often the stream is looked at for what other nodes append.
	pollEvery = 500 * time.Millisecond
	// tailEvents and tailBytes, as they are stored, bound what is kept of the
	// newest events in memory.
	tailEvents = 8000
	tailBytes  = 8 << 20
	// mostPassed is how many events a follower gets at once, and holds while it is
	// slow.
	mostPassed = 64
)

// A tail is the end of the stream, which is read and decoded once for all who
// follow it. There is one while anybody does.
type tail struct {
	log       *Log
	stop      context.CancelFunc
	followers int // guarded by log.mu

	reading sync.Mutex // held over reading from the stream and adding that

	mu     sync.Mutex    // guards what follows
	grown  chan struct{} // closed when there is more, or no more to come
	known  bool          // the end is
	end    uint64        // the position of the newest event
	recent []piece       // the newest, up to the end
	events int           // in recent
	bytes  int           // of recent
	ended  bool          // the log is closed
}

// A piece is some events in a row, which nobody changes.
type piece struct {
	events []Event
	bytes  int // as they are stored
}

func (p piece) last() uint64 { return p.events[len(p.events)-1].Position }

// join returns the tail for one more follower, who leaves it again.
func (l *Log) join() *tail {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tail == nil {
		ctx, stop := context.WithCancel(context.Background())
		l.tail = &tail{log: l, stop: stop, grown: make(chan struct{})}
		go l.tail.run(ctx)
	}
	l.tail.followers++
	return l.tail
}

func (l *Log) leave(t *tail) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.followers--; t.followers == 0 {
		t.stop()
		l.tail = nil
	}
}

// run reads on until the last follower has left or the log is closed.
func (t *tail) run(ctx context.Context) {
	for ended := false; ; {
		appended := t.log.growth()
		t.read(ctx)
		if ended {
			t.finish()
			return
		}
		select {
		case <-appended:
		case <-time.After(pollEvery):
		case <-t.log.done:
			ended = true // one more look, for what was written last
		case <-ctx.Done():
			return
		}
	}
}

// read takes what was appended. A store that fails is asked again later.
func (t *tail) read(ctx context.Context) {
	if _, known := t.position(); !known {
		at, known := t.log.last(ctx)
		if !known {
			return
		}
		t.begin(at)
	}
	for t.readOn(ctx) {
	}
}

// readOn reports whether there may be more.
func (t *tail) readOn(ctx context.Context) bool {
	t.reading.Lock()
	defer t.reading.Unlock()
	at, _ := t.position()
	entries, err := t.log.after(ctx, at, pieceSize)
	if err != nil || len(entries) == 0 {
		return false
	}
	var news []piece
	for some := range slices.Chunk(entries, mostPassed) {
		p := piece{events: readAll(some)}
		for _, e := range some {
			p.bytes += len(e.Value)
		}
		news = append(news, p)
	}
	t.add(news)
	return len(entries) == pieceSize
}

// extend takes what this node has appended, the last of it at a position, without
// reading it again; false where it is not what comes next, or something is being
// read at this moment, which then has to read on.
func (t *tail) extend(entries []*entry, position uint64) bool {
	if !t.reading.TryLock() {
		return false
	}
	defer t.reading.Unlock()
	first := position + 1 - uint64(len(entries))
	if end, known := t.position(); !known || end+1 != first {
		return false
	}
	var news []piece
	for some := range slices.Chunk(entries, mostPassed) {
		p := piece{events: make([]Event, len(some))}
		for i, e := range some {
			p.events[i] = e.stands(first)
			p.bytes += len(e.value)
			first++
		}
		news = append(news, p)
	}
	t.add(news)
	return true
}

func (t *tail) position() (end uint64, known bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.end, t.known
}

func (t *tail) begin(end uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end, t.known = end, true
	t.tell()
}

func (t *tail) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ended = true
	t.tell()
}

// tell wakes who waits. The caller holds t.mu.
func (t *tail) tell() {
	close(t.grown)
	t.grown = make(chan struct{})
}

func (t *tail) add(news []piece) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range news {
		t.recent = append(t.recent, p)
		t.events += len(p.events)
		t.bytes += p.bytes
		t.end = p.last()
	}
	for t.events > tailEvents || t.bytes > tailBytes {
		t.drop(1)
	}
	t.tell()
}

// forget leaves out what is no more in the stream, with what is beside it.
func (t *tail) forget(upTo uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	for n < len(t.recent) && t.recent[n].events[0].Position <= upTo {
		n++
	}
	t.drop(n)
}

// drop takes the oldest pieces away. The caller holds t.mu.
func (t *tail) drop(n int) {
	for i, p := range t.recent[:n] {
		t.events -= len(p.events)
		t.bytes -= p.bytes
		t.recent[i] = piece{}
	}
	t.recent = t.recent[n:]
}

// after returns the events that follow a position, some of them at a time, none
// where there are none yet; false where they are older than what is kept here.
func (t *tail) after(position uint64) (next []Event, kept bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first := t.end + 1
	if len(t.recent) > 0 {
		first = t.recent[0].events[0].Position
	}
	if t.known && position+1 < first {
		return nil, false
	}
	n := sort.Search(len(t.recent), func(i int) bool { return t.recent[i].last() > position })
	if n == len(t.recent) {
		return nil, true
	}
	events := t.recent[n].events
	begin := sort.Search(len(events), func(i int) bool { return events[i].Position > position })
	return events[begin:], true
}

// growth returns what is closed when there is more; ended is that there never is.
func (t *tail) growth() (grown <-chan struct{}, ended bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.grown, t.ended
}

func readAll(entries []state.Entry) []Event {
	list := make([]Event, len(entries))
	for i, e := range entries {
		list[i] = read(e)
	}
	return list
}
