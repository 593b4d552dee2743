package buffered

import (
	"bytes"
	"io"
	"net"
	"testing"

	"gatehouse/protocols/sftp/buffers"
)

// A hundred uploads held a quarter of a mebibyte each for outcomes of sixty bytes. What
// does not stay little goes on in a large buffer, whole.
func TestLittleIsSentFromLittle(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	c := New(near, &buffers.Pool{})
	defer c.Close()
	w := c.Gather()
	var want []byte
	for i, at := range []struct{ size, room int }{
		{60, buffers.Small}, {little, buffers.Small}, {buffers.Small - little - 60, buffers.Small}, {1, buffers.Large}, {32 << 10, buffers.Large},
	} {
		piece := bytes.Repeat([]byte{byte(i + 1)}, at.size)
		want = append(want, piece...)
		w.Write(piece)
		c.mu.Lock()
		if got := cap(c.unsent); got != at.room {
			t.Errorf("%d bytes are in a buffer of %d, want %d", len(c.unsent), got, at.room)
		}
		c.mu.Unlock()
	}
	w.Flush()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("what came is not what was written, %v", err)
	}
	w.Write(make([]byte, little+1))
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := cap(c.unsent); got != buffers.Large {
		t.Errorf("content is in a buffer of %d", got)
	}
}

// Ten thousand idle connections must not hold half a megabyte each: a buffer is
// held only while there is something in it, and none while waiting for more.
func TestIdleHoldsNoBuffer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c := New(near, &buffers.Pool{})
	defer c.Close()

	message := make([]byte, 100)
	far.Write(message)
	if _, err := c.Read(message[:60]); err != nil {
		t.Fatal(err)
	}
	if len(c.unread) != 40 {
		t.Fatalf("%d bytes are kept for the next read, want 40", len(c.unread))
	}
	if _, err := io.ReadFull(c, message[:40]); err != nil {
		t.Fatal(err)
	}
	if c.borrowed != nil {
		t.Error("a buffer is held after all of it was read")
	}
	c.Write(message)
	if _, err := io.ReadFull(far, message); err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unsent != nil {
		t.Error("a buffer is held after all of it was sent")
	}
}
