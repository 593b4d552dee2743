package journal

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
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
	if errors.Is(err, errHeader) && limit != noLimit { // the others can be read all the same
		s.log.Error("a file of a stream is damaged", slog.String("place", seg.where(0)), slog.Any("error", err))
		s.segments = append(s.segments, &segment{path: path, first: first, broken: errHeader})
		return nil
	}
	if err != nil {
		return err
	}
	s.name = h.stream
	s.segments = append(s.segments, seg)
	err = s.look(seg, f, h, limit)
	return errors.Join(err, f.Close())
}

// look finds what is in a segment, by its seal or by reading it.
func (s *stream) look(seg *segment, f *os.File, h heading, limit uint64) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	end, c, marks, sealed := readSeal(f, info.Size())
	if sealed {
		seg.end, seg.marks = end, marks
	} else {
		data, err := io.ReadAll(io.NewSectionReader(f, 0, math.MaxInt64))
		if err != nil {
			return err
		}
		sc := scanSegment(seg, data, limit)
		c = sc.content
		s.tell(seg, sc)
		if limit == noLimit {
			if err := s.goOn(seg, info.Size(), sc.torn); err != nil {
				return err
			}
		}
	}
	s.marks, s.end, s.last, s.trimmed = seg.marks, seg.end, c.last, max(h.trimmed, c.trimmed)
	s.writer.newest = c.newest
	s.writer.remember(c)
	return nil
}

// tell says what is wrong with a segment.
func (s *stream) tell(seg *segment, sc *scan) {
	for _, g := range sc.damaged {
		s.log.Error("entries of a stream are damaged", slog.String("place", seg.where(g.offset)),
			slog.Uint64("first", g.first), slog.Uint64("last", g.last))
	}
	if sc.torn {
		s.log.Warn("the end of a stream was torn, as by a loss of power, and is cut", slog.String("place", seg.where(seg.end)))
	}
}

// goOn opens the last segment to be written. What was found there, and its name,
// may not have been made durable yet.
func (s *stream) goOn(seg *segment, size int64, torn bool) error {
	f, err := s.j.system.open(seg.path, os.O_RDWR)
	if err != nil {
		return err
	}
	if torn {
		err = f.Truncate(seg.end)
		size = seg.end
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
