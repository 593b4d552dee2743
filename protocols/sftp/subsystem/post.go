package subsystem

import (
	"errors"
	"sync"
	"time"
)

// patience is how long a request may take before others are read beside it.
const patience = 20 * time.Millisecond

// A file system that takes its time with each request is better asked for many at a
// time: after few requests in a row that took longer than quick, the next many are
// worked on beside the reading of others.
const (
	quick = time.Millisecond
	few   = 3
	many  = 64
)

// pace is how requests went. It belongs to the goroutine that reads them.
type pace struct {
	late   int // how many in a row were not quick
	beside int // how many are still to be worked on beside the reading
}

// note notes how long a request took.
func (p *pace) note(took time.Duration) {
	if took <= quick {
		p.late = 0
		return
	}
	if p.late = min(p.late+1, few); p.late == few {
		p.beside = many
	}
}

// lost notes that one took the post.
func (p *pace) lost() { p.late, p.beside = few, many }

// here tells whether the next request is worked on where it is read.
func (p *pace) here() bool { return p.beside == 0 }

// errRelieved tells a goroutine that another one reads the requests now.
var errRelieved = errors.New("another goroutine reads the requests")

// A post is that of the goroutine that reads the requests. Most it works on itself,
// since to wake another one costs more than they do. Where one takes long, another
// goroutine takes the post, and what was answered before does not wait for it.
type post struct {
	// relieve has another goroutine read on. overdue is called when there was no
	// waiting for requests for some time: nobody may have sent the answers.
	relieve, overdue func()

	mu      sync.Mutex
	count   uint64 // of requests
	seen    uint64 // the request that there was at the last look
	at      work
	watched bool
	watch   *time.Timer
}

// work is what the holder of a post does.
type work int

const (
	waiting  work = iota // for the next request
	ordering             // what nobody else can do in its place
	working              // on a request that could be worked on beside the reading
)

func newPost(relieve, overdue func()) *post {
	p := &post{relieve: relieve, overdue: overdue}
	p.watch = time.AfterFunc(patience, p.look)
	p.watch.Stop()
	return p
}

func (p *post) stop() { p.watch.Stop() }

// begin notes a request.
func (p *post) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	p.at = ordering
	p.attend()
}

// attend has look come, unless it will. It is called with mu held.
func (p *post) attend() {
	if !p.watched {
		p.watched, p.seen = true, p.count
		p.watch.Reset(patience)
	}
}

// end notes that the next request is waited for.
func (p *post) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.at = waiting
}

// do does f in the caller's goroutine. It returns false where that has lost the post.
func (p *post) do(f func()) bool {
	p.mu.Lock()
	p.at = working
	request := p.count
	p.attend()
	p.mu.Unlock()
	f()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.count != request || p.at != working {
		return false
	}
	p.at = ordering
	return true
}

// look comes from time to time while requests do. It comes no more during one that
// takes long, unless that goes on to be worked on.
func (p *post) look() {
	p.mu.Lock()
	p.watched = false
	busy := p.at != waiting
	relieved := p.at == working && p.count == p.seen
	switch {
	case relieved:
		p.at = waiting
		p.count++
	case busy && p.count != p.seen:
		p.attend()
	}
	p.mu.Unlock()
	if relieved {
		p.relieve()
	}
	if busy {
		p.overdue()
	}
}
