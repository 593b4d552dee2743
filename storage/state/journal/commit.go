package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"gatehouse/storage/state"
)

const (
	// groupSize is about how many bytes one write has.
	groupSize = 4 << 20
	// maxAppend bounds one append, whose frames tell how far back it began.
	maxAppend = 1 << 30
)

// A plan is what one write makes of a stream.
type plan struct {
	frames  []byte
	marks   []mark
	last    uint64
	trimmed uint64
	now     time.Time
	jobs    []*job // those that write something
}

// commit makes a group of jobs durable and replies to each.
func (s *stream) commit(group []*job) {
	var mine, rest []*job
	now := time.Now()
	s.writer.ids.forget(now)
	for _, j := range group {
		if !j.taken.CompareAndSwap(false, true) {
			continue
		}
		mine = append(mine, j)
		if position, ok := s.writer.ids.position(j.id); ok { // it was made before
			j.position = position
			continue
		}
		if j.err = s.writer.enter(j.run); j.err == nil && !j.tells() {
			rest = append(rest, j)
		}
	}
	if len(rest) > 0 {
		if err := s.write(rest, now); err != nil {
			refuse(rest, err)
		}
	}
	for _, j := range mine {
		if j.tells() && j.err == nil {
			j.position = s.last // which nobody else changes
		}
		close(j.done)
	}
}

func refuse(group []*job, err error) {
	for _, j := range group {
		if j.position = 0; j.err == nil {
			j.err = err
		}
	}
}

// write makes durable what a group has to be written. Its error is of all.
func (s *stream) write(group []*job, now time.Time) error {
	w := &s.writer
	if err := w.settle(); err != nil {
		err = fmt.Errorf("append to the stream %s: %w", s.name, err)
		for _, j := range group {
			if w.unsettled[j.id] {
				j.err = fmt.Errorf("%w: %w", state.ErrUnknown, err)
			}
		}
		return err
	}
	if err := w.ready(group); err != nil {
		return fmt.Errorf("append to the stream %s: %w", s.name, err)
	}
	p := s.plan(group, now)
	if len(p.jobs) == 0 {
		return nil
	}
	if err := w.append(p.frames); err != nil {
		return s.failed(p, err)
	}
	for _, j := range p.jobs {
		w.ids.remember(j.id, j.position, p.now)
	}
	w.newest = instant(p.now)
	s.publish(p)
	return nil
}

// failed takes back what may have been written, so that it is known not to be
// there. Where not even that is possible nothing is known.
func (s *stream) failed(p plan, cause error) error {
	w := &s.writer
	err := fmt.Errorf("append to the stream %s: %w", s.name, cause)
	w.unsettled = make(map[key]bool)
	for _, j := range p.jobs {
		if j.id != (key{}) {
			w.unsettled[j.id] = true
		}
	}
	if undo := w.settle(); undo != nil {
		s.log.Error("a stream cannot be written", slog.String("stream", s.name), slog.Any("error", errors.Join(err, undo)))
		return fmt.Errorf("%w: %w", state.ErrUnknown, err)
	}
	return err
}

// plan gives each job its place after those before it.
func (s *stream) plan(group []*job, now time.Time) plan {
	p := plan{last: s.last, trimmed: s.trimmed, now: now} // which nobody else changes
	var together map[key]uint64
	for _, j := range group {
		if position, ok := together[j.id]; ok {
			j.position = position
			continue
		}
		if !p.place(j) {
			continue
		}
		if p.jobs = append(p.jobs, j); j.id != (key{}) && len(group) > 1 {
			if together == nil {
				together = make(map[key]uint64)
			}
			together[j.id] = j.position
		}
	}
	p.stamp(s)
	return p
}

// place says whether a job writes anything, and what it comes to.
func (p *plan) place(j *job) bool {
	switch {
	case j.trim > 0:
		upTo := min(j.trim, p.last)
		if upTo <= p.trimmed {
			return false
		}
		p.trimmed = upTo
		j.frames = appendFrame(nil, trimFrame, key{}, trimmedValue(upTo))
	case j.fill && j.after != p.last:
		j.err = fmt.Errorf("%w: position %d of the stream comes after %d", state.ErrInvalid, j.after+1, p.last)
		return false
	}
	p.last += j.entries
	j.position = p.last
	return true
}

// stamp joins the frames of all jobs.
func (p *plan) stamp(s *stream) {
	if len(p.jobs) == 0 {
		return
	}
	p.frames = p.jobs[0].frames
	for _, j := range p.jobs[1:] {
		p.frames = append(p.frames, j.frames...)
	}
	position, now := s.last, instant(p.now)
	for off := 0; off < len(p.frames); {
		b := p.frames[off:]
		b = b[:sizeOf(b)]
		if b[kindAt]&kindBits == entryFrame {
			position++
			p.mark(s, position, s.writer.end+int64(off))
		}
		stamp(b, position, now, off, s.writer.seg.seed)
		off += len(b)
	}
}

// mark notes where an entry will stand, about once in a block.
func (p *plan) mark(s *stream, position uint64, offset int64) {
	before := s.marks
	if len(p.marks) > 0 {
		before = p.marks
	}
	if n := len(before); n == 0 || offset-before[n-1].offset >= blockSize {
		p.marks = append(p.marks, mark{position, offset})
	}
}
