package buffered

import (
	"io"
	"net"
	"testing"

	"gatehouse/protocols/sftp/buffers"
)

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
