package subsystem

import (
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// A peer notes what it is sent, and in brackets what more is to follow. A write
// of "wait" goes on when it may.
type peer struct {
	got strings.Builder
	may chan struct{}
	// waits counts the writes of "wait".
	waits atomic.Int64
}

func (p *peer) Write(b []byte) (int, error) {
	if string(b) == "wait" {
		p.waits.Add(1)
		<-p.may
	}
	return p.got.WriteString(string(b) + " ")
}

func (p *peer) WriteMore(b []byte) (int, error) {
	p.got.WriteString("[" + string(b[:1]) + "] ")
	return len(b), nil
}

func never(t *testing.T) func(error) {
	return func(cause error) { t.Errorf("cut: %v", cause) }
}

// All pieces of a packet but the last one leave together with it.
func TestPiecesLeaveTogether(t *testing.T) {
	p := &peer{}
	to := NewPatient(p, time.Minute, never(t))
	defer to.Stop()
	to.Write([]byte(strings.Repeat("a", Piece) + strings.Repeat("b", Piece) + "c"))
	to.WriteMore([]byte("d"))
	to.Write(nil)
	if got := p.got.String(); got != "[a] [b] c [d] " {
		t.Errorf("sent %q", got)
	}
}

// An answer leaves with the next one only where that is there already.
func TestAnswersThatAreThereLeaveTogether(t *testing.T) {
	p := &peer{may: make(chan struct{})}
	out := newReplies(p, time.Minute, never(t))
	defer out.stop()
	out.send([]byte("alone"))
	var all sync.WaitGroup
	all.Go(func() { out.send([]byte("wait")) })
	for p.waits.Load() == 0 {
		runtime.Gosched()
	}
	for range 2 {
		all.Go(func() { out.send([]byte("x")) })
	}
	for out.waiting.Load() < 2 {
		runtime.Gosched()
	}
	close(p.may)
	all.Wait()
	if got := p.got.String(); got != "alone wait [x] x " {
		t.Errorf("sent %q", got)
	}
}

// A received is a peer that notes what is flushed.
type received struct{ peer }

func (r *received) Receive([]byte) (int, error) { return 0, io.EOF }

func (r *received) Flush() error {
	r.got.WriteString("| ")
	return nil
}

// While the peer takes nothing, one waits to flush what it takes then, and no more.
func TestFlushesDoNotPileUp(t *testing.T) {
	r := &received{peer{may: make(chan struct{})}}
	out := newReplies(r, time.Minute, never(t))
	defer out.stop()
	var all sync.WaitGroup
	all.Go(func() { out.send([]byte("wait")) })
	for r.waits.Load() == 0 {
		runtime.Gosched()
	}
	all.Go(out.flushSoon)
	for out.waiting.Load() == 0 {
		runtime.Gosched()
	}
	out.flushSoon() // does not wait
	close(r.may)
	all.Wait()
	out.sendLater([]byte("x"))
	out.flushSoon()
	if got := r.got.String(); got != "wait | [x] | " {
		t.Errorf("sent %q", got)
	}
}

// Answers about one file keep their order, and are held back only for the next
// one that has nothing left to wait for.
func TestAnswersAboutOneFileLeaveTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &peer{}
		out := newReplies(p, time.Minute, never(t))
		defer out.stop()
		f := &file{}
		answer := func(at turn, text string) {
			defer at.end()
			at.come()
			out.sendAt(at, []byte(text))
		}
		first, second, third, fourth := f.turn(false), f.turn(false), f.turn(false), f.turn(false)
		go answer(second, "2") // ends in its turn, as those that follow
		synctest.Wait()
		answer(first, "1")
		synctest.Wait()
		if got := p.got.String(); got != "[1] 2 " {
			t.Fatalf("sent %q", got)
		}
		go func() {
			defer fourth.end()
			fourth.wait() // and for more than that
		}()
		synctest.Wait()
		answer(third, "3")
		if got := p.got.String(); got != "[1] 2 3 " {
			t.Errorf("sent %q", got)
		}
		synctest.Wait()
	})
}
