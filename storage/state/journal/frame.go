package journal

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"time"

	"gatehouse/storage/state"
)

// A frame is what stands in a segment, one after the other: its size (0 is the
// end), a CRC-32C of all the rest, its position, a time, how far behind it the
// write began that brought it, its kind, an id where there is one, its value.
// The CRC goes on from one of the segment's own, which holds a random number: no
// value that somebody has made can be taken for a frame.
type frame struct {
	size     int
	position uint64
	time     int64
	back     uint32
	kind     byte
	id       key // zero: none
	value    []byte
}

const (
	sizeAt     = 0
	sumAt      = 4
	positionAt = 8
	timeAt     = 16
	backAt     = 24
	kindAt     = 28
	frameSize  = 29
	maxFrame   = frameSize + idSize + state.MaxValue
)

// Kinds of frames. That of an entry may say that further ones of its append
// follow, without which it counts for nothing. The others stand at the position
// of the last entry before them.
const (
	entryFrame  = 1
	trimFrame   = 2 // its value is the last position that was trimmed
	closedFrame = 3 // the journal was closed here
	kindBits    = 0x0f
	moreBit     = 0x40
	idBit       = 0x80
)

// castagnoli is the polynomial that processors know.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendFrame adds a frame that has not got its place yet.
func appendFrame(b []byte, kind byte, id key, value []byte) []byte {
	size := frameSize + len(value)
	if id != (key{}) {
		kind |= idBit
		size += idSize
	}
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	b = append(b, make([]byte, kindAt-sumAt)...)
	b = append(b, kind)
	if id != (key{}) {
		b = append(b, id[:]...)
	}
	return append(b, value...)
}

// stamp gives a frame its place, and its time where it has none.
func stamp(b []byte, position uint64, now int64, back int, seed uint32) {
	binary.BigEndian.PutUint64(b[positionAt:], position)
	if binary.BigEndian.Uint64(b[timeAt:]) == 0 {
		setTime(b, now)
	}
	binary.BigEndian.PutUint32(b[backAt:], uint32(back))
	binary.BigEndian.PutUint32(b[sumAt:], sum(b, seed))
}

// setTime gives a frame the time that its entry has had before.
func setTime(b []byte, at int64) { binary.BigEndian.PutUint64(b[timeAt:], uint64(at)) }

func sum(b []byte, seed uint32) uint32 {
	return crc32.Update(crc32.Update(seed, castagnoli, b[:sumAt]), castagnoli, b[positionAt:])
}

// sizeOf is the size of the frame at the beginning of b, 0 where none can stand.
func sizeOf(b []byte) int {
	if len(b) < frameSize {
		return 0
	}
	size := binary.BigEndian.Uint32(b[sizeAt:])
	if size < frameSize || size > maxFrame || uint64(size) > uint64(len(b)) {
		return 0
	}
	return int(size)
}

// parse takes the frame at the beginning of b apart, whose value is part of b;
// false where it is not one that was written there.
func parse(b []byte, seed uint32) (frame, bool) {
	size := sizeOf(b)
	if size == 0 {
		return frame{}, false
	}
	b = b[:size]
	if binary.BigEndian.Uint32(b[sumAt:]) != sum(b, seed) {
		return frame{}, false
	}
	f := frame{
		size:     size,
		position: binary.BigEndian.Uint64(b[positionAt:]),
		time:     int64(binary.BigEndian.Uint64(b[timeAt:])),
		back:     binary.BigEndian.Uint32(b[backAt:]),
		kind:     b[kindAt],
		value:    b[frameSize:size:size],
	}
	if f.kind&idBit != 0 {
		if len(f.value) < idSize {
			return frame{}, false
		}
		f.id, f.value = key(f.value), f.value[idSize:]
	}
	return f, f.known()
}

func (f *frame) known() bool {
	switch f.kind & kindBits {
	case entryFrame, closedFrame:
		return true
	case trimFrame:
		return len(f.value) == 8
	}
	return false
}

func (f *frame) isEntry() bool { return f.kind&kindBits == entryFrame }

// more says that the append goes on with the next frame.
func (f *frame) more() bool { return f.kind&moreBit != 0 }

// trimmed is what a frame says was trimmed, 0 where it is about something else.
func (f *frame) trimmed() uint64 {
	if f.kind&kindBits != trimFrame {
		return 0
	}
	return binary.BigEndian.Uint64(f.value)
}

func (f *frame) entry() state.Entry {
	return state.Entry{Position: f.position, Time: time.Unix(0, f.time).UTC(), Value: f.value}
}

// instant is a time as a frame has it, never 0.
func instant(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 1
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return max(t.UnixNano(), 1)
}
