package events

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"gatehouse/storage/state"
	"gatehouse/storage/state/journal"
)

const (
	// spoolSize is how much a spool holds, where nothing else is asked for.
	spoolSize = 64 << 20
	// spoolReserve is what is left of that for the events of what was begun when no
	// more is.
	spoolReserve = 4 << 20
)

var (
	errSpoolFull = errors.New("as many events as fit are kept on this machine already")
	errSpoolSlow = errors.New("the disk of this machine does not answer")
)

// A spool keeps on this machine what the store has not taken in time: entries that
// have their place in the chain, in order. Which of them are in the trail as well is
// told by their links, so that a spool which forgets what was sent does no harm.
type spool struct {
	dir  string
	most int64
	log  *slog.Logger
	open func(dir string) (spoolFiles, error)

	files spoolFiles // nil: it is empty, and has no folder
	sent  uint64     // up to there everything is in the trail
	last  uint64     // where it ends
	bytes int64      // of what comes after sent

	heading heading // what went from here to the trail last, under an id of its own
}

// spoolFiles is what of a journal a spool uses.
type spoolFiles interface {
	Append(ctx context.Context, stream string, id state.OperationID, entries ...[]byte) (uint64, error)
	Read(stream string, after uint64, limit int) ([]state.Entry, error)
	ReadBack(stream string, before uint64, limit int) ([]state.Entry, error)
	Trim(ctx context.Context, stream string, upTo uint64) error
	Close() error
}

// newSpool opens the spool of a folder, which is there only while it holds anything.
func newSpool(c Config) (*spool, error) {
	s := &spool{dir: c.Spool, most: c.SpoolSize, log: c.Log, open: c.files}
	if s.most <= 0 {
		s.most = spoolSize
	}
	if s.open == nil {
		s.open = func(dir string) (spoolFiles, error) { return journal.Open(dir, journal.Options{Log: c.Log}) }
	}
	if _, err := os.Stat(s.dir); errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	return s, s.begin()
}

// begin opens the files. What they hold is taken for sent until somebody has looked.
func (s *spool) begin() error {
	files, err := s.open(s.dir)
	if err != nil {
		return fmt.Errorf("open the events that are kept on this machine: %w", err)
	}
	newest, err := files.ReadBack(Stream, 0, 1)
	if damage := damageIn(err); damage != nil {
		newest, err = []state.Entry{{Position: damage.Last}}, nil
	}
	if err != nil {
		return errors.Join(fmt.Errorf("read the events that are kept on this machine: %w", err), files.Close())
	}
	s.files, s.sent, s.last, s.bytes = files, 0, 0, 0
	s.heading = lastHeading(files)
	if len(newest) > 0 {
		s.sent, s.last = newest[0].Position, newest[0].Position
	}
	return nil
}

func (s *spool) empty() bool { return s.sent == s.last }

// isNearlyFull reports that nothing should be begun any more that leaves an event.
func (s *spool) isNearlyFull() bool { return s.bytes+min(spoolReserve, s.most/2) > s.most }

// A flown record stands before the entries of an append of which it is not known
// whether it was made, and says under which id, and how many they are: it is made
// again as it was.
const (
	flownRecord = 0
	flownSize   = 1 + 4
)

func flown(g *group) []byte {
	b := binary.BigEndian.AppendUint32([]byte{flownRecord}, uint32(len(g.values)))
	return append(b, g.id...)
}

func parseFlown(b []byte) (id state.OperationID, n int, ok bool) {
	if len(b) <= flownSize || b[0] != flownRecord {
		return "", 0, false
	}
	return state.OperationID(b[flownSize:]), int(binary.BigEndian.Uint32(b[1:])), true
}

// add makes a group durable. ErrUnknown says that it may be there all the same; it is
// then tried again as it is, or never.
func (s *spool) add(ctx context.Context, g *group) error {
	values := g.values
	if g.flew {
		values = append([][]byte{flown(g)}, values...)
	}
	if s.bytes+size(values) > s.most {
		return errSpoolFull
	}
	if s.files == nil {
		if err := s.begin(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	last, err := s.files.Append(ctx, Stream, g.id, values...)
	if err != nil {
		return fmt.Errorf("keep %d events on this machine: %w", len(g.values), err)
	}
	s.last, s.bytes = last, s.bytes+size(values)
	g.spooled, g.upTo, g.bytes = true, last, size(values)
	return nil
}

func size(values [][]byte) (n int64) {
	for _, v := range values {
		n += int64(len(v))
	}
	return n
}

// next returns the group that was kept first: an append that may have been made as it
// was, else as much as goes at once; nil where there is nothing. What was chained after
// one number, up to another, is in the trail.
func (s *spool) next(ctx context.Context, after, upTo uint64) (*group, error) {
	if s.empty() {
		return nil, nil
	}
	records, err := s.read(s.sent, mostAtOnce+2)
	if err != nil {
		return nil, err
	}
	g := &group{id: state.NewOperationID(), spooled: true}
	most, room, end := mostAtOnce, int64(mostBytes), s.last // what is behind that may go, or be tried again
	made := len(records) > 0 && s.heading.holds(records[0].Position)
	if made {
		g.id, most, room, end = s.heading.id, 1<<30, 1<<62, s.heading.upTo
	}
	for i, r := range records {
		if id, n, ok := parseFlown(r.Value); ok {
			if i > 0 {
				break
			}
			g.id, most, room, made = id, n, 1<<62, true
			g.upTo, g.bytes = r.Position, int64(len(r.Value))
			continue
		}
		if len(g.values) == most || room <= 0 || r.Position > end {
			break
		}
		room -= int64(len(r.Value))
		g.take(r, after, upTo)
	}
	if g.upTo == 0 { // what is left is damaged
		s.sent, s.bytes = s.last, 0
		return nil, nil
	}
	if len(g.values) == 0 {
		s.sent, s.bytes = g.upTo, max(s.bytes-g.bytes, 0)
		return s.next(ctx, after, upTo)
	}
	if !made {
		s.head(ctx, g)
	}
	return g, nil
}

// take adds an entry that was kept, but for one that nobody has written or that is in
// the trail.
func (g *group) take(r state.Entry, after, upTo uint64) {
	g.upTo, g.bytes = r.Position, g.bytes+int64(len(r.Value))
	c, err := parseChained(r.Value)
	if err != nil || after < c.Sequence && c.Sequence <= upTo {
		return
	}
	e := read(state.Entry{Value: r.Value, Time: r.Time})
	g.values, g.entries, g.end = append(g.values, r.Value), append(g.entries, &entry{event: e, value: c.body}), c.link
}

// read returns records after a position. What is damaged is left out: the trail then
// misses it, which every verification finds.
func (s *spool) read(after uint64, limit int) ([]state.Entry, error) {
	for {
		records, err := s.files.Read(Stream, after, limit)
		damage := damageIn(err)
		if err != nil && damage == nil {
			return nil, fmt.Errorf("read the events that are kept on this machine: %w", err)
		}
		if damage == nil {
			return records, nil
		}
		s.log.Error("events that were kept on this machine cannot be read, and are lost",
			slog.String("place", damage.Where), slog.Uint64("first", damage.First), slog.Uint64("last", damage.Last))
		after = damage.Last
	}
}

// done says that a group is in the trail.
func (s *spool) done(ctx context.Context, g *group) { s.forget(ctx, g.upTo, g.bytes) }

// forget lets go what is in the trail. Where that fails it is found again at the next
// start, and known by its links.
func (s *spool) forget(ctx context.Context, upTo uint64, bytes int64) {
	s.sent, s.bytes = upTo, max(s.bytes-bytes, 0)
	if s.empty() {
		s.clear()
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := s.files.Trim(ctx, Stream, upTo); err != nil {
		s.log.Warn("events that are in the trail are still kept on this machine", slog.Any("error", err))
	}
}

// discard is clear where there is a folder.
func (s *spool) discard() {
	if s.files != nil {
		s.clear()
	}
}

// clear takes the folder away.
func (s *spool) clear() {
	err := s.files.Close()
	s.files, s.sent, s.last, s.bytes, s.heading = nil, 0, 0, 0, heading{}
	if err = errors.Join(err, os.RemoveAll(s.dir)); err != nil {
		s.log.Warn("events that are in the trail are still kept on this machine", slog.Any("error", err))
	}
}

func (s *spool) close() error {
	if s.files == nil {
		return nil
	}
	if err := s.files.Close(); err != nil {
		return fmt.Errorf("close the events that are kept on this machine: %w", err)
	}
	return nil
}

// A place in a spool is where an entry stands that has a link, and how much stands up
// to there.
type spoolPlace struct {
	link
	at    uint64
	bytes int64
}

// look goes through what a spool holds at a start: nothing of it is taken for sent.
func (s *spool) look() ([]spoolPlace, error) {
	s.sent, s.bytes = 0, 0
	if s.files == nil {
		return nil, nil
	}
	var places []spoolPlace
	for after := uint64(0); ; {
		records, err := s.read(after, pieceSize)
		if err != nil {
			return nil, err
		}
		if len(records) == 0 {
			return places, nil
		}
		for _, r := range records {
			after = r.Position
			s.bytes += int64(len(r.Value))
			if c, err := parseChained(r.Value); err == nil {
				places = append(places, spoolPlace{c.link, r.Position, s.bytes})
			}
		}
	}
}

// keptFor is for how long an entry has waited.
func (g *group) keptFor(now time.Time) time.Duration {
	if len(g.entries) == 0 {
		return 0
	}
	return now.Sub(g.entries[0].event.Time)
}
