package ftp

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	ftpserver "github.com/fclairamb/ftpserverlib"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
)

// batch is how many entries a listing reads at a time.
const batch = 256

// mostStat bounds a listing on the control connection, which is held in memory.
const mostStat = 10_000

// A listing reads a folder as text, a batch at a time. Names that a listing
// cannot carry are left out.
type listing struct {
	t    *transfer
	dir  *session.Dir // nil for a single file
	line func(session.Info) string
	text bytes.Buffer
}

func (t *transfer) openListing() (ftpserver.FileTransfer, error) {
	files := t.c.loggedIn().FS()
	info, err := files.Stat(t.ctx, t.path)
	if err != nil {
		return nil, err
	}
	l := &listing{t: t, line: t.lines(info.IsDir())}
	switch {
	case info.IsDir():
		l.dir, err = files.List(t.ctx, t.path)
		return l, err
	case t.verb == "MLSD":
		return nil, errNotFolder
	}
	l.add(info)
	return l, nil
}

// lines says how an entry reads in this transfer.
func (t *transfer) lines(folder bool) func(session.Info) string {
	switch t.verb {
	case "MLSD":
		return func(i session.Info) string { return t.facts.of(i, t.leadsTo(i)) + " " + i.Name() }
	case "NLST":
		prefix := ""
		if folder && t.as != "" {
			prefix = strings.TrimSuffix(t.as, "/") + "/"
		}
		if !folder {
			return func(session.Info) string { return t.as }
		}
		return func(i session.Info) string { return prefix + i.Name() }
	default:
		now := time.Now()
		return func(i session.Info) string { return listLine(i, t.leadsTo(i), now) }
	}
}

// leadsTo is where a link in the folder leads, "" where that cannot be shown.
func (t *transfer) leadsTo(i session.Info) string { return linkTarget(t.ctx, t.c, t.path, i) }

func linkTarget(ctx context.Context, c *conn, folder path.Path, i session.Info) string {
	if i.Mode().Type() != fs.ModeSymlink {
		return ""
	}
	p, err := folder.Join(i.Name())
	if err != nil {
		return ""
	}
	target, err := c.loggedIn().FS().Readlink(ctx, p)
	if err != nil || !carries(target) {
		return ""
	}
	return target
}

func (l *listing) add(i session.Info) {
	if line := l.line(i); carries(i.Name()) && carries(line) {
		l.text.WriteString(line)
		l.text.WriteString("\r\n")
	}
}

// carries reports whether a line can hold s. It could pass for two otherwise.
func carries(s string) bool { return !strings.ContainsAny(s, "\r\n\x00") }

// Read yields the next lines.
func (l *listing) Read(b []byte) (n int, err error) {
	defer l.t.c.contain(&err)
	for l.text.Len() == 0 {
		if l.dir == nil {
			return 0, io.EOF
		}
		entries, err := l.dir.Next(batch)
		for _, e := range entries {
			l.add(e)
		}
		if err != nil && len(entries) == 0 {
			if !errors.Is(err, io.EOF) {
				err = l.t.note(err)
			}
			return 0, err
		}
	}
	return l.text.Read(b)
}

// Write is not for listings.
func (l *listing) Write(b []byte) (int, error) { return 0, errNotOffered }

// Seek is not for listings.
func (l *listing) Seek(int64, int) (int64, error) { return 0, errSeek }

// TransferError says that the transfer broke.
func (l *listing) TransferError(err error) { _ = l.t.note(err) }

// Close ends the reading.
func (l *listing) Close() error {
	if l.dir == nil {
		return nil
	}
	return l.dir.Close()
}

// listText is a LIST for the control connection.
func (c *conn) listText(p path.Path) ([]string, error) {
	files, now := c.loggedIn().FS(), time.Now()
	info, err := files.Stat(c.ctx, p)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		return []string{listLine(info, "", now)}, nil
	}
	dir, err := files.List(c.ctx, p)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	var lines []string
	for len(lines) < mostStat {
		entries, err := dir.Next(batch)
		for _, e := range entries {
			if carries(e.Name()) {
				lines = append(lines, listLine(e, linkTarget(c.ctx, c, p, e), now))
			}
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return lines, nil
}

// withoutOptions drops what clients pass on to ls. A name that begins with a
// dash is written ./-name.
func withoutOptions(arg string) string {
	for strings.HasPrefix(arg, "-") {
		_, arg, _ = strings.Cut(arg, " ")
	}
	return arg
}

// listLine is an entry as ls -l would show it, times in UTC, which clients have
// come to read.
func listLine(i session.Info, target string, now time.Time) string {
	kind, size := byte('-'), i.Size()
	switch {
	case i.IsDir():
		kind, size = 'd', 0
	case i.Mode().Type() == fs.ModeSymlink:
		kind = 'l'
	}
	name := i.Name()
	if target != "" {
		name += " -> " + target
	}
	modified, layout := i.ModTime().UTC(), "Jan _2 15:04"
	if age := now.Sub(modified); age < -time.Hour || age > 180*24*time.Hour {
		layout = "Jan _2  2006"
	}
	owner := column(i.Owner())
	return fmt.Sprintf("%c%s 1 %s %s %12d %s %s",
		kind, fs.FileMode.String(i.Mode().Perm())[1:], owner, owner, size, modified.Format(layout), name)
}

// column is a value that stays within one column.
func column(s string) string {
	return strings.Map(func(r rune) rune {
		if r == ' ' || isControl(r) {
			return '_'
		}
		return r
	}, s)
}
