package journal

import (
	"bytes"
	"encoding/binary"
	"math"
)

// A scan goes through the frames of a segment without a seal, of positions up to
// a limit, and finds how far it was written.
//
// Each write is made durable before the next one begins. Where a frame is not
// whole, and a later frame is there that another write brought, the first one was
// durable once: it is damaged, and what follows counts. Where there is no such
// frame it is the end, which a loss of power may have torn: what it would have
// been was acknowledged to nobody.
type scan struct {
	seg     *segment
	data    []byte
	limit   uint64
	next    uint64 // the position that comes next
	off     int64
	content content
	damaged []gap
	torn    bool // there is something after the end
	open    bool // an append is not yet whole
}

// noLimit is that of the last segment.
const noLimit = math.MaxUint64

// scanSegment sets the end and the marks of a segment as well.
func scanSegment(s *segment, data []byte, limit uint64) *scan {
	c := &scan{seg: s, data: data, limit: limit, next: s.first, off: s.begin}
	c.content.last, s.end, s.written = s.first-1, s.begin, s.begin
	for c.next <= limit {
		f, ok := parse(data[min(c.off, int64(len(data))):], s.seed)
		if ok && c.follows(&f) {
			c.take(&f)
			continue
		}
		if !c.skip() {
			break
		}
	}
	for n := len(s.marks); n > 0 && s.marks[n-1].position > c.content.last; n-- { // of an append that is not whole
		s.marks = s.marks[:n-1]
	}
	if limit == noLimit {
		c.torn = len(bytes.Trim(data[min(s.end, int64(len(data))):], "\x00")) > 0
	} else if c.content.last < limit {
		c.damaged = append(c.damaged, gap{c.content.last + 1, limit, s.end})
		c.content.last = limit
	}
	return c
}

// follows reports whether a frame is the one that comes next.
func (c *scan) follows(f *frame) bool {
	if f.isEntry() {
		return f.position == c.next
	}
	return f.position+1 == c.next && !c.open
}

func (c *scan) take(f *frame) {
	if f.isEntry() {
		c.seg.marks = marked(c.seg.marks, f.position, c.off)
		c.next++
		c.open = f.more()
	}
	c.off += int64(f.size)
	c.content.newest = max(c.content.newest, f.time)
	c.content.trimmed = max(c.content.trimmed, f.trimmed())
	if c.open {
		return
	}
	c.content.last, c.seg.end = c.next-1, c.off
	c.seg.written = max(c.off-int64(f.size)-int64(f.back), c.seg.begin)
	if f.id != (key{}) {
		c.content.made = append(c.content.made, made{f.id, c.content.last, f.time})
	}
}

// marked adds a mark where the last one is far enough away.
func marked(marks []mark, position uint64, offset int64) []mark {
	if n := len(marks); n > 0 && offset-marks[n-1].offset < blockSize {
		return marks
	}
	return append(marks, mark{position, offset})
}

// skip goes on after damage, with the first frame that is whole; false where this
// is the end.
func (c *scan) skip() bool {
	var first frame
	var at int64
	for off := c.off + 1; off < int64(len(c.data)); {
		off += int64(resync(c.data[off:], c.next-1, c.limit, c.seg.seed))
		f, ok := parse(c.data[min(off, int64(len(c.data))):], c.seg.seed)
		if !ok {
			return false
		}
		if at == 0 && c.plausible(&f) {
			first, at = f, off
		}
		if at > 0 && off-int64(f.back) > c.off { // another write brought it
			c.resume(&first, at)
			return true
		}
		off += int64(f.size)
	}
	return false
}

// plausible reports whether a frame can be one that comes later.
func (c *scan) plausible(f *frame) bool {
	return !f.isEntry() || f.position >= c.next
}

// resume takes what was before for whole, and goes on with a frame.
func (c *scan) resume(f *frame, off int64) {
	next := f.position
	if !f.isEntry() {
		next++
	}
	if next > c.next {
		c.damaged = append(c.damaged, gap{c.next, next - 1, c.off})
	}
	c.next, c.off, c.open = next, off, false
	c.content.last, c.seg.end, c.seg.written = next-1, off, off
}

// trimmedValue is the value of a trimFrame.
func trimmedValue(position uint64) []byte { return binary.BigEndian.AppendUint64(nil, position) }
