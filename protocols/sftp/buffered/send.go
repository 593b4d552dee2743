package buffered

import (
	"fmt"
	"io"
	"net"

	"gatehouse/protocols/sftp/buffers"
)

// little is the most that begins in a small buffer: content goes on with more.
const little = 4 << 10

// Write is net.Conn's. It blocks while a buffer's worth waits to be sent.
func (c *Conn) Write(p []byte) (int, error) {
	n, err := gathering{c}.Write(p)
	if err != nil {
		return n, err
	}
	return n, gathering{c}.Flush()
}

// Gather returns a writer that sends nothing before it is flushed, a buffer is full,
// or Read waits, so that packets that follow one another leave in one system call. Its
// room can be had to write into. One goroutine at a time may use it.
func (c *Conn) Gather() interface {
	io.Writer
	Flush() error
} {
	return gathering{c}
}

type gathering struct{ c *Conn }

// Write is io.Writer's.
func (g gathering) Write(p []byte) (n int, err error) {
	for len(p) > 0 {
		room, err := g.Reserve(min(len(p), limit))
		if err != nil {
			return n, err
		}
		copied := copy(room, p)
		g.Commit(copied)
		p, n = p[copied:], n+copied
	}
	return n, nil
}

// Reserve returns room for size bytes, no more than a buffer holds. Commit must
// follow before anything else is called.
func (g gathering) Reserve(size int) ([]byte, error) {
	c := g.c
	if size > limit {
		return nil, fmt.Errorf("%d bytes are more than a buffer holds", size)
	}
	c.mu.Lock()
	for len(c.unsent)+size > limit && c.err == nil && !c.closing {
		c.flushed = true
		c.sendNow()
		if len(c.unsent)+size > limit && c.err == nil && !c.closing {
			c.room.Wait()
		}
	}
	err := c.err
	if err == nil && c.closing {
		err = net.ErrClosed
	}
	if err != nil {
		c.mu.Unlock()
		return nil, err
	}
	c.makeRoom(size)
	return c.unsent[len(c.unsent):][:size], nil
}

// makeRoom gives unsent room for size bytes. What begins with little is in a small
// buffer as long as that is enough: the answers to an upload are. It is called with mu
// held.
func (c *Conn) makeRoom(size int) {
	if c.unsent != nil && len(c.unsent)+size <= cap(c.unsent) {
		return
	}
	n := limit
	if c.unsent == nil && size <= little {
		n = buffers.Small
	}
	b := c.pool.Get(n)[:0]
	if c.unsent != nil {
		b = append(b, c.unsent...)
		c.pool.Put(c.unsent)
	}
	c.unsent = b
}

// Commit takes the first size bytes of the room as written.
func (g gathering) Commit(size int) {
	g.c.unsent = g.c.unsent[:len(g.c.unsent)+size]
	g.c.mu.Unlock()
}

// Flush sends what was written. It waits for nobody: what the kernel does not
// take at once is sent as soon as it does.
func (g gathering) Flush() error {
	c := g.c
	c.mu.Lock()
	defer c.mu.Unlock()
	c.flushed = c.unsent != nil
	c.sendNow()
	return c.err
}

// sendGathered sends what nobody has flushed. An error is that of a later write.
func (c *Conn) sendGathered() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unsent != nil {
		c.flushed = true
		c.sendNow()
	}
}

// sendNow sends what is to go out, unless somebody else is sending and will do it.
// It is called with mu held, which it lets go meanwhile.
func (c *Conn) sendNow() {
	for c.flushed && !c.sending && !c.closing && c.err == nil {
		b := c.take()
		n, err := 0, error(nil)
		if c.kernel != nil {
			c.mu.Unlock()
			n, err = c.offer(b)
			c.mu.Lock()
		}
		switch {
		case err != nil:
			c.pool.Put(b)
			c.fail(err)
		case n < len(b):
			c.left, c.whole = b[n:], b
			c.ready.Signal()
			return
		default:
			c.pool.Put(b)
			c.sending = false
		}
	}
	if c.closing {
		c.ready.Signal()
	}
}

// take begins the sending of all that was written.
func (c *Conn) take() []byte {
	b := c.unsent
	c.unsent, c.flushed, c.sending = nil, false, true
	c.room.Broadcast()
	return b
}

// fail notes that nothing more can be sent.
func (c *Conn) fail(err error) {
	c.err = err
	c.pool.Put(c.unsent)
	c.unsent, c.flushed, c.sending = nil, false, false
	c.ready.Signal()
	c.room.Broadcast()
}

// send sends what the kernel did not take at once, and the last words.
func (c *Conn) send() {
	defer close(c.ended)
	defer c.raw.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		for c.left == nil && c.err == nil && (!c.closing || c.sending) {
			c.ready.Wait()
		}
		if c.err != nil {
			return
		}
		if c.left == nil && c.unsent == nil {
			return
		}
		c.sendWaiting()
	}
}

// sendWaiting sends what is left, or what was written last, however long the peer
// takes, and then all that was to go out meanwhile.
func (c *Conn) sendWaiting() {
	b, whole := c.left, c.whole
	c.left, c.whole = nil, nil
	if b == nil {
		b = c.take()
		whole = b
	}
	for b != nil {
		c.mu.Unlock()
		_, err := c.raw.Write(b)
		c.mu.Lock()
		c.pool.Put(whole)
		if err != nil {
			c.fail(err)
			return
		}
		b = nil
		if c.flushed {
			b = c.take()
			whole = b
		}
	}
	c.sending = false
}
