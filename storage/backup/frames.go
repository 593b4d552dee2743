package backup

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"gatehouse/storage/state"
)

// What a container holds is frames: a kind, the length and the content. First
// what it is, then the files, the items of a dump, and what there was in all.
const (
	frameBegin = 'b'
	frameFile  = 'f'
	frameItem  = 'i'
	frameEnd   = 'e'
)

// maxFrame bounds a frame: the longest value and names, and a little.
const maxFrame = state.MaxValue + 4*state.MaxName

type frameWriter struct{ w io.Writer }

func (f *frameWriter) write(kind byte, content []byte) error {
	head := binary.AppendUvarint([]byte{kind}, uint64(len(content)))
	if _, err := f.w.Write(head); err != nil {
		return err
	}
	_, err := f.w.Write(content)
	return err
}

func (f *frameWriter) begin(s Summary) error {
	content, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return f.write(frameBegin, content)
}

func (f *frameWriter) end(s Summary) error {
	content, err := json.Marshal(s)
	if err != nil {
		return err
	}
	return f.write(frameEnd, content)
}

func (f *frameWriter) file(name string, mode fs.FileMode, content []byte) error {
	b := appendBytes(nil, []byte(name))
	b = binary.AppendUvarint(b, uint64(mode.Perm()))
	return f.write(frameFile, appendBytes(b, content))
}

// item writes an item by itself, not as JSON: names may be any bytes.
func (f *frameWriter) item(i state.Item) error {
	b := make([]byte, 0, len(i.Kind)+len(i.Scope)+len(i.Name)+len(i.Value)+40)
	b = appendBytes(b, []byte(i.Kind))
	b = appendBytes(b, []byte(i.Scope))
	b = appendBytes(b, []byte(i.Name))
	b = appendBytes(b, i.Value)
	b = binary.AppendUvarint(b, i.Revision)
	return f.write(frameItem, binary.AppendVarint(b, nanoseconds(i.Expires)))
}

func nanoseconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func appendBytes(to, b []byte) []byte {
	return append(binary.AppendUvarint(to, uint64(len(b))), b...)
}

type frameReader struct{ r *bufio.Reader }

func (f *frameReader) read() (kind byte, content []byte, err error) {
	if kind, err = f.r.ReadByte(); err != nil {
		return 0, nil, broken(err)
	}
	size, err := binary.ReadUvarint(f.r)
	if err != nil {
		return 0, nil, broken(err)
	}
	if size > maxFrame {
		return 0, nil, fmt.Errorf("%w: a piece of %d bytes", ErrDamaged, size)
	}
	content = make([]byte, size)
	_, err = io.ReadFull(f.r, content)
	return kind, content, broken(err)
}

// broken makes an end that comes too early an ErrDamaged.
func broken(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrDamaged
	}
	return err
}

// A cursor takes a frame's content apart; bad stays true once it does not fit.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) number() uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 {
		c.bad = true
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) signed() int64 {
	v, n := binary.Varint(c.b)
	if n <= 0 {
		c.bad = true
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) bytes() []byte {
	n := c.number()
	if n > uint64(len(c.b)) {
		c.bad = true
		return nil
	}
	b := c.b[:n]
	c.b = c.b[n:]
	return b
}

func (c *cursor) done() error {
	if c.bad || len(c.b) > 0 {
		return fmt.Errorf("%w: a piece does not fit", ErrDamaged)
	}
	return nil
}

func parseFile(content []byte) (name string, mode fs.FileMode, data []byte, err error) {
	c := cursor{b: content}
	name, mode, data = string(c.bytes()), fs.FileMode(c.number()).Perm(), c.bytes()
	if err := c.done(); err != nil {
		return "", 0, nil, err
	}
	return name, mode, data, checkName(name)
}

func parseItem(content []byte) (state.Item, error) {
	c := cursor{b: content}
	i := state.Item{
		Kind: string(c.bytes()), Scope: string(c.bytes()), Name: string(c.bytes()),
		Value: c.bytes(), Revision: c.number(),
	}
	if n := c.signed(); n != 0 {
		i.Expires = time.Unix(0, n).UTC()
	}
	return i, c.done()
}
