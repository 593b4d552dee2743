package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"gatehouse/storage/state"
)

const (
	// segmentSize is about how long a segment becomes.
	segmentSize = 32 << 20
	// roomSize is how much of a segment is filled with zeroes ahead of what is
	// written: to make what stands in blocks of the file durable costs a third
	// less than to make the file longer each time.
	roomSize = 256 << 10
)

// A writer writes the last segment of a stream.
type writer struct {
	stream *stream
	seg    *segment // nil: the next write begins one
	file   file
	end    int64 // of what is known to be durable
	room   int64 // the length of the file
	newest int64
	ids    ids
	runs   map[string]uint64 // the latest of each name, since the files were opened

	passed    bool         // a further segment may stand after it: it is written no more
	torn      bool         // a write failed, and may be there or not
	unsettled map[key]bool // the ids in it
	written   bool         // anything, since it was opened
}

// enter notes whose append it is. What a process has sent never comes to the files
// that another has opened since, so that runs are not kept there.
func (w *writer) enter(r state.Run) error {
	if r == (state.Run{}) {
		return nil
	}
	if later := w.runs[r.Name]; later > r.Number {
		return &state.OvertakenError{Name: r.Name, Number: later}
	}
	if w.runs == nil {
		w.runs = make(map[string]uint64)
	}
	w.runs[r.Name] = r.Number
	return nil
}

// settle makes sure that nothing stands after the end, by cutting it off, else
// with a segment that begins after it.
func (w *writer) settle() error {
	if !w.torn {
		return nil
	}
	err := w.cut()
	if err == nil {
		w.room = w.end
	} else if begin := w.begin(); begin != nil {
		return errors.Join(err, begin)
	}
	w.torn, w.unsettled = false, nil
	return nil
}

var errPassed = errors.New("a further file was begun")

func (w *writer) cut() error {
	if w.passed {
		return errPassed
	}
	if err := w.file.Truncate(w.end); err != nil {
		return err
	}
	return w.file.Sync()
}

// ready makes a segment that takes what a group may write.
func (w *writer) ready(group []*job) error {
	size, only := int64(0), true
	for _, j := range group {
		size += int64(len(j.frames))
		only = only && j.trim > 0
	}
	switch {
	case w.seg == nil && only && len(w.stream.segments) == 0:
		return nil // there is nothing to trim
	case w.seg != nil && !w.passed && (w.end+size <= w.stream.j.segmentSize || w.end == w.seg.begin):
		return nil
	}
	return w.begin()
}

// begin begins a further segment, then ends the one before it.
func (w *writer) begin() error {
	s := w.stream
	if len(s.segments) == 0 {
		if err := errors.Join(os.MkdirAll(s.dir, 0o700), s.j.system.syncDir(filepath.Dir(s.dir))); err != nil {
			return fmt.Errorf("make a folder for the stream %s: %w", s.name, err)
		}
	}
	seg, f, err := s.create(s.last+1, s.trimmed)
	if err != nil {
		return fmt.Errorf("begin a file for the stream %s: %w", s.name, err)
	}
	w.passed = true
	if err := s.show(seg); err != nil {
		return errors.Join(fmt.Errorf("begin a file for the stream %s: %w", s.name, err), f.Close())
	}
	if err := w.leave(); err != nil {
		s.log.Warn("a file of a stream was not sealed", slog.String("stream", s.name), slog.Any("error", err))
	}
	w.seg, w.file, w.end, w.room, w.passed = seg, f, seg.begin, seg.begin, false
	s.begun(seg)
	return nil
}

// create makes a segment that has its content, and not yet its name.
func (s *stream) create(first, trimmed uint64) (seg *segment, f file, err error) {
	path := filepath.Join(s.dir, fileOf(first))
	if f, err = s.j.system.open(path+unfinished, os.O_RDWR|os.O_CREATE|os.O_TRUNC); err != nil {
		return nil, nil, err
	}
	head := header(s.name, first, trimmed)
	h, err := parseHeader(head)
	if err == nil {
		_, err = f.WriteAt(head, 0)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return &segment{path: path, first: first, seed: h.seed, begin: h.size, end: h.size}, f, nil
}

// show has a segment that was made be the last one of its folder. Where that
// fails it may be so all the same.
func (s *stream) show(seg *segment) error {
	if err := os.Rename(seg.path+unfinished, seg.path); err != nil {
		return err
	}
	return s.j.system.syncDir(s.dir)
}

// append makes frames durable.
func (w *writer) append(frames []byte) error {
	w.torn = true
	if err := w.put(frames); err != nil {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return err
	}
	w.torn, w.written = false, true
	w.end += int64(len(frames))
	return nil
}

// put writes frames, and room for further ones where there is none.
func (w *writer) put(frames []byte) error {
	end := w.end + int64(len(frames))
	if end <= w.room {
		_, err := w.file.WriteAt(frames, w.end)
		return err
	}
	room := (end + roomSize - 1) / roomSize * roomSize
	padded := make([]byte, room-w.end)
	copy(padded, frames)
	n, err := w.file.WriteAt(padded, w.end)
	if n < len(frames) {
		return err
	}
	w.room = w.end + int64(n) // on a disk that is full the room may be missing
	return nil
}

// leave seals the segment that was written and lets it go.
func (w *writer) leave() error {
	if w.seg == nil {
		return nil
	}
	f, torn := w.file, w.torn
	defer func() { w.seg, w.file = nil, nil }()
	if torn { // the next segment tells where it ends
		return f.Close()
	}
	s := w.stream
	sealed := seal(w.seg.seed, w.end, content{
		last: s.last, trimmed: s.trimmed, newest: w.newest, made: w.ids.since(w.seg.first),
	}, s.marks)
	_, err := f.WriteAt(sealed, w.end)
	if err == nil {
		err = f.Truncate(w.end + int64(len(sealed)))
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// close notes that all that stands before was whole.
func (w *writer) close() error {
	if w.seg == nil {
		return nil
	}
	err := w.settle()
	if err == nil && w.written && !w.passed {
		b := appendFrame(nil, closedFrame, key{}, nil)
		stamp(b, w.stream.last, instant(time.Now()), 0, w.seg.seed)
		err = w.append(b)
	}
	return errors.Join(err, w.file.Close())
}
