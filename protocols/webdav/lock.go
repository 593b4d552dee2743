package webdav

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"gatehouse/auth/session"
)

// maxOwner bounds what a client says of itself in a lock: it is kept with it.
const maxOwner = 4 << 10

// lock makes a lock or, without a body, starts the life of one anew (RFC 4918 9.10).
func (q *request) lock() error {
	ask, err := readLock(q.x.body)
	if errors.Is(err, errNoXML) {
		return q.refresh()
	}
	if err != nil {
		return err
	}
	d, err := q.depth()
	if err != nil {
		return err
	}
	if d == depth1 {
		return refuse(http.StatusBadRequest, "the Depth of a lock is 0 or infinity")
	}
	ask.Deep = d != depth0
	if ask.Timeout, err = timeout(q.r.Header); err != nil {
		return err
	}
	if err := q.lockable(); err != nil {
		return err
	}
	q.fs = q.fs.Once()
	l, created, err := q.fs.Lock(q.ctx, q.path, ask)
	if err != nil {
		return q.tellObstacle(err)
	}
	q.x.Header().Set("Lock-Token", "<"+l.Token+">")
	status := http.StatusOK
	if created {
		status = http.StatusCreated
	}
	return q.tellLocks(status, l)
}

// tellObstacle answers for a lock of a tree that another's lock on a member is in
// the way of: both are named (RFC 4918 9.10.3).
func (q *request) tellObstacle(err error) error {
	if o, ok := q.member(err); ok {
		return q.tell(o, outcome{q.h.href(q.path, true), answer{status: http.StatusFailedDependency}})
	}
	return err
}

// lockable refuses to make an empty file under the URL of a collection.
func (q *request) lockable() error {
	if !q.slash || q.path.IsRoot() {
		return nil
	}
	_, err := q.found()
	if err != nil && unseen(err) {
		return refuse(http.StatusConflict, "there is no such collection")
	}
	return err
}

// refresh needs the one lock token in the If header that it is about.
func (q *request) refresh() error {
	tokens := q.when.tokens()
	if len(tokens) != 1 {
		return refuse(http.StatusBadRequest, "refreshing a lock takes its token in the If header")
	}
	life, err := timeout(q.r.Header)
	if err != nil {
		return err
	}
	q.fs = q.fs.Once()
	l, err := q.fs.RefreshLock(q.ctx, q.path, tokens[0], life)
	if err != nil {
		return err
	}
	return q.tellLocks(http.StatusOK, l)
}

// unlock releases the lock of the Lock-Token header (RFC 4918 9.11).
func (q *request) unlock() error {
	v := strings.TrimSpace(q.r.Header.Get("Lock-Token"))
	if len(v) < 3 || v[0] != '<' || v[len(v)-1] != '>' {
		return refuse(http.StatusBadRequest, "unlocking takes a Lock-Token header")
	}
	if err := q.fs.Unlock(q.ctx, q.path, v[1:len(v)-1]); err != nil {
		return err
	}
	return q.done(http.StatusNoContent)
}

// readLock reads a lockinfo.
func readLock(body *upload) (session.LockRequest, error) {
	var ask session.LockRequest
	root, err := readXML(body)
	if err != nil {
		return ask, err
	}
	scope, kind := root.child("lockscope"), root.child("locktype")
	if !root.is("lockinfo") || scope == nil || kind == nil || kind.child("write") == nil {
		return ask, errXML
	}
	exclusive, shared := scope.child("exclusive"), scope.child("shared")
	if count(exclusive, shared) != 1 {
		return ask, errXML
	}
	ask.Shared = shared != nil
	if owner := root.child("owner"); owner != nil {
		ask.Owner = string(appendElement(nil, owner))
	}
	if len(ask.Owner) > maxOwner {
		return ask, errLarge
	}
	return ask, nil
}

// timeout reads a Timeout header (RFC 4918 10.7): the first wish that can be
// understood; 0, the longest there is, for Infinite and for none.
func timeout(header http.Header) (time.Duration, error) {
	for wish := range strings.SplitSeq(header.Get("Timeout"), ",") {
		wish = strings.TrimSpace(wish)
		if strings.EqualFold(wish, "Infinite") {
			return 0, nil
		}
		if len(wish) < 8 || !strings.EqualFold(wish[:7], "Second-") {
			continue
		}
		seconds, err := strconv.ParseUint(wish[7:], 10, 64)
		switch {
		case errors.Is(err, strconv.ErrRange), seconds > 1<<31:
			return 0, nil
		case err != nil:
			return 0, refuse(http.StatusBadRequest, "the Timeout header cannot be understood")
		}
		return time.Duration(max(seconds, 1)) * time.Second, nil
	}
	return 0, nil
}

// tellLocks answers with the lock that was made or refreshed and those beside it.
func (q *request) tellLocks(status int, own session.Lock) error {
	now := time.Now()
	b := appendString([]byte(xmlHead), `<D:prop xmlns:D="DAV:"><D:lockdiscovery>`)
	b = q.h.appendActiveLock(b, own, now)
	if own.Shared {
		others, err := q.fs.Locks(q.ctx, q.path)
		if err != nil && !unseen(err) {
			return err
		}
		for _, l := range others {
			if l.Token != own.Token {
				b = q.h.appendActiveLock(b, l, now)
			}
		}
	}
	b = appendString(b, "</D:lockdiscovery></D:prop>\n")
	q.x.Header().Set("Content-Type", xmlType)
	q.x.Header().Set("Content-Length", strconv.Itoa(len(b)))
	q.x.WriteHeader(status)
	_, err := q.x.Write(b)
	return err
}

// appendActiveLock writes a lock as lockdiscovery shows it (RFC 4918 14.1).
func (h *Handler) appendActiveLock(b []byte, l session.Lock, now time.Time) []byte {
	scope, depth := "exclusive", "0"
	if l.Shared {
		scope = "shared"
	}
	if l.Deep {
		depth = "infinity"
	}
	b = appendString(b, "<D:activelock><D:locktype><D:write/></D:locktype><D:lockscope><D:", scope,
		"/></D:lockscope><D:depth>", depth, "</D:depth>")
	b = appendOwner(b, l)
	left := max(1, int64((l.Expires.Sub(now)+time.Second-1)/time.Second))
	b = appendString(b, "<D:timeout>Second-", strconv.FormatInt(left, 10), "</D:timeout><D:locktoken><D:href>")
	b = appendText(b, l.Token)
	return appendString(b, "</D:href></D:locktoken><D:lockroot><D:href>", h.href(l.Path, false),
		"</D:href></D:lockroot></D:activelock>")
}

// appendOwner writes what the client said of itself: of this door an owner
// element, of others text.
func appendOwner(b []byte, l session.Lock) []byte {
	switch {
	case l.Owner == "":
		return b
	case strings.HasPrefix(l.Owner, "<owner "):
		return append(b, l.Owner...)
	case !xmlSafe(l.Owner):
		return b
	}
	b = append(b, "<D:owner>"...)
	b = appendText(b, l.Owner)
	return append(b, "</D:owner>"...)
}
