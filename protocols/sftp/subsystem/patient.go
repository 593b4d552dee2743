package subsystem

import (
	"io"
	"time"
)

// Piece is how much the peer must take or give within the time after which it
// counts as stalled.
const Piece = 32 << 10

// A gatherer sends what it is given together with what follows at once.
type gatherer interface {
	// WriteMore is Write for what a Write follows at once.
	WriteMore(b []byte) (int, error)
}

// A receiver is a gatherer that sends what it was given before it waits for more to
// read.
type receiver interface {
	gatherer
	// Receive is Read, by one goroutine at a time.
	Receive(b []byte) (int, error)
	// Flush sends what WriteMore was given.
	Flush() error
}

// A Patient writes to a peer that must take each piece in time.
type Patient struct {
	to      io.Writer
	more    func([]byte) (int, error) // to's, where it gathers
	stalled time.Duration
	timer   *time.Timer
}

// NewPatient writes to a peer that is cut when it takes longer than stalled for
// a piece. Stop ends it.
func NewPatient(to io.Writer, stalled time.Duration, cut func(error)) *Patient {
	p := &Patient{to: to, more: to.Write, stalled: stalled}
	if g, ok := to.(gatherer); ok {
		p.more = g.WriteMore
	}
	p.timer = time.AfterFunc(stalled, func() { cut(ErrStalled) })
	p.timer.Stop()
	return p
}

// Stop gives up what the writer holds.
func (p *Patient) Stop() { p.timer.Stop() }

// Flush sends what WriteMore was given, where the peer is written to by a receiver.
func (p *Patient) Flush() error {
	if r, ok := p.to.(receiver); ok {
		return r.Flush()
	}
	return nil
}

// Write is io.Writer's.
func (p *Patient) Write(b []byte) (int, error) { return p.write(b, p.to.Write) }

// WriteMore is Write for what a Write follows at once: the two may leave together.
func (p *Patient) WriteMore(b []byte) (int, error) { return p.write(b, p.more) }

// write writes pieces, the last of them with last.
func (p *Patient) write(b []byte, last func([]byte) (int, error)) (sent int, err error) {
	defer p.timer.Stop()
	for write := p.more; sent < len(b); {
		if len(b)-sent <= Piece {
			write = last
		}
		p.timer.Reset(p.stalled)
		n, err := write(b[sent:min(len(b), sent+Piece)])
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}
