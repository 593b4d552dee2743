package scp

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
	"gatehouse/protocols/sftp/subsystem"
)

// A told error is told to the client as it stands here.
type told string

func (t told) Error() string { return string(t) }

const (
	errFolder  told = "not a regular file"
	errName    told = "the name cannot be sent"
	errShorter told = "the file became shorter"
	errMany    told = "too many names match"
	errFolders told = "the pattern looks into too many folders"
	errCircle  told = "a link leads back to a folder above it"
)

// send copies what the command names to the client.
func (t *transfer) send(ctx context.Context) error {
	if _, err := t.link.agreed(); err != nil {
		return err
	}
	for _, w := range t.paths {
		paths, err := t.expand(ctx, w)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			if err := t.report(w.Text, err); err != nil {
				return err
			}
			continue
		}
		for _, p := range paths {
			if err := t.sendAny(ctx, p, t.nameOf(p)); err != nil {
				return err
			}
		}
	}
	return nil
}

// sendAny sends a file or, where that is asked for, a tree. Only an error that
// ends the transfer is returned.
func (t *transfer) sendAny(ctx context.Context, p path.Path, name string) error {
	info, err := t.FS.Stat(ctx, p)
	switch {
	case err != nil:
		return t.report(p.String(), err)
	case !sendable(name):
		return t.report(p.String(), errName)
	case info.IsDir() && t.recursive:
		return t.sendFolder(ctx, p, name, info)
	case !info.Mode().IsRegular():
		return t.report(p.String(), errFolder)
	}
	return t.sendFile(ctx, p, name)
}

func (t *transfer) sendFile(ctx context.Context, p path.Path, name string) error {
	f, err := t.FS.Open(ctx, p, session.Open{Read: true})
	if err != nil {
		return t.report(p.String(), err)
	}
	defer t.let(f)
	done := t.whenCut(f)
	defer done()
	info, err := f.Stat()
	if err != nil {
		return t.report(p.String(), err)
	}
	if agreed, err := t.sendTimes(info); err != nil || !agreed {
		return err
	}
	if err := t.link.send("C%04o %d %s\n", info.Mode().Perm(), info.Size(), name); err != nil {
		return err
	}
	if agreed, err := t.link.agreed(); err != nil || !agreed {
		return err
	}
	short, err := t.sendContent(f, info.Size())
	if err != nil {
		f.Abort(err)
		return err
	}
	if short != nil {
		err = t.report(p.String(), short)
	} else {
		err = t.link.ok()
	}
	if err != nil {
		return err
	}
	_, err = t.link.agreed()
	return err
}

// sendContent sends exactly n bytes, as was announced: zeros where the file has
// become shorter, which it then reports.
func (t *transfer) sendContent(f *session.File, n int64) (short, err error) {
	sent, err := f.CopyTo(t.link, 0, n)
	if err != nil || sent == n {
		return nil, err
	}
	_, err = io.CopyN(t.link, zeros{}, n-sent)
	return errShorter, err
}

// whenCut ends the transfer as soon as policy no longer allows a file, whatever
// its client does: half a file cannot be taken back. done is called when the
// transfer is through with the file.
func (t *transfer) whenCut(f *session.File) (done func()) {
	over := make(chan struct{})
	stop := context.AfterFunc(f.Context(), func() {
		// The end of the channel, too, waits where the transport is full.
		late := time.AfterFunc(subsystem.Grace, func() { t.Cut(context.Cause(f.Context())) })
		defer late.Stop()
		t.link.end()
		<-over
	})
	return func() {
		stop()
		close(over)
	}
}

// zeros are read without end.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func (t *transfer) sendTimes(info session.Info) (agreed bool, err error) {
	if !t.keepTimes {
		return true, nil
	}
	a := subsystem.Attributes(info)
	if err := t.link.send("T%d 0 %d 0\n", a.Modified, a.Accessed); err != nil {
		return false, err
	}
	return t.link.agreed()
}

// sendFolder sends a folder with what is in it, which is read in pieces. It stays
// open meanwhile, and counts as such: a tree may be deep.
func (t *transfer) sendFolder(ctx context.Context, p path.Path, name string, info session.Info) error {
	leave, err := t.enter(ctx, p)
	if err != nil {
		return t.report(p.String(), err)
	}
	defer leave()
	if err := t.Handles.TakeMore(); err != nil {
		return t.report(p.String(), err)
	}
	defer t.Handles.Release()
	dir, err := t.FS.List(ctx, p)
	if err != nil {
		return t.report(p.String(), err)
	}
	defer t.let(dir)
	if agreed, err := t.sendTimes(info); err != nil || !agreed {
		return err
	}
	if err := t.link.send("D%04o 0 %s\n", info.Mode().Perm(), name); err != nil {
		return err
	}
	if agreed, err := t.link.agreed(); err != nil || !agreed {
		return err
	}
	if err := t.sendMembers(ctx, p, dir); err != nil {
		return err
	}
	if err := t.link.send("E\n"); err != nil {
		return err
	}
	_, err = t.link.agreed()
	return err
}

// membersAtOnce is how many entries of a folder are held at a time.
const membersAtOnce = 100

func (t *transfer) sendMembers(ctx context.Context, p path.Path, dir *session.Dir) error {
	for {
		infos, err := dir.Next(membersAtOnce)
		for _, info := range infos {
			member, err := p.Join(info.Name())
			if err == nil {
				err = t.sendAny(ctx, member, info.Name())
			}
			if err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return t.report(p.String(), err)
		}
	}
}

// enter notes a folder that is being sent. One that holds another of those, as a
// link may lead to, is refused: it would never end.
func (t *transfer) enter(ctx context.Context, p path.Path) (leave func(), err error) {
	real, err := t.FS.RealPath(ctx, p)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(t.within, real.Contains) {
		return nil, errCircle
	}
	t.within = append(t.within, real)
	return func() { t.within = t.within[:len(t.within)-1] }, nil
}

// let closes what is not needed any more.
func (t *transfer) let(open io.Closer) {
	if err := open.Close(); err != nil {
		t.Log.Debug("close what scp has read", "error", err)
	}
}
