package buffered_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/protocols/sftp/buffered"
	"gatehouse/protocols/sftp/buffers"
)

// tcp returns both ends of a connection over the loopback.
func tcp(t *testing.T) (near, far net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	far, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	near, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { near.Close(); far.Close() })
	return near, far
}

// What goes in comes out, in pieces of any size, over the kernel's connections
// and over others.
func TestStream(t *testing.T) {
	pipe := func(*testing.T) (net.Conn, net.Conn) { return net.Pipe() }
	for name, ends := range map[string]func(*testing.T) (net.Conn, net.Conn){"tcp": tcp, "pipe": pipe} {
		t.Run(name, func(t *testing.T) {
			near, far := ends(t)
			c := buffered.New(near, &buffers.Pool{})
			want := make([]byte, 3<<20)
			rand.Read(want)
			go func() { // ends with the stream
				io.Copy(far, io.LimitReader(far, int64(len(want))))
				far.Close()
			}()
			go func() { // ends when all is written
				for b := want; len(b) > 0; {
					n := min(len(b), 1+len(b)%70000)
					c.Write(b[:n])
					b = b[n:]
				}
			}()
			got, err := io.ReadAll(io.MultiReader(io.LimitReader(c, 1<<20), io.LimitReader(c, 10), c))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%d bytes came back changed", len(got))
			}
			if c.Received() != uint64(len(want)) {
				t.Errorf("%d bytes counted, want %d", c.Received(), len(want))
			}
			c.Close()
			c.Wait()
		})
	}
}

// The last words of a connection, the reason of its end, must reach the peer.
func TestCloseSendsWhatWasWritten(t *testing.T) {
	near, far := tcp(t)
	c := buffered.New(near, &buffers.Pool{})
	c.Write([]byte("last words"))
	c.Close()
	got, err := io.ReadAll(far)
	if err != nil || string(got) != "last words" {
		t.Errorf("the peer got %q, %v", got, err)
	}
	if _, err := c.Write([]byte("more")); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a write after Close: %v", err)
	}
	c.Wait()
}

// A peer that has stopped reading holds neither Close nor a writer for longer
// than the moment that last words get.
func TestCloseWithStoppedPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := buffered.New(near, &buffers.Pool{})
		writes := make(chan error)
		go func() { // ends when the writer is let go
			_, err := c.Write(make([]byte, 4<<20))
			writes <- err
		}()
		synctest.Wait()
		start := time.Now()
		c.Close()
		if err := <-writes; err == nil {
			t.Error("the writer was not told")
		}
		c.Wait()
		if took := time.Since(start); took > time.Second {
			t.Errorf("closing took %v", took)
		}
		if _, err := near.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("the connection below is not closed: %v", err)
		}
	})
}

// Write takes no more memory than its buffers: then it waits.
func TestWriteIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		c := buffered.New(near, &buffers.Pool{})
		defer c.Close()
		written := make(chan int, 100)
		go func() { // ends with the error that closing brings
			for {
				n, err := c.Write(make([]byte, 64<<10))
				if err != nil {
					return
				}
				written <- n
			}
		}()
		synctest.Wait()
		if n := len(written) * 64 << 10; n < 256<<10 || n > 512<<10 {
			t.Errorf("%d bytes were taken of a peer that reads none", n)
		}
	})
}

func TestDeadlines(t *testing.T) {
	near, _ := tcp(t)
	c := buffered.New(near, &buffers.Pool{})
	defer c.Close()
	c.SetDeadline(time.Now().Add(-time.Second))
	if _, err := c.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a read after the deadline: %v", err)
	}
	c.SetDeadline(time.Time{})
	go near.Close()
	if _, err := c.Read(make([]byte, 10)); err == nil {
		t.Error("a read from a closed connection")
	}
}

// An error of sending is that of a later write, for a peer that went away.
func TestSendingFails(t *testing.T) {
	near, far := tcp(t)
	c := buffered.New(near, &buffers.Pool{})
	defer c.Close()
	far.Close()
	for { // a write that hangs, or succeeds for ever, ends with the test's time
		if _, err := c.Write(make([]byte, 1<<20)); err != nil {
			return
		}
	}
}
