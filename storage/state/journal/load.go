package journal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"gatehouse/storage/state"
)

// load opens the stream in a folder, nil where the folder has none.
func (j *Journal) load(dir string) (*stream, error) {
	firsts, err := segmentsIn(dir)
	if err != nil || len(firsts) == 0 {
		return nil, err
	}
	s := j.newStream("", dir)
	for i, first := range firsts {
		limit := uint64(noLimit)
		if i+1 < len(firsts) {
			limit = firsts[i+1] - 1
		}
		if err := s.take1(filepath.Join(dir, fileOf(first)), first, limit); err != nil {
			return nil, fmt.Errorf("%s: %w", fileOf(first), err)
		}
	}
	s.writer.ids.forget(time.Now())
	s.drop()
	return s, nil
}

// segmentsIn lists the segments of a folder in order, and removes what was not
// made whole.
func segmentsIn(dir string) ([]uint64, error) {
	names, err := os.ReadDir(dir)
	if errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var firsts []uint64
	for _, n := range names {
		if strings.HasSuffix(n.Name(), segmentEnd+unfinished) {
			if err := os.Remove(filepath.Join(dir, n.Name())); err != nil {
				return nil, err
			}
		}
		if first, ok := firstOf(n.Name()); ok {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	return firsts, nil
}

// take1 takes a segment that holds positions up to a limit; noLimit is the last.
func (s *stream) take1(path string, first, limit uint64) error {
	seg, h, f, err := openSegment(path)
	if err == nil && (h.first != first || folderOf(h.stream) != filepath.Base(s.dir)) {
		err = errors.Join(errHeader, f.Close())
	}
	if errors.Is(err, errHeader) { // the others can be read all the same
		return s.takeBroken(&segment{path: path, first: first, broken: err}, limit)
	}
	if err != nil {
		return err
	}
	s.name = h.stream
	s.segments = append(s.segments, seg)
	err = s.look(seg, f, h, limit)
	return errors.Join(err, f.Close())
}

// takeBroken takes a segment of which nothing can be read.
func (s *stream) takeBroken(seg *segment, limit uint64) error {
	s.log.Error("a file of a stream is damaged", slog.String("place", seg.where(0)), slog.Any("error", seg.broken))
	s.j.found.add(seg.where(0))
	s.segments = append(s.segments, seg)
	if limit != noLimit {
		return nil
	}
	if s.name == "" {
		if s.name = filepath.Base(s.dir); folderOf(s.name) != s.name {
			return fmt.Errorf("it is not known which stream it is of: %w", seg.broken)
		}
	}
	info, err := os.Stat(seg.path)
	if err != nil {
		return err
	}
	s.marks, s.end = nil, 0
	s.trimmed = max(s.trimmed, s.segments[0].first-1) // which a trim has removed
	s.pass(seg, seg.first-1, info.Size())
	return nil
}

// pass gives up the end of the newest segment, of which nobody knows what it held
// after a position: as many positions as may stand there are damaged for ever,
// and the stream goes on after them in a further segment.
func (s *stream) pass(seg *segment, last uint64, size int64) {
	s.last = last + uint64(max((size-seg.end)/frameSize, 1))
	s.j.found.add(seg.where(seg.end))
	s.log.Error("the end of a stream cannot be read: it goes on after what may be lost", slog.String("stream", s.name),
		slog.String("place", seg.where(seg.end)), slog.Uint64("first", last+1), slog.Uint64("last", s.last))
}

// look finds what is in a segment, by its seal or by reading it.
func (s *stream) look(seg *segment, f *os.File, h heading, limit uint64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end, c, marks, sealed := readSeal(f, info.Size(), seg.seed)
	if sealed {
		seg.end, seg.marks = end, marks
		s.is(seg, c, h)
		return nil
	}
	data, unread, err := readAround(f, info.Size())
	if err != nil {
		return err
	}
	sc := scanSegment(seg, data, limit)
	s.is(seg, sc.content, h)
	if limit == noLimit && unread > seg.end {
		s.pass(seg, sc.content.last, info.Size())
		return nil
	}
	s.tell(seg, sc)
	if limit != noLimit {
		return nil
	}
	return s.goOn(seg, data, sc.torn)
}

// is notes that the stream has come to the end of a segment.
func (s *stream) is(seg *segment, c content, h heading) {
	s.marks, s.end, s.last, s.trimmed = seg.marks, seg.end, c.last, max(h.trimmed, c.trimmed)
	s.writer.newest = c.newest
	s.writer.remember(c)
}

// readAround reads a file, with zeroes for what the disk does not give, and
// returns where the last of that ends.
func readAround(f io.ReaderAt, size int64) (data []byte, unread int64, err error) {
	data = make([]byte, size)
	for at := int64(0); at < size; at += blockSize {
		b := data[at:min(at+blockSize, size)]
		switch _, err := f.ReadAt(b, at); {
		case errors.Is(err, syscall.EIO):
			clear(b)
			unread = at + int64(len(b))
		case err != nil && !errors.Is(err, io.EOF):
			return nil, 0, err
		}
	}
	return data, unread, nil
}

// tell says what is wrong with a segment.
func (s *stream) tell(seg *segment, sc *scan) {
	for _, g := range sc.damaged {
		s.j.found.add(seg.where(g.offset))
		s.log.Error("entries of a stream are damaged", slog.String("place", seg.where(g.offset)),
			slog.Uint64("first", g.first), slog.Uint64("last", g.last))
	}
	if sc.torn {
		s.log.Warn("the end of a stream was torn, as by a loss of power, and is cut", slog.String("place", seg.where(seg.end)))
	}
}

// goOn opens the last segment to be written. What was found there, and its name,
// may not have been made durable yet, not even by a sync, where one has failed
// before: the last write is made again.
func (s *stream) goOn(seg *segment, data []byte, torn bool) error {
	f, err := s.j.system.open(seg.path, os.O_RDWR)
	if err != nil {
		return err
	}
	size := int64(len(data))
	if torn {
		err = f.Truncate(seg.end)
		size = seg.end
	}
	if err == nil {
		_, err = f.WriteAt(data[seg.written:seg.end], seg.written)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = s.j.system.syncDir(s.dir)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	w := &s.writer
	w.seg, w.file, w.end, w.room = seg, f, seg.end, max(size, seg.end)
	return nil
}

// remember keeps the ids of a segment that may still be retried.
func (w *writer) remember(c content) {
	oldest := time.Now().Add(-state.OperationLife).UnixNano()
	for _, m := range c.made {
		if m.at >= oldest-int64(bucketLife) {
			w.ids.remember(m.id, m.position, time.Unix(0, m.at))
		}
	}
}
