// This file is not of golang.org/x/crypto: third_party/README.md says what it is for.

package ssh

import (
	"bytes"
	"io"
	"testing"
)

// gathered is a packetConn that notes what is flushed.
type gathered struct {
	written bytes.Buffer
	flushes chan string
	closed  chan struct{}
}

func (g *gathered) writePacket(p []byte) error {
	g.writeMore(p)
	return g.flush()
}

func (g *gathered) writeMore(p []byte) error {
	g.written.Write(p[9:])
	return nil
}

func (g *gathered) flush() error {
	g.flushes <- g.written.String()
	g.written.Reset()
	return nil
}

func (g *gathered) readPacket() ([]byte, error) {
	<-g.closed
	return nil, io.EOF
}

func (g *gathered) Close() error { return nil }

// A peer grants more of its window only after it has received what was sent in
// it: what was held back for more to follow must not wait for that, or both would
// wait for ever.
func TestFullWindowHoldsNothingBack(t *testing.T) {
	g := &gathered{flushes: make(chan string, 10), closed: make(chan struct{})}
	defer close(g.closed)
	ch := newMux(g).newChannel("session", channelInbound, nil)
	ch.decided = true
	ch.maxRemotePayload = 4
	ch.remoteWin.add(10)
	written := make(chan error)
	go func() { // ends when the window was opened
		_, err := ch.WriteMore([]byte("0123456789ab"))
		written <- err
	}()
	if got := <-g.flushes; got != "0123456789" {
		t.Fatalf("%q was flushed before the window was full", got)
	}
	ch.remoteWin.add(10)
	if err := <-written; err != nil {
		t.Fatal(err)
	}
	if len(g.flushes) != 0 {
		t.Fatalf("%q was flushed though more follows", <-g.flushes)
	}
	if _, err := ch.Write([]byte("cdef")); err != nil {
		t.Fatal(err)
	}
	if got := <-g.flushes; got != "abcdef" {
		t.Errorf("%q was flushed at the end", got)
	}
}

// keyed is a connection that keys can be exchanged over, which counts its flushes.
type keyed struct {
	keyingTransport
	flushed int
}

func (k *keyed) writeMore([]byte) error { return nil }

func (k *keyed) flush() error {
	k.flushed++
	return nil
}

// A key exchange writes to the connection from a goroutine of its own: a flush in
// its midst, of one who waits for the peer's window, tore packets into pieces.
func TestKeyExchangeIsNotDisturbed(t *testing.T) {
	conn := &keyed{}
	transport := &handshakeTransport{conn: conn, sentInitMsg: &kexInitMsg{}}
	if err := transport.flush(); err != nil || conn.flushed != 0 {
		t.Errorf("in the midst of a key exchange %d flushes, %v", conn.flushed, err)
	}
	transport.sentInitMsg = nil
	if err := transport.flush(); err != nil || conn.flushed != 1 {
		t.Errorf("after it %d flushes, %v", conn.flushed, err)
	}
}

// What a peer sends and nobody reads holds no more than half as much again.
func TestLoansAreFilled(t *testing.T) {
	if 2*len(loan{}) > 3*lentFrom {
		t.Errorf("a packet of %d bytes holds %d", lentFrom, len(loan{}))
	}
}

// A loan comes back once, when all of its data was read.
func TestLoanIsGivenBack(t *testing.T) {
	if newLoan(lentFrom-1) != nil || newLoan(len(loan{})+1) != nil {
		t.Error("a loan that does not pay, or does not fit")
	}
	l := newLoan(lentFrom)
	copy(l[:], "abcdef")
	b := newBuffer()
	b.writeLent(l[:6], l)
	e := b.tail
	got := make([]byte, 4)
	if n, err := b.Read(got); string(got[:n]) != "abcd" || err != nil || e.loan == nil {
		t.Errorf("read %q, %v; lent still: %v", got[:n], err, e.loan != nil)
	}
	if n, err := b.Read(got); string(got[:n]) != "ef" || err != nil || e.loan != nil {
		t.Errorf("read %q, %v; lent still: %v", got[:n], err, e.loan != nil)
	}
}
