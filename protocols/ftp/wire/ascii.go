package wire

import (
	"bytes"
	"io"
	"slices"
)

// textPiece is how much is converted at a time.
const textPiece = 32 << 10

// A TextWriter writes the text of a file as TYPE A sends it (RFC 959, 3.1.1.1):
// each line ends with CR LF. A line that ends so in the file stays as it is.
type TextWriter struct {
	w    io.Writer
	buf  []byte
	last byte
}

// NewTextWriter writes to w.
func NewTextWriter(w io.Writer) *TextWriter { return &TextWriter{w: w} }

// Write is io.Writer's. What went out of a piece that broke is not known.
func (t *TextWriter) Write(b []byte) (done int, err error) {
	for piece := range slices.Chunk(b, textPiece) {
		if err := t.write(piece); err != nil {
			return done, err
		}
		done += len(piece)
	}
	return done, nil
}

func (t *TextWriter) write(b []byte) error {
	t.buf = t.buf[:0]
	for rest := b; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		if i < 0 {
			t.buf = append(t.buf, rest...)
			break
		}
		before := t.last
		if i > 0 {
			before = rest[i-1]
		}
		t.buf = append(t.buf, rest[:i]...)
		if before != '\r' {
			t.buf = append(t.buf, '\r')
		}
		t.buf, t.last = append(t.buf, '\n'), '\n'
		rest = rest[i+1:]
	}
	t.last = b[len(b)-1]
	_, err := t.w.Write(t.buf)
	return err
}

// A TextReader reads what TYPE A brings as the text of a file: CR LF becomes LF,
// and a CR that stands alone stays.
type TextReader struct {
	r    io.Reader
	buf  []byte
	rest []byte // of buf, not converted yet
	cr   bool   // a CR came, and what follows it did not
	err  error
}

// NewTextReader reads from r.
func NewTextReader(r io.Reader) *TextReader { return &TextReader{r: r, buf: make([]byte, textPiece)} }

// Read is io.Reader's.
func (t *TextReader) Read(p []byte) (n int, err error) {
	for n == 0 && len(p) > 0 {
		if len(t.rest) == 0 && t.err == nil {
			var got int
			got, t.err = t.r.Read(t.buf)
			t.rest = t.buf[:got]
		}
		n = t.convert(p)
		if n == 0 && t.err != nil && len(t.rest) == 0 {
			return 0, t.err
		}
	}
	return n, nil
}

func (t *TextReader) convert(p []byte) (n int) {
	for n < len(p) {
		switch {
		case len(t.rest) == 0 && t.cr && t.err != nil, len(t.rest) > 0 && t.cr && t.rest[0] != '\n':
			p[n], t.cr = '\r', false
			n++
		case len(t.rest) == 0:
			return n
		case t.rest[0] == '\r':
			t.cr, t.rest = true, t.rest[1:]
		default:
			t.cr = false
			i := bytes.IndexByte(t.rest, '\r')
			if i < 0 {
				i = len(t.rest)
			}
			moved := copy(p[n:], t.rest[:i])
			n, t.rest = n+moved, t.rest[moved:]
		}
	}
	return n
}
