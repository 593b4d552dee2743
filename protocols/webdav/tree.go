package webdav

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
)

// mkcol makes a collection (RFC 4918 9.3). It takes no body.
func (q *request) mkcol() error {
	if !q.x.body.empty() {
		return refuse(http.StatusUnsupportedMediaType, "making a collection takes no body")
	}
	if err := q.fs.Mkdir(q.ctx, q.path, 0); err != nil {
		if q.path.IsRoot() {
			return &fs.PathError{Op: "mkdir", Path: "/", Err: fs.ErrExist}
		}
		return err
	}
	return q.done(http.StatusCreated)
}

// delete removes a file or a whole collection. What stands in the way below a
// collection is named in a multistatus (RFC 4918 9.6.1).
func (q *request) delete() error {
	if q.path.IsRoot() {
		return refuse(http.StatusForbidden, "the root cannot be removed")
	}
	if err := q.wholeTree(); err != nil {
		return err
	}
	if q.slash {
		if _, err := q.found(); err != nil {
			return err
		}
	}
	if err := q.fs.RemoveAll(q.ctx, q.path); err != nil {
		return q.tellMember(err)
	}
	return q.done(http.StatusNoContent)
}

// tellMember answers for a change of a tree that failed at one of its members; an
// error about the tree as a whole is returned.
func (q *request) tellMember(err error) error {
	if o, ok := q.member(err); ok {
		return q.tell(o)
	}
	return err
}

// member tells what became of the member at which a change of a tree failed; ok
// is false where it was not one of the members.
func (q *request) member(err error) (o outcome, ok bool) {
	p, ok := failedAt(err)
	if !ok || p == q.path || !q.path.Contains(p) {
		return o, false
	}
	a := answerTo(q.r.Method, err)
	if a.status >= http.StatusInternalServerError && a.status != http.StatusInsufficientStorage {
		return o, false
	}
	return outcome{q.h.href(p, false), a}, true
}

// failedAt is the path that an error is about.
func failedAt(err error) (path.Path, bool) {
	var locked *session.LockedError
	if errors.As(err, &locked) {
		return locked.Lock.Path, true
	}
	var at *fs.PathError
	if !errors.As(err, &at) {
		return path.Path{}, false
	}
	p, err := path.Parse(at.Path)
	return p, err == nil
}

// A transfer is what COPY and MOVE are asked for, found to be possible.
type transfer struct {
	to      path.Path
	replace session.Replace
	existed bool
	folder  bool // the source is one
}

// overwrite reads the Overwrite header, which is T where it is absent; said
// reports that the client said T itself.
func (q *request) overwrite(t *transfer) (said bool, err error) {
	switch strings.TrimSpace(q.r.Header.Get("Overwrite")) {
	case "":
		t.replace = session.ReplaceAny
	case "T", "t":
		t.replace, said = session.ReplaceAny, true
	case "F", "f":
		t.replace = session.KeepTarget
	default:
		return false, refuse(http.StatusBadRequest, "the Overwrite header is neither T nor F")
	}
	return said, nil
}

// transfer reads and checks Destination and Overwrite. Nothing is touched
// where one of the two contains the other. A file goes to the URL of a
// collection only in its place, and only where the client says so: "into that
// folder" is what it is likely to mean, and would lose the folder.
func (q *request) transfer() (transfer, error) {
	var t transfer
	header := q.r.Header.Get("Destination")
	if header == "" {
		return t, refuse(http.StatusBadRequest, "the Destination header is missing")
	}
	to, err := q.h.refer(header, q.r)
	if err != nil {
		return t, err
	}
	said, err := q.overwrite(&t)
	if err != nil {
		return t, err
	}
	if q.path.Contains(to.path) || to.path.Contains(q.path) {
		return t, refuse(http.StatusForbidden, "source and destination are the same, or one contains the other")
	}
	source, err := q.source()
	if err != nil {
		return t, err
	}
	t.to, t.folder = to.path, source
	old, err := q.fs.Lstat(q.ctx, t.to)
	t.existed = err == nil
	if to.slash && !source && !(t.existed && old.IsDir() && said) {
		return t, refuse(http.StatusConflict, "a file would take the place of a collection")
	}
	return t, nil
}

// source reports whether there is a collection to copy or move, or a file. A
// link that leads nowhere is a file here: it can be moved away.
func (q *request) source() (folder bool, err error) {
	info, err := q.fs.Lstat(q.ctx, q.path)
	if err == nil && info.Mode().Type() == fs.ModeSymlink && !q.slash {
		if led, errLed := q.fs.Stat(q.ctx, q.path); errLed == nil {
			return led.IsDir(), nil
		}
		return false, nil
	}
	if err == nil && q.slash {
		info, err = q.found()
	}
	if err != nil && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, session.ErrNotDir)) {
		return false, refuse(http.StatusNotFound, "the source is not there")
	}
	return info.IsDir(), err
}

// made answers a COPY or MOVE that succeeded.
func (q *request) made(t transfer) error {
	if t.existed {
		return q.done(http.StatusNoContent)
	}
	return q.done(http.StatusCreated)
}

// copy copies a file or a collection; with Depth 0 a collection without its
// members (RFC 4918 9.8).
func (q *request) copy() error {
	d, err := q.depth()
	if err != nil {
		return err
	}
	if d == depth1 {
		return refuse(http.StatusBadRequest, "the Depth of a copy is 0 or infinity")
	}
	t, err := q.transfer()
	if err != nil {
		return err
	}
	how := session.CopyHow{Replace: t.replace, Shallow: d == depth0 && t.folder}
	if err := q.fs.Copy(q.ctx, q.path, t.to, how); err != nil {
		return err
	}
	return q.made(t)
}

// move renames. Between mounts, which a rename cannot cross, it copies whole
// and removes the source then (RFC 4918 9.9).
func (q *request) move() error {
	if q.path.IsRoot() {
		return refuse(http.StatusForbidden, "the root cannot be moved")
	}
	if err := q.wholeTree(); err != nil {
		return err
	}
	t, err := q.transfer()
	if err != nil {
		return err
	}
	err = q.fs.Rename(q.ctx, q.path, t.to, t.replace)
	if errors.Is(err, session.ErrCrossMount) {
		return q.moveAcross(t)
	}
	if err != nil {
		return err
	}
	return q.made(t)
}

// moveAcross copies first. When the copy is there the source goes, whatever the
// client does: were it left in part, a client that asks again would replace the
// whole copy by the rest.
func (q *request) moveAcross(t transfer) error {
	if err := q.fs.Copy(q.ctx, q.path, t.to, session.CopyHow{Replace: t.replace, Whole: true}); err != nil {
		return err
	}
	if err := q.fs.RemoveAll(context.WithoutCancel(q.ctx), q.path); err != nil {
		return q.tellMember(fmt.Errorf("remove the source after copying: %w", err))
	}
	return q.made(t)
}
