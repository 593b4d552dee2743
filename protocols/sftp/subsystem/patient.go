package subsystem

import (
	"io"
	"time"
)

// Piece is how much the peer must take or give within the time after which it
// counts as stalled.
const Piece = 32 << 10

// A Patient writes to a peer that must take each piece in time.
type Patient struct {
	to      io.Writer
	stalled time.Duration
	timer   *time.Timer
}

// NewPatient writes to a peer that is cut when it takes longer than stalled for
// a piece. Stop ends it.
func NewPatient(to io.Writer, stalled time.Duration, cut func(error)) *Patient {
	p := &Patient{to: to, stalled: stalled}
	p.timer = time.AfterFunc(stalled, func() { cut(ErrStalled) })
	p.timer.Stop()
	return p
}

// Stop gives up what the writer holds.
func (p *Patient) Stop() { p.timer.Stop() }

// Write is io.Writer's.
func (p *Patient) Write(b []byte) (int, error) {
	defer p.timer.Stop()
	sent := 0
	for sent < len(b) {
		p.timer.Reset(p.stalled)
		n, err := p.to.Write(b[sent:min(len(b), sent+Piece)])
		sent += n
		if err != nil {
			return sent, err
		}
	}
	return sent, nil
}
