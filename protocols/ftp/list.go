package ftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
	"gatehouse/protocols/ftp/listing"
	"gatehouse/protocols/ftp/wire"
)

// batch is how many entries a listing reads at a time, enough how many bytes of
// them are sent together.
const (
	batch  = 128
	enough = 32 << 10
)

// texts are what listings are written in, piece by piece.
var texts = sync.Pool{New: func() any { b := make([]byte, 0, 64<<10); return &b }}

func (c *conn) doMLSD(arg string) reply { return c.beginListing("MLSD", "", arg) }

func (c *conn) doLIST(arg string) reply {
	options, name := wire.WithoutOptions(arg)
	return c.beginListing("LIST", options, name)
}

func (c *conn) doNLST(arg string) reply {
	options, name := wire.WithoutOptions(arg)
	if !listing.Carries(name) {
		return replyTo(path.ErrInvalid) // it would stand in every line
	}
	return c.beginListing("NLST", options, name)
}

// beginListing knows one option of ls, -d: a folder itself is described.
func (c *conn) beginListing(verb, options, name string) reply {
	return onFolder(func(c *conn, p path.Path) reply {
		t := c.newTransfer(verb, p, (*transfer).list)
		t.as, t.itself = name, strings.Contains(options, "d")
		return c.begin(t)
	})(c, name)
}

func (t *transfer) list() (reply, error) {
	files := t.c.files()
	info, err := files.Stat(t.ctx, t.path)
	match, isPattern := wire.Pattern(t.path.Base())
	if isPattern && t.verb != "MLSD" && errors.Is(err, fs.ErrNotExist) {
		// No such name is there: the word is for those that are like it.
		t.path, t.itself = t.path.Dir(), false
		t.as = t.as[:strings.LastIndexByte(strings.TrimRight(t.as, "/"), '/')+1]
		info, err = files.Stat(t.ctx, t.path)
	} else {
		match = nil
	}
	switch {
	case err != nil:
		return said, err
	case t.verb == "MLSD" && !info.IsDir():
		return said, errNotFolder
	}
	var dir *session.Dir
	if info.IsDir() && !t.itself {
		if dir, err = files.List(t.ctx, t.path); err != nil {
			return said, err
		}
		defer dir.Close()
		defer context.AfterFunc(dir.Context(), func() {
			t.cut(fmt.Errorf("%w: %w", errCut, context.Cause(dir.Context())))
		})()
	}
	w, err := t.stream(plain(150))
	if err != nil {
		return said, err
	}
	l := lister{c: t.c, ctx: t.ctx, folder: t.path, line: t.line(dir != nil), match: match, write: w.Write, end: "\r\n"}
	if dir == nil {
		err = l.one(&info)
	} else {
		err = l.all(dir)
	}
	if err != nil {
		return said, err
	}
	return plain(226), t.inOrder()
}

// line says how an entry reads in this transfer.
func (t *transfer) line(inside bool) listing.Line {
	switch {
	case t.verb == "MLSD":
		return listing.Machine(t.facts)
	case t.verb == "LIST":
		return listing.Long(time.Now())
	case inside:
		return listing.Names(t.as)
	}
	return func(b []byte, _ *session.Info, _ string) []byte { return append(b, t.as...) }
}

// A lister writes entries as lines, a batch at a time: a folder never stands in
// memory as a whole. Names that a line cannot carry are left out.
type lister struct {
	c          *conn
	ctx        context.Context
	folder     path.Path
	line       listing.Line
	match      func(name string) bool // nil: every name
	begin, end string                 // of each line
	write      func([]byte) (int, error)
}

func (l *lister) one(i *session.Info) error {
	_, err := l.write(l.add(nil, i))
	return err
}

func (l *lister) all(dir *session.Dir) error {
	text := texts.Get().(*[]byte)
	defer texts.Put(text)
	*text = (*text)[:0]
	for {
		entries, err := dir.Next(batch)
		for i := range entries {
			*text = l.add(*text, &entries[i])
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		if len(*text) >= enough || err != nil && len(*text) > 0 {
			if _, err := l.write(*text); err != nil {
				return err
			}
			*text = (*text)[:0]
		}
		if err != nil {
			return nil
		}
	}
}

func (l *lister) add(b []byte, i *session.Info) []byte {
	if !listing.Carries(i.Name()) || l.match != nil && !l.match(i.Name()) {
		return b
	}
	return append(l.line(append(b, l.begin...), i, l.leadsTo(i)), l.end...)
}

// leadsTo is where a link in the folder leads, "" where that cannot be shown.
func (l *lister) leadsTo(i *session.Info) string {
	if i.Mode().Type() != fs.ModeSymlink {
		return ""
	}
	p, err := l.folder.Join(i.Name())
	if err != nil {
		return ""
	}
	target, err := l.c.files().Readlink(l.ctx, p)
	if err != nil || !listing.Carries(target) {
		return ""
	}
	return target
}

// statPath is a LIST on the control connection.
func (c *conn) statPath(arg string) reply {
	options, name := wire.WithoutOptions(arg)
	return onFolder(func(c *conn, p path.Path) reply {
		info, err := c.files().Stat(c.ctx, p)
		if err != nil {
			return replyTo(err)
		}
		var dir *session.Dir
		if info.IsDir() && !strings.Contains(options, "d") {
			if dir, err = c.files().List(c.ctx, p); err != nil {
				return replyTo(err)
			}
			defer dir.Close()
			defer context.AfterFunc(dir.Context(), func() { c.end("The listing is no longer allowed") })()
		}
		c.sendText(opening(213, "Status of "+p.String()))
		l := lister{c: c, ctx: c.ctx, folder: p, line: listing.Long(time.Now()), write: c.writeLines, begin: " ", end: "\r\n"}
		if dir == nil {
			err = l.one(&info)
		} else {
			err = l.all(dir)
		}
		if err != nil {
			c.end("The listing broke off") // no last line tells that from a whole one
			return said
		}
		return reply{213, "End"}
	})(c, name)
}

// writeLines sends lines of a reply, whatever their names hold.
func (c *conn) writeLines(b []byte) (int, error) {
	for i, letter := range b {
		if isControl(rune(letter)) && letter != '\r' && letter != '\n' {
			b[i] = '?'
		}
	}
	return len(b), c.writeText(string(b))
}

// doMLST describes one path on the control connection (RFC 3659, 7).
func (c *conn) doMLST(p path.Path) reply {
	info, err := c.files().Stat(c.ctx, p)
	if err != nil {
		return replyTo(err)
	}
	line := string(c.facts.Append(nil, &info, "")) + " " + p.String()
	c.sendText(multiline(250, "Facts of "+p.String(), []string{line}, "End"))
	return said
}
