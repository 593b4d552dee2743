package subsystem

import (
	"io"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/protocols/sftp/wire"
)

// Grace is how long a transfer under way may go on after its file was cut.
const Grace = 500 * time.Millisecond

// replies sends packets, one after the other. Safe for concurrent use.
type replies struct {
	cut func(error)

	waiting  atomic.Int64 // packets whose turn comes at once
	flushing atomic.Bool  // flushSoon waits for its turn

	mu  sync.Mutex // guards to, and err
	to  *Patient
	err error
	ok  []byte // the room of the last outcome that was sent
	// later says that to's channel sends what it gathered before it is read in vain.
	later bool

	// sending is the file whose content is being sent, turn counts the packets.
	sending atomic.Pointer[file]
	turn    atomic.Uint64
}

func newReplies(to io.Writer, stalled time.Duration, cut func(error)) *replies {
	_, later := to.(receiver)
	return &replies{to: NewPatient(to, stalled, cut), cut: cut, later: later}
}

func (o *replies) stop() { o.to.Stop() }

func (o *replies) send(b []byte) error {
	return o.sendAt(turn{}, b)
}

// sendLater is send for the goroutine that reads requests: the packet leaves at the
// latest when that waits for more of them.
func (o *replies) sendLater(b []byte) error {
	return o.sendAt(turn{late: true}, b)
}

// flush sends what sendLater did not.
func (o *replies) flush() {
	if !o.later {
		return
	}
	o.lock()
	defer o.mu.Unlock()
	o.flushing.Store(false)
	if o.err == nil {
		o.err = o.to.Flush()
	}
}

// flushSoon is flush, unless one waits already: that sends all there is by then.
func (o *replies) flushSoon() {
	if !o.flushing.Swap(true) {
		o.flush()
	}
}

// sendAt sends a packet whose turn it is. It may leave with the one after it,
// where that waits for nothing else.
func (o *replies) sendAt(t turn, b []byte) error {
	o.lock()
	defer o.mu.Unlock()
	return o.write(t, b)
}

// sendOK sends that all went well.
func (o *replies) sendOK(t turn, id uint32) {
	o.lock()
	defer o.mu.Unlock()
	o.ok = wire.AppendStatus(o.ok[:0], id, wire.OK, "")
	o.write(t, o.ok)
}

// sendContent sends what was read of a file, unless the file was cut while the
// packet waited for its turn: its content is then no longer the client's.
func (o *replies) sendContent(t turn, f *file, id uint32, b []byte) error {
	o.lock()
	defer o.mu.Unlock()
	o.turn.Add(1)
	o.sending.Store(f)
	defer o.sending.Store(nil)
	if cut := f.cut(); cut != nil {
		code, text := Status(cut)
		return o.write(t, wire.AppendStatus(nil, id, code, text))
	}
	return o.write(t, b)
}

func (o *replies) lock() {
	o.waiting.Add(1)
	o.mu.Lock()
	o.waiting.Add(-1)
}

func (o *replies) write(t turn, b []byte) error {
	if o.err != nil {
		return o.err
	}
	if o.waiting.Load() > 0 || t.awaited() || t.late && o.later {
		_, o.err = o.to.WriteMore(b)
	} else {
		_, o.err = o.to.Write(b)
	}
	return o.err
}

// withdraw ends the connection where content of a file that was cut is still
// being sent after a grace: the peer has stopped reading, and half a packet
// cannot be taken back.
func (o *replies) withdraw(f *file) {
	if o.sending.Load() != f {
		return
	}
	turn := o.turn.Load()
	time.AfterFunc(Grace, func() {
		if o.sending.Load() == f && o.turn.Load() == turn {
			o.cut(f.cut())
		}
	})
}
