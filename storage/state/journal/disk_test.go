package journal

import (
	"errors"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
)

var errDisk = errors.New("input/output error")

// A disk fails where it is told to, and can lose its power: of what was written
// to a file since it was last synced any of its sectors may be there or not.
type disk struct {
	mu    sync.Mutex
	fail  func(what string) error // asked before each call; nil never fails
	files map[string]*diskContent // by path
}

type diskContent struct {
	info    os.FileInfo
	durable []byte
	pending []diskWrite // since the last sync
}

// A diskWrite is bytes at an offset, or with bytes nil a new length.
type diskWrite struct {
	offset int64
	bytes  []byte
}

const sector = 512

func newDisk() *disk { return &disk{files: make(map[string]*diskContent)} }

func (d *disk) failing(what string) error {
	if d.fail == nil {
		return nil
	}
	return d.fail(what)
}

func (d *disk) open(path string, flag int) (file, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.failing("open"); err != nil {
		return nil, err
	}
	d.renamed()
	f, err := os.OpenFile(path, flag, 0o600)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	c := d.files[path]
	if c == nil || flag&os.O_TRUNC != 0 {
		c = &diskContent{info: info}
		d.files[path] = c
	}
	return &faulty{File: f, disk: d, content: c}, nil
}

func (d *disk) syncDir(string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failing("folder")
}

// renamed finds what has got its name since it was opened.
func (d *disk) renamed() {
	for path, c := range d.files {
		name, made := strings.CutSuffix(path, unfinished)
		if _, err := os.Stat(path); !made || !errors.Is(err, os.ErrNotExist) {
			continue
		}
		if now, err := os.Stat(name); err == nil && os.SameFile(now, c.info) { // else it was removed
			d.files[name] = c
		}
		delete(d.files, path)
	}
}

// cut takes the power away: each file is left as it may be found.
func (d *disk) cut(random *rand.Rand) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.renamed()
	for path, c := range d.files {
		left := append([]byte(nil), c.durable...)
		for _, w := range c.pending {
			left = w.torn(left, random)
		}
		if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err := os.WriteFile(path, left, 0o600); err != nil {
			return err
		}
		c.durable, c.pending = left, nil
	}
	return nil
}

func (w diskWrite) apply(to []byte) []byte {
	if w.bytes == nil {
		if w.offset < int64(len(to)) {
			return to[:w.offset:w.offset]
		}
		return append(to, make([]byte, w.offset-int64(len(to)))...)
	}
	if end := w.offset + int64(len(w.bytes)); end > int64(len(to)) {
		to = append(to, make([]byte, end-int64(len(to)))...)
	}
	copy(to[w.offset:], w.bytes)
	return to
}

// torn applies some sectors of a write, and perhaps not its length.
func (w diskWrite) torn(to []byte, random *rand.Rand) []byte {
	if w.bytes == nil {
		if random.IntN(2) == 0 {
			return to
		}
		return w.apply(to)
	}
	whole := w.apply(append([]byte(nil), to...))
	if random.IntN(3) == 0 {
		whole = whole[:max(len(to), random.IntN(len(whole)+1))] // it had not grown so far
	}
	for begin := w.offset / sector * sector; begin < int64(len(whole)); begin += sector {
		if random.IntN(2) == 0 {
			continue
		}
		old := make([]byte, sector)
		if begin < int64(len(to)) {
			copy(old, to[begin:])
		}
		copy(whole[begin:], old)
	}
	return whole
}

type faulty struct {
	*os.File
	disk    *disk
	content *diskContent
}

func (f *faulty) WriteAt(b []byte, offset int64) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	failed := f.disk.failing("write")
	if failed != nil {
		b = b[:len(b)/2]
	}
	f.content.pending = append(f.content.pending, diskWrite{offset, append([]byte{}, b...)})
	n, err := f.File.WriteAt(b, offset)
	return n, errors.Join(failed, err)
}

func (f *faulty) Truncate(size int64) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.failing("truncate"); err != nil {
		return err
	}
	f.content.pending = append(f.content.pending, diskWrite{offset: size})
	return f.File.Truncate(size)
}

func (f *faulty) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if err := f.disk.failing("sync"); err != nil {
		f.content.pending = nil // it is not tried again, though it can be read
		return err
	}
	for _, w := range f.content.pending {
		f.content.durable = w.apply(f.content.durable)
	}
	f.content.pending = nil
	return nil
}
