package journal

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"
	"syscall"

	"gatehouse/storage/state"
)

// A segment is a file of a stream: a header, then frames. What is no longer
// written ends with a seal, by which it is opened without being read.
type segment struct {
	path    string
	first   uint64 // the first position that may stand here
	seed    uint32 // of the sums of its frames
	begin   int64  // where the frames begin
	end     int64  // and end
	written int64  // where the last write to it began
	marks   []mark // where some of them are
	broken  error  // nothing of it can be read
}

// A mark is where the frame of an entry stands. There is one about every
// blockSize bytes, so that a reading begins near to what it looks for.
type mark struct {
	position uint64
	offset   int64
}

const blockSize = 64 << 10

// The header: magic, version, the length of the stream's name, the first
// position, the last one that was trimmed by then, a random number, the stream's
// name, and the CRC of all that, with which the sums of the frames begin.
const (
	headerMagic   = "GHtrail\n"
	headerVersion = 1
	headerFixed   = 8 + 2 + 2 + 8 + 8 + 8
	maxHeader     = headerFixed + state.MaxName + 4
)

var errHeader = errors.New("its header is damaged")

func header(stream string, first, trimmed uint64) []byte {
	b := make([]byte, 0, headerFixed+len(stream)+4)
	b = append(b, headerMagic...)
	b = binary.BigEndian.AppendUint16(b, headerVersion)
	b = binary.BigEndian.AppendUint16(b, uint16(len(stream)))
	b = binary.BigEndian.AppendUint64(b, first)
	b = binary.BigEndian.AppendUint64(b, trimmed)
	var random [8]byte
	rand.Read(random[:])
	b = append(b, random[:]...)
	b = append(b, stream...)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// A heading is a header taken apart.
type heading struct {
	stream         string
	first, trimmed uint64
	seed           uint32
	size           int64
}

func parseHeader(b []byte) (heading, error) {
	if len(b) < headerFixed || string(b[:8]) != headerMagic {
		return heading{}, errHeader
	}
	size := headerFixed + int(binary.BigEndian.Uint16(b[10:]))
	if len(b) < size+4 {
		return heading{}, errHeader
	}
	h := heading{
		stream: string(b[headerFixed:size]), size: int64(size + 4), seed: binary.BigEndian.Uint32(b[size:]),
		first: binary.BigEndian.Uint64(b[12:]), trimmed: binary.BigEndian.Uint64(b[20:]),
	}
	if h.seed != crc32.Checksum(b[:size], castagnoli) || h.first == 0 {
		return heading{}, errHeader
	}
	if v := binary.BigEndian.Uint16(b[8:]); v > headerVersion {
		return heading{}, fmt.Errorf("%w: it has format %d, this program knows %d", state.ErrNewer, v, headerVersion)
	}
	return h, nil
}

// content is what there is to know of a segment besides where its entries are.
type content struct {
	last    uint64 // the last position, first-1 where there is none
	trimmed uint64
	newest  int64 // the time of the last frame
	made    []made
}

// made is an operation id and what it came to.
type made struct {
	id       key
	position uint64
	at       int64
}

// The seal: the marks, the ids that were remembered by then, and a trailer of
// fixed size with where the frames end, the last position, the last one trimmed,
// the time of the last frame, the numbers of marks and ids, the CRC, which goes on
// from the segment's as those of the frames do, and a magic. It begins with a size of 0, as the end of the frames does.
const (
	sealMagic   = "GHsealed"
	trailerSize = 8 + 8 + 8 + 8 + 4 + 4 + 4 + 8
	markSize    = 8 + 8
	madeSize    = idSize + 8 + 8
)

func seal(seed uint32, end int64, c content, marks []mark) []byte {
	b := make([]byte, 4, 4+len(marks)*markSize+len(c.made)*madeSize+trailerSize)
	for _, m := range marks {
		b = binary.BigEndian.AppendUint64(b, m.position)
		b = binary.BigEndian.AppendUint64(b, uint64(m.offset))
	}
	for _, m := range c.made {
		b = append(b, m.id[:]...)
		b = binary.BigEndian.AppendUint64(b, m.position)
		b = binary.BigEndian.AppendUint64(b, uint64(m.at))
	}
	for _, n := range [...]uint64{uint64(end), c.last, c.trimmed, uint64(c.newest)} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(marks)))
	b = binary.BigEndian.AppendUint32(b, uint32(len(c.made)))
	b = binary.BigEndian.AppendUint32(b, crc32.Update(seed, castagnoli, b))
	return append(b, sealMagic...)
}

// readSeal returns where a sealed segment's frames end, and what it holds; false
// where there is no seal that can be read.
func readSeal(f io.ReaderAt, size int64, seed uint32) (end int64, c content, marks []mark, ok bool) {
	trailer := make([]byte, trailerSize)
	if size < trailerSize {
		return 0, c, nil, false
	}
	if _, err := f.ReadAt(trailer, size-trailerSize); err != nil || string(trailer[44:]) != sealMagic {
		return 0, c, nil, false
	}
	nMarks, nMade := int64(binary.BigEndian.Uint32(trailer[32:])), int64(binary.BigEndian.Uint32(trailer[36:]))
	length := 4 + nMarks*markSize + nMade*madeSize + trailerSize
	end = int64(min(binary.BigEndian.Uint64(trailer), math.MaxInt64))
	if end != size-length || end < 0 {
		return 0, c, nil, false
	}
	b := make([]byte, length)
	if _, err := f.ReadAt(b, end); err != nil || crc32.Update(seed, castagnoli, b[:length-12]) != binary.BigEndian.Uint32(trailer[40:]) {
		return 0, c, nil, false
	}
	c.last, c.trimmed = binary.BigEndian.Uint64(trailer[8:]), binary.BigEndian.Uint64(trailer[16:])
	c.newest = int64(binary.BigEndian.Uint64(trailer[24:]))
	for b = b[4:]; nMarks > 0; nMarks-- {
		marks = append(marks, mark{binary.BigEndian.Uint64(b), int64(binary.BigEndian.Uint64(b[8:]))})
		b = b[markSize:]
	}
	for ; nMade > 0; nMade-- {
		c.made = append(c.made, made{key(b), binary.BigEndian.Uint64(b[16:]), int64(binary.BigEndian.Uint64(b[24:]))})
		b = b[madeSize:]
	}
	return end, c, marks, true
}

// where tells of a place in a segment, for who has to look at it.
func (s *segment) where(offset int64) string {
	return fmt.Sprintf("%s at byte %d", filepath.Join(filepath.Base(filepath.Dir(s.path)), filepath.Base(s.path)), offset)
}

// A block is a piece of a segment that is read at once: where it is, and which
// positions are to be found there.
type block struct {
	first, last uint64
	begin, end  int64
}

// blockOf returns the block with a position, of a segment that holds positions
// up to last.
func blockOf(s *segment, marks []mark, end int64, position, last uint64) block {
	i := sort.Search(len(marks), func(i int) bool { return marks[i].position > position }) - 1
	b := block{s.first, last, s.begin, end}
	if i >= 0 {
		b.first, b.begin = marks[i].position, marks[i].offset
	}
	if i+1 < len(marks) {
		b.last, b.end = marks[i+1].position-1, marks[i+1].offset
	}
	return b
}

// A gap is positions that are not where they should be, and from where on.
type gap struct {
	first, last uint64
	offset      int64
}

// entriesIn finds the entries of a block, whose values are part of data, and
// what of the block is not there.
func entriesIn(data []byte, b block, seed uint32) (found []state.Entry, gaps []gap) {
	next, bad := b.first, int64(0)
	missing := func(upTo uint64, offset int64) {
		if next <= upTo {
			gaps = append(gaps, gap{next, upTo, offset})
		}
	}
	for off := 0; off < len(data) && next <= b.last; {
		f, ok := parse(data[off:], seed)
		if !ok || f.isEntry() && (f.position < next || f.position > b.last) {
			if bad == 0 {
				bad = b.begin + int64(off)
			}
			off += 1 + resync(data[off+1:], next, b.last, seed)
			continue
		}
		if off += f.size; !f.isEntry() {
			continue
		}
		missing(f.position-1, bad)
		found, next, bad = append(found, f.entry()), f.position+1, 0
	}
	if bad == 0 {
		bad = b.end
	}
	missing(b.last, bad)
	return found, gaps
}

// resync finds the next frame of positions between two, and returns how far it
// is; the length of data where there is none.
func resync(data []byte, from, upTo uint64, seed uint32) int {
	for off := 0; off+frameSize <= len(data); off++ {
		if data[off] == 0 && bytes.HasPrefix(data[off:], zeroes[:]) {
			off += len(zeroes) - 4 // a size may end there
			continue
		}
		if sizeOf(data[off:]) == 0 {
			continue
		}
		if p := binary.BigEndian.Uint64(data[off+positionAt:]); p < from || p > upTo {
			continue
		}
		if _, ok := parse(data[off:], seed); ok {
			return off
		}
	}
	return len(data)
}

// zeroes is what a segment is filled with before it is written.
var zeroes [512]byte

// openSegment reads what stands at both ends of a segment.
func openSegment(path string) (*segment, heading, *os.File, error) {
	s := &segment{path: path}
	f, err := os.Open(path)
	if err != nil {
		return s, heading{}, nil, err
	}
	b := make([]byte, 512)
	n, err := f.ReadAt(b, 0)
	switch {
	case errors.Is(err, io.EOF):
		err = nil
	case errors.Is(err, syscall.EIO):
		err = errHeader
	}
	var h heading
	if err == nil {
		if h, err = parseHeader(b[:n]); errors.Is(err, errHeader) && n == len(b) {
			b = make([]byte, maxHeader) // its name is a long one
			n, _ = f.ReadAt(b, 0)
			h, err = parseHeader(b[:n])
		}
	}
	if err != nil {
		return s, h, nil, errors.Join(err, f.Close())
	}
	s.first, s.seed, s.begin = h.first, h.seed, h.size
	return s, h, f, nil
}
