// Package journal keeps streams of entries in append-only files: a folder for
// each stream, and in it segments, of which the last is written. An append costs
// one write and one sync, which those who append at the same time share; readers
// go straight to a position; a trim removes files. Whoever opens a journal holds
// its folder alone.
package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"gatehouse/storage/state"
)

// Options are what may be chosen; the zero value is good.
type Options struct {
	// Moment is held while something that was made durable is shown, so that who
	// holds it against others sees one moment.
	Moment sync.Locker
	// Log hears of what is wrong with the files.
	Log *slog.Logger
}

// A Journal is streams in a folder. All methods but Clear, Begin and Fill are
// safe for concurrent use, and promise what state.Store does.
type Journal struct {
	dir         string
	moment      sync.Locker
	log         *slog.Logger
	system      system
	segmentSize int64
	committers  sync.WaitGroup

	mu      sync.Mutex // guards what follows
	closed  bool
	streams map[string]*stream

	found findings
}

// Open opens the journal of a folder, which it makes where it is missing. What a
// loss of power has torn off the end of a stream is cut; damage before the end is
// told of, and found by whoever reads there.
func Open(dir string, o Options) (*Journal, error) {
	return open(dir, o, operatingSystem{}, segmentSize)
}

func open(dir string, o Options, on system, size int64) (*Journal, error) {
	j := &Journal{
		dir: dir, moment: o.Moment, log: o.Log, system: on, segmentSize: size, streams: make(map[string]*stream),
	}
	if j.moment == nil {
		j.moment = new(sync.Mutex)
	}
	if j.log == nil {
		j.log = slog.New(slog.DiscardHandler)
	}
	folders, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.Join(os.MkdirAll(dir, 0o700), on.syncDir(filepath.Dir(dir)))
	}
	if err != nil {
		return nil, fmt.Errorf("look for the streams: %w", err)
	}
	for _, f := range folders {
		if !isFolder(f.Name()) {
			continue
		}
		s, err := j.load(filepath.Join(dir, f.Name()))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open the stream in %s: %w", f.Name(), err), j.Close())
		}
		if s != nil {
			j.streams[s.name] = s
		}
	}
	return j, nil
}

// Close waits for what was begun and lets the files go.
func (j *Journal) Close() error {
	j.mu.Lock()
	if j.closed {
		j.mu.Unlock()
		return state.ErrClosed
	}
	j.closed = true
	streams := slices.Collect(maps.Values(j.streams))
	j.mu.Unlock()
	for _, s := range streams {
		s.mu.Lock()
		s.closed = true
		s.mu.Unlock()
	}
	j.committers.Wait()
	var errs []error
	for _, s := range streams {
		errs = append(errs, s.close())
	}
	return errors.Join(errs...)
}

// stream returns a stream, nil where there is none.
func (j *Journal) stream(name string) (*stream, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, state.ErrClosed
	}
	return j.streams[name], nil
}

// made returns a stream, which may be a new one.
func (j *Journal) made(name string) (*stream, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, state.ErrClosed
	}
	s := j.streams[name]
	if s == nil {
		s = j.newStream(name, filepath.Join(j.dir, folderOf(name)))
		j.streams[name] = s
	}
	return s, nil
}

func (j *Journal) newStream(name, dir string) *stream {
	s := &stream{j: j, name: name, dir: dir, log: j.log}
	s.writer.stream = s
	return s
}

// Append implements state.Store.
func (j *Journal) Append(ctx context.Context, stream string, id state.OperationID, entries ...[]byte) (uint64, error) {
	if err := state.CheckAppend(ctx, stream, entries); err != nil {
		return 0, err
	}
	size := 0
	for _, e := range entries {
		size += frameSize + len(e)
	}
	if size > maxAppend {
		return 0, fmt.Errorf("%w: %d bytes at once for the stream %q", state.ErrInvalid, size, stream)
	}
	s, err := j.made(stream)
	if err != nil {
		return 0, err
	}
	work := &job{id: keyOf(id), entries: uint64(len(entries)), frames: make([]byte, 0, size+idSize)}
	if work.run, _ = state.RunOf(ctx); len(entries) == 0 {
		return s.do(ctx, work)
	}
	for _, e := range entries[:len(entries)-1] {
		work.frames = appendFrame(work.frames, entryFrame|moreBit, key{}, e)
	}
	work.frames = appendFrame(work.frames, entryFrame, work.id, entries[len(entries)-1])
	return s.do(ctx, work)
}

// Read implements state.Store.
func (j *Journal) Read(stream string, after uint64, limit int) ([]state.Entry, error) {
	s, err := j.stream(stream)
	if s == nil || err != nil {
		return nil, err
	}
	v := s.view()
	defer v.release()
	return v.read(after, state.Limit(limit))
}

// ReadBack implements state.Store.
func (j *Journal) ReadBack(stream string, before uint64, limit int) ([]state.Entry, error) {
	s, err := j.stream(stream)
	if s == nil || err != nil {
		return nil, err
	}
	v := s.view()
	defer v.release()
	return v.readBack(before, state.Limit(limit))
}

// Trim implements state.Store.
func (j *Journal) Trim(ctx context.Context, stream string, upTo uint64) error {
	s, err := j.stream(stream)
	if s == nil || err != nil || upTo == 0 {
		return err
	}
	_, err = s.do(ctx, &job{trim: upTo})
	return err
}
