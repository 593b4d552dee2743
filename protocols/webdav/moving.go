package webdav

import (
	"io"
	"os"
	"sync"

	"gatehouse/protocols/webdav/wire"
)

// manyBytes is from where on a body is worth a pipe.
const manyBytes = 1 << 20

// A stand is a buffer that stands for a piece that the kernel moves. Hardly
// anything of it is used.
type stand [256 << 10]byte

// stands are lent for as long as an upload takes.
var stands = sync.Pool{New: func() any { return new(stand) }}

// moving is an upload that goes from the connection to the file within the
// kernel. Each piece is asked for through the server's own reader, which counts
// it, and knows where the body ends.
type moving struct {
	*upload
	pipe  *wire.Pipe
	stand *stand
}

// moved is what to read the body from: itself, where it is small, of unknown
// length or protected. done frees what it takes.
func (u *upload) moved(x *exchange) (body io.Reader, done func()) {
	if x.below == nil || x.secure || u.length < manyBytes {
		return u, func() {}
	}
	p, err := wire.NewPipe()
	if err != nil {
		return u, func() {} // by hand, then
	}
	m := &moving{u, p, stands.Get().(*stand)}
	return m, func() {
		p.Close()
		stands.Put(m.stand)
	}
}

// MoveTo moves at most n bytes to file from off on; fewer without an error are
// the end of the body.
func (m *moving) MoveTo(file *os.File, off, n int64) (int64, error) {
	var done int64
	for done < n && m.end == nil {
		got, err := m.step(file, off+done, n-done)
		done += got
		if err != nil {
			return done, err
		}
	}
	if m.end != nil && m.end != io.EOF {
		return done, m.end
	}
	return done, nil
}

// Left is how many bytes of the body may still come.
func (m *moving) Left() int64 {
	if m.end != nil {
		return 0
	}
	return m.length - m.n
}

// step moves one piece. What comes by way of a buffer is written.
func (m *moving) step(file *os.File, off, n int64) (int64, error) {
	if err := m.x.reading(); err != nil {
		m.end = err
		return 0, err
	}
	b := m.stand[:min(n, int64(len(m.stand)))]
	got, direct, broken, err := m.x.below.Into(m.pipe, file, off, b, m.in.Read)
	m.ends(got, broken)
	if err != nil {
		return 0, err
	}
	if !direct && got > 0 {
		got, err = file.WriteAt(b[:got], off)
	}
	return int64(got), err
}
