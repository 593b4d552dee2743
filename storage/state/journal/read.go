package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sort"
	"syscall"

	"gatehouse/storage/state"
)

// pageSize is about the most that one reading returns, in bytes.
const pageSize = 8 << 20

// A view is a stream as of one moment; none of its segments goes before it is
// released.
type view struct {
	stream   *stream
	segments []*segment
	marks    []mark // of the last segment
	end      int64  // of the last segment
	last     uint64
	trimmed  uint64
}

func (s *stream) view() *view {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pins++
	v := &view{s, s.segments, s.marks, s.end, s.last, s.trimmed}
	if len(s.segments) == 0 { // it is being made
		v.last = v.trimmed
	}
	return v
}

func (v *view) release() {
	v.stream.mu.Lock()
	defer v.stream.mu.Unlock()
	v.stream.pins--
	v.stream.reap()
}

// A piece is the entries of a block in order.
type piece struct {
	block
	entries []state.Entry
	gaps    []gap
	seg     *segment
	found   *findings
}

// piece reads the block with a position.
func (v *view) piece(position uint64) (piece, error) {
	i := sort.Search(len(v.segments), func(i int) bool { return v.segments[i].first > position }) - 1
	if i < 0 { // the first segments are gone
		seg := v.segments[0]
		return v.lost(seg, block{v.trimmed + 1, seg.first - 1, 0, 0}), nil
	}
	seg, last := v.segments[i], v.last
	marks, end := seg.marks, seg.end
	if i+1 < len(v.segments) {
		last = v.segments[i+1].first - 1
	} else {
		marks, end = v.marks, v.end
	}
	if seg.broken != nil {
		return v.lost(seg, block{seg.first, last, 0, 0}), nil
	}
	b := blockOf(seg, marks, end, position, last)
	data, err := seg.read(b)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, io.EOF), errors.Is(err, syscall.EIO):
		return v.lost(seg, b), nil
	case err != nil:
		return piece{}, fmt.Errorf("read the stream %s: %w", v.stream.name, err)
	}
	found, gaps := entriesIn(data, b, seg.seed)
	return piece{b, found, gaps, seg, &v.stream.j.found}, nil
}

// lost is a block of which nothing can be read.
func (v *view) lost(s *segment, b block) piece {
	return piece{block: b, gaps: []gap{{b.first, b.last, b.begin}}, seg: s, found: &v.stream.j.found}
}

func (s *segment) read(b block) (data []byte, err error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	data = make([]byte, b.end-b.begin)
	_, err = f.ReadAt(data, b.begin)
	return data, errors.Join(err, f.Close())
}

// damage is the error for positions that are not there.
func (p *piece) damage(stream string, g gap) error {
	e := &state.DamageError{Stream: stream, First: g.first, Last: g.last, Where: p.seg.where(g.offset)}
	p.found.add(e.Where)
	return e
}

// read returns up to limit entries after a position, fewer where they are long,
// or end at damage.
func (v *view) read(after uint64, limit int) ([]state.Entry, error) {
	var found []state.Entry
	size := 0
	for next := max(after, v.trimmed) + 1; next <= v.last && next > after; {
		p, err := v.piece(next)
		if err != nil {
			return nil, err
		}
		for _, e := range p.entries {
			if e.Position < next {
				continue
			}
			if e.Position > next {
				break
			}
			found, size, next = append(found, e), size+len(e.Value), next+1
			if len(found) == limit || size >= pageSize {
				return found, nil
			}
		}
		for _, g := range p.gaps {
			if g.first <= next && next <= g.last {
				if len(found) > 0 {
					return found, nil
				}
				return nil, p.damage(v.stream.name, gap{next, g.last, g.offset})
			}
		}
	}
	return found, nil
}

// readBack returns up to limit entries before a position, newest first, fewer
// where they are long, or end at damage.
func (v *view) readBack(before uint64, limit int) ([]state.Entry, error) {
	var found []state.Entry
	next := v.last
	if before > 0 && before <= v.last {
		next = before - 1
	}
	size := 0
	for next > v.trimmed {
		p, err := v.piece(next)
		if err != nil {
			return nil, err
		}
		for i := len(p.entries) - 1; i >= 0 && next > v.trimmed; i-- {
			e := p.entries[i]
			if e.Position > next {
				continue
			}
			if e.Position < next {
				break
			}
			found, size, next = append(found, e), size+len(e.Value), next-1
			if len(found) == limit || size >= pageSize {
				return found, nil
			}
		}
		for _, g := range p.gaps {
			if g.first <= next && next <= g.last && next > v.trimmed {
				if len(found) > 0 {
					return found, nil
				}
				return nil, p.damage(v.stream.name, gap{max(g.first, v.trimmed+1), next, g.offset})
			}
		}
	}
	return found, nil
}
