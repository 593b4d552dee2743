// This file is not of golang.org/x/crypto: third_party/README.md says what it is for.

package ssh

import (
	"encoding/binary"
	"errors"
	"io"
	"sync"
	"time"
)

// patience is how long a reader that receives packets may be away from it before
// the loop receives them in its place.
const patience = 20 * time.Millisecond

// often is how many times a reader is back within patience if it is quick: one that
// is not has its packets received for it, since much else may have come behind them.
const often = 8

// A drive says whose turn it is to receive packets: that of the read loop, or of the
// one channel's reader, which takes what it asks for from the connection in its own
// goroutine. While the reader is busy with what it got, nobody receives; but not
// for longer than patience, and not while it waits for something of the peer.
type drive struct {
	mu   sync.Mutex
	loop sync.Cond // it is the loop's turn
	by   turn
	// failed is why the reader could receive no more: the loop ends with it.
	failed error
	// heir wakes a reader that waits for packets of the loop, to receive them itself.
	heir func()

	steps, seen uint64 // of the reader, and how many the watch has seen
	watched     bool
	watch       *time.Timer
}

type turn int

const (
	loops turn = iota
	readers
	nobodys // the reader is busy, and will be back
)

func newDrive() *drive {
	d := &drive{}
	d.loop.L = &d.mu
	d.watch = time.AfterFunc(patience, d.look)
	d.watch.Stop()
	return d
}

// wait returns when it is the loop's turn, to receive or to end with an error. Where
// a reader waits for packets, it may have the turn.
func (d *drive) wait(mayPass bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if mayPass && d.heir != nil && d.failed == nil {
		d.heir()
		d.heir = nil
		d.leave()
	}
	for d.by != loops {
		d.loop.Wait()
	}
	return d.failed
}

// enter gives the turn to a reader. Where it is the loop's, wake is called once the
// reader can have it.
func (d *drive) enter(wake func()) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.by != nobodys {
		d.heir = wake
		return false
	}
	d.by = readers
	d.steps++
	return true
}

// leave lets the turn be nobody's, for a while. It is called with mu held.
func (d *drive) leave() {
	d.by = nobodys
	if !d.watched {
		d.watched, d.seen = true, d.steps
		d.watch.Reset(patience)
	}
}

// left is leave for the reader.
func (d *drive) left() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.leave()
}

// back gives the turn to the loop, for good if there is an error. Else wake is
// called once the reader can have it again.
func (d *drive) back(failed error, wake func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failed, d.heir = failed, wake
	d.by = loops
	d.loop.Signal()
}

// resume gives the loop a turn that is nobody's.
func (d *drive) resume() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.by == nobodys {
		d.by = loops
		d.loop.Signal()
	}
}

// look gives the loop the turn where the reader is busy, and was not back often since
// the last look.
func (d *drive) look() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.watched = false
	if d.by != nobodys {
		return
	}
	if d.steps-d.seen < often {
		d.by = loops
		d.loop.Signal()
		return
	}
	d.leave()
}

// A direct packetConn handles packets where it receives them.
type direct interface {
	// handleWith sets what handles a packet at once, if it can do so without waiting.
	handleWith(handle func(packet []byte, l *loan) (done bool, err error))
	// receive receives packets until there is enough, in the caller's goroutine. It
	// returns false where the loop does, and calls wake when that should be tried again.
	receive(enough func() bool, wake func()) bool
	// resume lets the loop receive packets, since the caller waits for one.
	resume()
	// drain returns when the connection has ended. It lets whoever receives come to
	// its end where nobody calls readPacket any more.
	drain()
}

// handleWith implements direct.
func (t *handshakeTransport) handleWith(handle func([]byte, *loan) (bool, error)) {
	t.handle.Store(&handle)
}

// resume implements direct.
func (t *handshakeTransport) resume() { t.drive.resume() }

// drain implements direct.
func (t *handshakeTransport) drain() {
	for range t.incoming {
	}
}

// errReceiver is why a connection ends whose receiver has panicked.
var errReceiver = errors.New("ssh: a panic while receiving a packet")

// receive implements direct.
func (t *handshakeTransport) receive(enough func() bool, wake func()) bool {
	if !t.drive.enter(wake) {
		return false
	}
	whole := false
	defer func() {
		if !whole {
			t.drive.back(errReceiver, wake)
		}
	}()
	for !enough() {
		if waiter, ok := t.conn.(interface{ waits() bool }); ok && !waiter.waits() {
			t.flush()
		}
		if queued, err := t.receiveOne(false); queued || err != nil {
			whole = true
			t.drive.back(err, wake)
			return false
		}
	}
	whole = true
	t.drive.left()
	return true
}

// receiveOne receives a packet, and handles it where nothing that came before it
// is still to be handled. Else it is queued for whoever calls readPacket.
func (t *handshakeTransport) receiveOne(first bool) (queued bool, err error) {
	p, l, err := t.readOneLent(first)
	if err != nil {
		return false, err
	}
	// If this is the first kex, and strict KEX mode is enabled,
	// we don't ignore any messages, as they may be used to manipulate
	// the packet sequence numbers.
	if !(t.sessionID == nil && t.strictMode) && (p[0] == msgIgnore || p[0] == msgDebug) {
		return false, nil
	}
	if handle := t.handle.Load(); handle != nil && t.queued.Load() == 0 {
		if done, err := (*handle)(p, l); done || err != nil {
			return false, err
		}
	}
	t.queued.Add(1)
	t.incoming <- arrival{p, l}
	return true, nil
}

// handleAtOnce handles a packet that takes no waiting: data, and window for it.
func (m *mux) handleAtOnce(packet []byte, l *loan) (done bool, err error) {
	if len(packet) < 5 || packet[0] != msgChannelData && packet[0] != msgChannelWindowAdjust {
		return false, nil
	}
	ch := m.chanList.getChan(binary.BigEndian.Uint32(packet[1:]))
	if ch == nil || !ch.established.Load() {
		return false, nil
	}
	return true, ch.handleLent(packet, l)
}

// Receive is Read. Where the connection has no other channel, what is not there yet
// is received in the caller's goroutine, which spares the waking of others. What was
// written with WriteMore is sent before it waits. One goroutine at a time may call it.
func (ch *channel) Receive(b []byte) (int, error) {
	if !ch.decided {
		return 0, errUndecided
	}
	for len(b) > 0 && !ch.pending.ready() {
		if !ch.receive() {
			if err := ch.Flush(); err != nil {
				return 0, err
			}
			ch.pending.await()
		}
	}
	n, err := ch.pending.Read(b)
	if n > 0 {
		err = ch.adjustWindowWith(uint32(n), ch.later())
		if err == io.EOF { // the end comes after what was received
			err = nil
		}
	}
	return n, err
}

// receive receives until there is something to read. It returns false where another
// goroutine does.
func (ch *channel) receive() bool {
	d, ok := ch.mux.conn.(direct)
	if !ok {
		return false
	}
	if ch.mux.chanList.open.Load() > 1 {
		d.resume()
		return false
	}
	return d.receive(ch.pending.ready, ch.pending.poke)
}

// later is writeMore of the connection below, or what stands for it.
func (ch *channel) later() func([]byte) error {
	if l, ok := ch.mux.conn.(laterWriter); ok {
		return l.writeMore
	}
	return ch.mux.conn.writePacket
}

// Flush sends what WriteMore wrote.
func (ch *channel) Flush() error {
	if l, ok := ch.mux.conn.(laterWriter); ok {
		return l.flush()
	}
	return nil
}

// ready tells whether Read would not wait.
func (b *buffer) ready() bool {
	b.Cond.L.Lock()
	defer b.Cond.L.Unlock()
	return b.full()
}

func (b *buffer) full() bool { return len(b.head.buf) > 0 || b.head != b.tail || b.closed }

// await returns when Read would not wait, or after poke.
func (b *buffer) await() {
	b.Cond.L.Lock()
	defer b.Cond.L.Unlock()
	for !b.full() && !b.poked {
		b.Cond.Wait()
	}
	b.poked = false
}

// poke lets await return.
func (b *buffer) poke() {
	b.Cond.L.Lock()
	defer b.Cond.L.Unlock()
	b.poked = true
	b.Cond.Signal()
}
