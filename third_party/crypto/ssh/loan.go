// This file is not of golang.org/x/crypto: third_party/README.md says what it is for.

package ssh

import (
	"bufio"
	"io"
	"sync"
)

// A loan is memory that one large packet is received into. Data that a channel
// has handed to its reader gives it back; whatever else keeps its packet.
type loan [36 << 10]byte

// lentFrom is the size from which packets are lent memory. Smaller ones would
// hold far more than they fill, and a peer can have a whole window of them in
// every channel that nobody reads.
const lentFrom = 24 << 10

var loans = sync.Pool{New: func() any { return new(loan) }}

// newLoan lends memory for n bytes, nil where that does not pay or not fit.
func newLoan(n int) *loan {
	if n < lentFrom || n > len(loan{}) {
		return nil
	}
	return loans.Get().(*loan)
}

// giveBack ends an element: nobody sees its bytes any more.
func (e *element) giveBack() {
	e.buf = nil
	if e.loan != nil {
		loans.Put(e.loan)
		e.loan = nil
	}
}

// An arrival is a packet, and the loan that it is in, if it is in one.
type arrival struct {
	packet []byte
	loan   *loan
}

// A lender is a packetCipher that receives large packets into loans.
type lender interface {
	// takeLoan returns the loan that the last packet is in, nil if it is in none.
	takeLoan() *loan
}

// A lentReader is a packetConn that passes loans on.
type lentReader interface {
	readLent() ([]byte, *loan, error)
}

func readLent(c packetConn) ([]byte, *loan, error) {
	if r, ok := c.(lentReader); ok {
		return r.readLent()
	}
	p, err := c.readPacket()
	return p, nil, err
}

// A laterWriter is a packetConn that can send packets together.
type laterWriter interface {
	// writeMore is writePacket without sending the packet yet.
	writeMore(packet []byte) error
	// flush sends what writeMore wrote.
	flush() error
}

// A flushWriter gathers what is written until Flush.
type flushWriter interface {
	io.Writer
	Flush() error
}

// A reserver is a writer that lends its own room.
type reserver interface {
	// Reserve returns room for n bytes. Commit follows, and nothing before it.
	Reserve(n int) ([]byte, error)
	// Commit takes the first n bytes of the room as written.
	Commit(n int)
}

// A gatherer is a connection that gathers packets itself.
type gatherer interface {
	// Gather returns a writer of the connection, whose Flush sends.
	Gather() interface {
		io.Writer
		Flush() error
	}
}

// waits tells whether the connection sends what it gathered before it waits for more
// to read.
func (t *transport) waits() bool {
	_, buffered := t.bufWriter.(*bufio.Writer)
	return !buffered
}

func newFlushWriter(w io.Writer) flushWriter {
	if g, ok := w.(gatherer); ok {
		return g.Gather()
	}
	return bufio.NewWriter(w)
}
