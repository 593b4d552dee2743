package webdav

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"sort"
	"strings"

	"gatehouse/auth/session"
	"gatehouse/policy/path"
)

// A request is an admitted request on its way through its method.
type request struct {
	h      *Handler
	x      *exchange
	r      *http.Request
	ctx    context.Context // ends when the client goes or the session is cut
	fs     *session.FS     // submits the lock tokens of the If header
	path   path.Path
	slash  bool // the URL names a collection
	when   ifHeader
	judged *version // what the conditions were judged by, where there were any
}

// methods are what a login is needed for; OPTIONS needs none.
var methods = map[string]func(*request) error{
	http.MethodGet:    (*request).get,
	http.MethodHead:   (*request).head,
	http.MethodPut:    (*request).put,
	http.MethodDelete: (*request).delete,
	"MKCOL":           (*request).mkcol,
	"COPY":            (*request).copy,
	"MOVE":            (*request).move,
	"PROPFIND":        (*request).propfind,
	"PROPPATCH":       (*request).proppatch,
	"LOCK":            (*request).lock,
	"UNLOCK":          (*request).unlock,
}

// allowed is the Allow header: every method, since a URL may come to hold
// anything, and which of them would be refused is nobody's to know beforehand.
func allowed() string {
	names := []string{http.MethodOptions}
	for name := range methods {
		names = append(names, name)
	}
	sort.Strings(names)
	return strings.Join(names, ", ")
}

// options answers without a login: Windows asks before it has one.
func options(x *exchange) error {
	header := x.Header()
	header.Set("Allow", allowed())
	header.Set("DAV", "1, 2, 3")
	header.Set("MS-Author-Via", "DAV")
	header.Set("Accept-Ranges", "bytes")
	header.Set("Content-Length", "0")
	x.WriteHeader(http.StatusOK)
	return nil
}

// done answers without a body.
func (q *request) done(status int) error {
	if status != http.StatusNoContent {
		q.x.Header().Set("Content-Length", "0")
	}
	q.x.WriteHeader(status)
	return nil
}

// found describes what the URL names. A file under a URL with a slash at its
// end is not there: that URL is a collection's.
func (q *request) found() (session.Info, error) {
	info, err := q.fs.Stat(q.ctx, q.path)
	if err != nil {
		return info, err
	}
	if q.slash && !info.IsDir() {
		return info, &fs.PathError{Op: "stat", Path: q.path.String(), Err: fs.ErrNotExist}
	}
	return info, nil
}

// A depth is a Depth header.
type depth int

// The depths.
const (
	depthAbsent depth = iota
	depth0
	depth1
	depthInfinity
)

func (q *request) depth() (depth, error) {
	switch v := strings.TrimSpace(q.r.Header.Get("Depth")); {
	case v == "":
		return depthAbsent, nil
	case v == "0":
		return depth0, nil
	case v == "1":
		return depth1, nil
	case strings.EqualFold(v, "infinity"):
		return depthInfinity, nil
	}
	return 0, refuse(http.StatusBadRequest, "the Depth header is none of 0, 1 and infinity")
}

// wholeTree refuses a Depth that a change of a whole tree cannot have.
func (q *request) wholeTree() error {
	d, err := q.depth()
	if err != nil || d == depthAbsent || d == depthInfinity {
		return err
	}
	info, err := q.fs.Lstat(q.ctx, q.path)
	if err == nil && info.IsDir() {
		return refuse(http.StatusBadRequest, "the Depth of this method on a collection is infinity")
	}
	return nil
}

// submit reads the If header: its tokens go with every operation, its
// conditions are judged with the others.
func (q *request) submit() error {
	values := q.r.Header.Values("If")
	if len(values) == 0 {
		return nil
	}
	var err error
	if q.when, err = parseIf(strings.Join(values, " ")); err != nil {
		return err
	}
	if tokens := q.when.tokens(); len(tokens) > 0 {
		q.fs = q.fs.With(tokens).Once()
	}
	return nil
}

// judge asks all conditions of the request: the If header's, and those of
// RFC 9110 13. GET and HEAD judge the latter themselves, by their own rules.
func (q *request) judge() error {
	if err := q.judgeIf(); err != nil {
		return err
	}
	if q.r.Method == http.MethodGet || q.r.Method == http.MethodHead || !conditional(q.r.Header) {
		return nil
	}
	now, err := q.version()
	if err != nil {
		return err
	}
	return judgeHeaders(q.r.Header, now)
}

// version looks at what the URL names, once for all conditions.
func (q *request) version() (version, error) {
	if q.judged != nil {
		return *q.judged, nil
	}
	var now version
	info, err := q.fs.Stat(q.ctx, q.path)
	switch {
	case err == nil:
		now = versionOf(info)
	case !unseen(err):
		return now, err
	}
	q.judged = &now
	return now, nil
}

// judgeIf judges the If header (RFC 4918 10.4): one list that holds is enough.
func (q *request) judgeIf() error {
	if len(q.when) == 0 {
		return nil
	}
	seen := map[string]state{}
	for _, list := range q.when {
		s, known := seen[list.resource]
		if !known {
			var err error
			if s, err = q.stateOf(list); err != nil {
				return err
			}
			seen[list.resource] = s
		}
		if list.holds(s) {
			return nil
		}
	}
	return refuse(http.StatusPreconditionFailed, "no list of the If header holds")
}

// stateOf is what the conditions of a list are compared with. What is not on
// this server, not there or not to be seen has no state.
func (q *request) stateOf(list ifList) (state, error) {
	p := q.path
	if list.tagged {
		t, err := q.h.refer(list.resource, q.r)
		if errors.Is(err, errElsewhere) {
			return state{}, nil
		}
		if err != nil {
			return state{}, err
		}
		p = t.path
	}
	var s state
	if err := q.tagOf(list, p, &s); err != nil || !list.wantsToken() {
		return s, err
	}
	locks, err := q.fs.Locks(q.ctx, p)
	if err != nil && !unseen(err) {
		return s, err
	}
	for _, l := range locks {
		s.tokens = append(s.tokens, l.Token)
	}
	return s, nil
}

// tagOf looks for the entity tag of p, where the list asks for one.
func (q *request) tagOf(list ifList, p path.Path, s *state) error {
	if !list.wantsTag() {
		return nil
	}
	if p == q.path {
		now, err := q.version()
		s.etag = now.etag
		return err
	}
	info, err := q.fs.Stat(q.ctx, p)
	if err == nil {
		s.etag = versionOf(info).etag
	}
	if err != nil && !unseen(err) {
		return err
	}
	return nil
}

func unseen(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, session.ErrNotDir)
}
