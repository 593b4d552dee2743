package scp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
)

var (
	errBadName = fmt.Errorf("%w: unexpected name", errProtocol)
	errBadLine = fmt.Errorf("%w: a line that cannot be read", errProtocol)
	errNesting = fmt.Errorf("%w: the end of a folder that was not begun", errProtocol)
)

const (
	errNotFolder told = "not a folder"
	errNoFolders told = "a folder was sent, and not asked for with -r"
)

// A place is where what comes next goes: into a folder, or to the very path.
type place struct {
	at     path.Path
	folder bool
	// times are those that the folder has once it is complete, after is the mode.
	times *times
	mode  *fs.FileMode
}

// times are what stands in a T line.
type times struct{ modified, accessed time.Time }

// receive takes what the client sends to the path that the command names.
func (t *transfer) receive(ctx context.Context) error {
	target, err := parsePath(t.paths[0])
	if err != nil {
		return errors.Join(err, t.link.fail(t.paths[0].Text, err))
	}
	info, err := t.FS.Stat(ctx, target)
	folder := err == nil && info.IsDir()
	if t.into && !folder {
		if err == nil {
			err = errNotFolder
		}
		return errors.Join(err, t.link.fail(t.paths[0].Text, err))
	}
	if err := t.link.ok(); err != nil {
		return err
	}
	err = t.takeAll(ctx, place{at: target, folder: folder})
	if errors.Is(err, errProtocol) {
		return errors.Join(err, t.link.fail("", err))
	}
	return err
}

// takeAll reads lines until the client has no more. Folders within folders are
// held in a list that paths bound in length.
func (t *transfer) takeAll(ctx context.Context, first place) error {
	in := []place{first}
	var next *times
	for {
		kind, err := t.link.next()
		if err == io.EOF && len(in) == 1 {
			return nil
		}
		if err != nil {
			return err
		}
		line, err := t.link.line()
		if err != nil {
			return err
		}
		here := in[len(in)-1]
		switch kind {
		case warning:
			t.failures++
			continue
		case fatal:
			return errFatal
		case 'E':
			if in = in[:len(in)-1]; len(in) == 0 {
				return errNesting
			}
			err = t.complete(ctx, here)
		case 'T':
			if next, err = parseTimes(line); err == nil {
				err = t.link.ok()
			}
			if err != nil {
				return err
			}
			continue
		case 'D':
			var inside *place
			if inside, err = t.takeFolder(ctx, here, line, next); inside != nil {
				in = append(in, *inside)
			}
		case 'C':
			err = t.takeFile(ctx, here, line, next)
		default:
			err = errBadLine
		}
		if err != nil {
			return err
		}
		next = nil
	}
}

// An entry is what stands in a C or D line.
type entry struct {
	mode fs.FileMode
	size int64
	name string
}

// parseEntry reads "0644 123 name". The name is one element of a path and
// nothing else, however it is written.
func parseEntry(line string) (entry, error) {
	mode, rest, ok := strings.Cut(line, " ")
	size, name, more := strings.Cut(rest, " ")
	bits, err := strconv.ParseUint(mode, 8, 32)
	n, sizeErr := strconv.ParseInt(size, 10, 64)
	if !ok || !more || err != nil || len(mode) != 4 || sizeErr != nil || n < 0 {
		return entry{}, errBadLine
	}
	if path.ValidName(name) != nil {
		return entry{}, errBadName
	}
	return entry{fs.FileMode(bits) & fs.ModePerm, n, name}, nil
}

// parseTimes reads "modified 0 accessed 0".
func parseTimes(line string) (*times, error) {
	var n [4]int64
	fields := strings.Split(line, " ")
	if len(fields) != len(n) {
		return nil, errBadLine
	}
	for i, field := range fields {
		v, err := strconv.ParseInt(field, 10, 64)
		if err != nil || v < 0 || v >= 1<<40 {
			return nil, errBadLine
		}
		n[i] = v
	}
	return &times{time.Unix(n[0], 0), time.Unix(n[2], 0)}, nil
}

// of is where an entry goes.
func (p place) of(name string) (path.Path, error) {
	if !p.folder {
		return p.at, nil
	}
	return p.at.Join(name)
}

// takeFolder makes a folder, or goes on in one that is there.
func (t *transfer) takeFolder(ctx context.Context, here place, line string, when *times) (*place, error) {
	e, err := parseEntry(line)
	if err != nil {
		return nil, err
	}
	if !t.recursive {
		return nil, t.report(e.name, errNoFolders)
	}
	at, err := here.of(e.name)
	if err != nil {
		return nil, t.report(e.name, err)
	}
	inside := &place{at: at, folder: true, times: when}
	if t.keepTimes {
		inside.mode = &e.mode
	}
	info, err := t.FS.Stat(ctx, at)
	switch {
	case err == nil && !info.IsDir():
		err = errNotFolder
	case errors.Is(err, fs.ErrNotExist):
		err = t.FS.Mkdir(ctx, at, e.mode)
	}
	if err != nil {
		return nil, t.report(at.String(), err)
	}
	return inside, t.link.ok()
}

// complete gives a folder what it was sent with, once nothing more goes into it.
func (t *transfer) complete(ctx context.Context, p place) error {
	change := attributes(p.times, p.mode)
	if change != (session.Attr{}) {
		if err := t.FS.SetAttr(ctx, p.at, change); err != nil {
			return t.report(p.at.String(), err)
		}
	}
	return t.link.ok()
}

func attributes(when *times, mode *fs.FileMode) session.Attr {
	change := session.Attr{Mode: mode}
	if when != nil {
		change.Modified, change.Accessed = &when.modified, &when.accessed
	}
	return change
}

// takeFile takes one file. What cannot be written is read all the same, since
// the client sends what it has announced, and reported then.
func (t *transfer) takeFile(ctx context.Context, here place, line string, when *times) error {
	e, err := parseEntry(line)
	if err != nil {
		return err
	}
	at, err := here.of(e.name)
	if err != nil {
		return t.report(e.name, err)
	}
	f, err := t.FS.Open(ctx, at, session.Open{Write: true, Create: true, Truncate: true, Size: e.size, Mode: e.mode})
	if err != nil {
		return t.report(at.String(), err)
	}
	done := t.whenCut(f)
	defer done()
	if err := t.link.ok(); err != nil {
		return errors.Join(err, t.drop(f, err))
	}
	body := &content{from: t.link, left: e.size}
	_, failed := f.CopyFrom(body, 0)
	if failed != nil {
		f.Abort(failed)
	}
	if err := t.rest(f, body); err != nil {
		return err
	}
	if failed == nil {
		failed = t.dress(f, when, e.mode)
	}
	if err := f.Close(); failed == nil {
		failed = err
	}
	if failed != nil {
		return t.report(at.String(), failed)
	}
	return t.link.ok()
}

// rest reads what was announced and not written, and the client's word that it
// has sent all. A client that could not read all of its file says so, and what
// it sent is kept, as every scp does.
func (t *transfer) rest(f *session.File, body *content) error {
	if body.err == nil {
		_, _ = io.Copy(io.Discard, body) // its error is body's
	}
	if body.left > 0 {
		return errors.Join(body.err, t.drop(f, errVanished))
	}
	agreed, err := t.link.agreed()
	if err != nil {
		return errors.Join(err, t.drop(f, errVanished))
	}
	if !agreed {
		t.failures++
	}
	return nil
}

// drop ends a file that did not come to its end.
func (t *transfer) drop(f *session.File, cause error) error {
	f.Abort(cause)
	return f.Close()
}

// dress gives a file its times and mode, where they are kept.
func (t *transfer) dress(f *session.File, when *times, mode fs.FileMode) error {
	change := attributes(when, nil)
	if t.keepTimes {
		change.Mode = &mode
	}
	if change == (session.Attr{}) {
		return nil
	}
	return f.SetAttr(change)
}

// content reads as much as a file was announced to have.
type content struct {
	from io.Reader
	left int64
	err  error // why it ended before
}

func (c *content) Read(b []byte) (int, error) {
	if c.left == 0 {
		return 0, io.EOF
	}
	if c.err != nil {
		return 0, c.err
	}
	n, err := c.from.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	c.err = err
	return n, err
}
