package local

import (
	"encoding/binary"
	"iter"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// names reads what a folder holds, in the kernel's own form: many entries at a
// time, into memory that folders take in turn.
type names struct {
	pool *sync.Pool
	buf  *[]byte // nil between two readings
	rest []byte  // of buf: what was read and not yet taken
}

// namesSize is how much of a folder is read at once.
const namesSize = 16 << 10

// fill reads on where nothing is left, and reports whether there is something.
func (s *names) fill(folder int) (more bool, err error) {
	if len(s.rest) > 0 {
		return true, nil
	}
	if s.buf == nil {
		s.borrow()
	}
	n, err := retry(func() (int, error) { return unix.Getdents(folder, *s.buf) })
	if err != nil || n == 0 {
		s.giveBack()
		return false, err
	}
	s.rest = (*s.buf)[:n]
	return true, nil
}

// take returns the next entries, no more than n.
func (s *names) take(n int) (piece string, count int) {
	end := 0
	for ; count < n && end < len(s.rest); count++ {
		end += recordSize(s.rest[end:])
	}
	piece = string(s.rest[:end])
	if s.rest = s.rest[end:]; len(s.rest) == 0 {
		s.giveBack()
	}
	return piece, count
}

func (s *names) borrow() {
	b, ok := s.pool.Get().(*[]byte)
	if !ok {
		made := make([]byte, namesSize)
		b = &made
	}
	s.buf = b
}

func (s *names) giveBack() {
	if s.buf != nil {
		s.pool.Put(s.buf)
	}
	s.buf, s.rest = nil, nil
}

// Where the parts of a struct linux_dirent64 are: see getdents(2).
const (
	recordLength = 16
	recordName   = 19
)

func recordSize(record []byte) int {
	return int(binary.NativeEndian.Uint16(record[recordLength:]))
}

// entries yields the names in a piece, but for those that each folder has. They
// are parts of the piece: none is copied.
func entries(piece string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for len(piece) > 0 {
			length := binary.NativeEndian.Uint16([]byte(piece[recordLength : recordLength+2]))
			name, _, _ := strings.Cut(piece[recordName:length], "\x00")
			piece = piece[length:]
			if name != "." && name != ".." && !yield(name) {
				return
			}
		}
	}
}
