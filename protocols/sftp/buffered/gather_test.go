package buffered_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/protocols/sftp/buffered"
	"gatehouse/protocols/sftp/buffers"
)

// counting counts the writes to a connection, in which no kernel is seen.
type counting struct {
	net.Conn
	writes chan []byte
}

func (c counting) Write(b []byte) (int, error) {
	c.writes <- bytes.Clone(b)
	return len(b), nil
}

// room is what a gathering writer can do beside writing.
type room interface {
	Reserve(n int) ([]byte, error)
	Commit(n int)
}

// What is gathered leaves when it is flushed, in one piece, and not before.
func TestGathered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		writes := make(chan []byte, 10)
		c := buffered.New(counting{near, writes}, &buffers.Pool{})
		defer c.Close()
		w := c.Gather()
		w.Write([]byte("one "))
		b, err := w.(room).Reserve(100)
		if err != nil || len(b) != 100 {
			t.Fatalf("%d bytes of room, %v", len(b), err)
		}
		w.(room).Commit(copy(b, "two "))
		w.Write([]byte("three"))
		synctest.Wait()
		if len(writes) != 0 {
			t.Fatalf("%q left before it was flushed", <-writes)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if got := <-writes; string(got) != "one two three" {
			t.Errorf("%q left", got)
		}
		w.Flush()
		synctest.Wait()
		if len(writes) != 0 {
			t.Errorf("flushed again, %q left", <-writes)
		}
	})
}

// Nobody has to flush what fills a buffer, and more room than a buffer there is none.
func TestGatheringIsBounded(t *testing.T) {
	near, far := tcp(t)
	c := buffered.New(near, &buffers.Pool{})
	defer c.Close()
	w := c.Gather()
	if _, err := w.(room).Reserve(1 << 20); err == nil {
		t.Error("a mebibyte of room was given")
	}
	want := make([]byte, 8<<20)
	rand.Read(want)
	go func() { // ends when all is read
		for b := want; len(b) > 0; b = b[32<<10:] {
			w.Write(b[:32<<10])
		}
		w.Flush()
	}()
	got := make([]byte, len(want))
	if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, want) {
		t.Errorf("what came is not what was written, %v", err)
	}
}

// A flush waits for nobody, not for a peer that has stopped reading either.
func TestFlushNeverWaits(t *testing.T) {
	near, far := net.Pipe()
	c := buffered.New(near, &buffers.Pool{})
	defer c.Close()
	w := c.Gather()
	for _, word := range []string{"one ", "two ", "three"} {
		w.Write([]byte(word))
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, len("one two three"))
	if _, err := io.ReadFull(far, got); err != nil || string(got) != "one two three" {
		t.Errorf("the peer got %q, %v", got, err)
	}
}

// A peer that has stopped reading and goes on gets all in order.
func TestStoppedPeerGoesOn(t *testing.T) {
	near, far := tcp(t)
	c := buffered.New(near, &buffers.Pool{})
	defer c.Close()
	w := c.Gather()
	want := make([]byte, 200<<10)
	rand.Read(want)
	rounds := 0
	for done := make(chan struct{}); ; rounds++ {
		go func() { // ends when the peer is read, at the latest
			defer close(done)
			w.Write(want)
			w.Flush()
		}()
		select {
		case <-done:
			done = make(chan struct{})
			continue
		case <-time.After(100 * time.Millisecond): // most likely the kernel and both buffers are full
		}
		for i := range rounds + 1 {
			got := make([]byte, len(want))
			if _, err := io.ReadFull(far, got); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("round %d of %d is not what was written, %v", i, rounds, err)
			}
		}
		<-done
		return
	}
}

// A peer that went away is the error of a later flush.
func TestFlushFails(t *testing.T) {
	near, far := tcp(t)
	c := buffered.New(near, &buffers.Pool{})
	far.Close()
	w := c.Gather()
	for { // one that hangs, or succeeds for ever, ends with the test's time
		w.Write([]byte("x"))
		if err := w.Flush(); err != nil {
			break
		}
	}
	c.Wait()
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection below is still open: %v", err)
	}
}

// Last words are sent though nobody flushed them.
func TestCloseSendsWhatWasGathered(t *testing.T) {
	near, far := tcp(t)
	c := buffered.New(near, &buffers.Pool{})
	c.Gather().Write([]byte("last words"))
	c.Close()
	if got, err := io.ReadAll(far); err != nil || string(got) != "last words" {
		t.Errorf("the peer got %q, %v", got, err)
	}
	if err := c.Gather().Flush(); err != nil {
		t.Errorf("a flush with nothing to send: %v", err)
	}
}

// Whoever waits for the peer has told it everything: what nobody has flushed leaves
// before a Read waits, and not before one that does not.
func TestReadSendsWhatWasGathered(t *testing.T) {
	pipe := func(*testing.T) (net.Conn, net.Conn) { return net.Pipe() }
	for name, ends := range map[string]func(*testing.T) (net.Conn, net.Conn){"tcp": tcp, "pipe": pipe} {
		t.Run(name, func(t *testing.T) {
			near, far := ends(t)
			c := buffered.New(near, &buffers.Pool{})
			defer c.Close()
			go func() { // ends with the answer, or with the test's connection
				got := make([]byte, len("question"))
				if _, err := io.ReadFull(far, got); err == nil && string(got) == "question" {
					far.Write([]byte("answer"))
				}
			}()
			c.Gather().Write([]byte("question"))
			got := make([]byte, len("answer"))
			if _, err := io.ReadFull(c, got); err != nil || string(got) != "answer" {
				t.Errorf("the peer said %q, %v", got, err)
			}
		})
	}
}
