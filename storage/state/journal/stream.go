package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"gatehouse/storage/state"
)

// replyPatience is how long an append under way is waited for after its caller's
// context has ended.
const replyPatience = time.Second

// A stream is a folder of segments, of which the last is written. What several
// callers append while a write is under way goes into the next one together.
type stream struct {
	j    *Journal
	name string
	dir  string
	log  *slog.Logger

	writer writer // of the goroutine that commits, one at a time

	mu         sync.Mutex // guards what follows
	closed     bool
	committing bool
	waiting    []*job
	segments   []*segment // in order; the slice is replaced, never changed
	marks      []mark     // of the last segment
	end        int64      // of the last segment
	last       uint64
	trimmed    uint64
	pins       int      // who reads
	doomed     []string // segments to be removed when nobody does
}

// A job is an append or a trim, and its way back to the caller.
type job struct {
	id       key
	run      state.Run // whose append it is, if of one
	frames   []byte    // not stamped
	entries  uint64
	trim     uint64 // not 0: this is a trim, up to there
	after    uint64 // where fill: the position before the first
	fill     bool
	position uint64
	taken    atomic.Bool // by the writer, or by a caller who gave up
	err      error
	done     chan struct{}
}

// tells reports that a job writes nothing, and only tells of a run.
func (j *job) tells() bool { return j.entries == 0 && j.run != state.Run{} }

// do has a job committed. An error after the context has ended says whether the
// change may have been made: then it is an ErrUnknown too.
func (s *stream) do(ctx context.Context, j *job) (uint64, error) {
	j.done = make(chan struct{})
	if err := s.add(j); err != nil {
		return 0, err
	}
	select {
	case <-j.done:
		return j.position, j.err
	case <-ctx.Done():
	}
	if j.taken.CompareAndSwap(false, true) {
		return 0, ctx.Err()
	}
	late := time.NewTimer(replyPatience)
	defer late.Stop()
	select {
	case <-j.done:
		return j.position, j.err
	case <-late.C:
		return 0, fmt.Errorf("%w: %w", state.ErrUnknown, ctx.Err())
	}
}

// add gives a job its turn. The goroutine that it may start ends when nothing
// waits any more.
func (s *stream) add(j *job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return state.ErrClosed
	}
	s.waiting = append(s.waiting, j)
	if !s.committing {
		s.committing = true
		s.j.committers.Go(s.commitAll)
	}
	return nil
}

func (s *stream) commitAll() {
	for group := s.take(); len(group) > 0; group = s.take() {
		s.commit(group)
	}
}

// take returns the jobs whose turn it is, none where the goroutine is to end.
func (s *stream) take() []*job {
	s.mu.Lock()
	defer s.mu.Unlock()
	size, n := 0, 0
	for n < len(s.waiting) && (n == 0 || size+len(s.waiting[n].frames) <= groupSize) {
		size += len(s.waiting[n].frames)
		n++
	}
	group := s.waiting[:n:n]
	if s.waiting = s.waiting[n:]; len(s.waiting) == 0 {
		s.waiting = nil
	}
	s.committing = n > 0
	return group
}

// publish shows what was made durable. What a dump takes for one moment is not
// taken amid it.
func (s *stream) publish(p plan) {
	s.j.moment.Lock()
	defer s.j.moment.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks = append(s.marks, p.marks...)
	s.end, s.last = s.writer.end, p.last
	if p.trimmed > s.trimmed {
		s.trimmed = p.trimmed
		s.drop()
	}
}

// begun has a further segment be the last one. One that has the same first
// position held nothing and was replaced.
func (s *stream) begun(seg *segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.segments
	if n := len(kept); n > 0 {
		before := *kept[n-1]
		before.marks, before.end = s.marks, s.end
		if kept = append([]*segment(nil), kept[:n-1]...); before.first != seg.first {
			kept = append(kept, &before)
		}
	}
	s.segments = append(kept[:len(kept):len(kept)], seg)
	s.marks, s.end = nil, seg.begin
}

// drop gives up the segments of which all is trimmed, but for the last one. The
// caller holds mu.
func (s *stream) drop() {
	n := 0
	for n+1 < len(s.segments) && s.segments[n+1].first <= s.trimmed+1 {
		s.doomed = append(s.doomed, s.segments[n].path)
		n++
	}
	s.segments = s.segments[n:]
	s.reap()
}

// reap removes what nobody reads. What cannot be removed is tried again when the
// journal is opened. The caller holds mu.
func (s *stream) reap() {
	if s.pins > 0 {
		return
	}
	for _, path := range s.doomed {
		if err := os.Remove(path); err != nil {
			s.log.Warn("a trimmed part of a stream stays", slog.Any("error", err))
		}
	}
	s.doomed = nil
}

// close is called when no more jobs come and the last one is done.
func (s *stream) close() error {
	err := s.writer.close()
	if err != nil {
		return fmt.Errorf("close the stream %s: %w", s.name, err)
	}
	return nil
}

// remove takes out the stream with all that it holds. The caller is alone.
func (s *stream) remove() error {
	err := errors.Join(s.writer.leave(), os.RemoveAll(s.dir), s.j.system.syncDir(filepath.Dir(s.dir)))
	if err != nil {
		return fmt.Errorf("remove the stream %s: %w", s.name, err)
	}
	return nil
}
