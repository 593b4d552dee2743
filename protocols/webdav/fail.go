package webdav

import (
	"errors"
	"log/slog"
	"net/http"
	"strconv"

	"gatehouse/auth/session"
)

// fail answers a request that went wrong. An answer that had begun is broken
// off, so that nobody takes it for a whole one.
func (h *Handler) fail(x *exchange, r *http.Request, err error) {
	if x.started() {
		panic(http.ErrAbortHandler)
	}
	a := answerTo(r.Method, err)
	if x.wasCut() {
		a = answer{status: http.StatusForbidden, text: "access has ended"}
		x.Header().Set("Connection", "close")
	}
	switch a.status {
	case http.StatusUnauthorized:
		h.challenge(x.Header())
	case http.StatusMethodNotAllowed:
		x.Header().Set("Allow", allowed())
	case http.StatusTooManyRequests:
		x.Header().Set("Retry-After", "1")
	case http.StatusServiceUnavailable:
		x.Header().Set("Retry-After", "10")
		h.c.Log.Log(r.Context(), levelOf(err), "webdav request put off", "method", r.Method, "error", err)
	case http.StatusInternalServerError:
		ref := reference()
		a.text = "internal error (reference " + ref + ")"
		h.c.Log.Error("webdav request failed", "method", r.Method, "reference", ref, "error", err)
	}
	x.settle(func() { h.say(x, a) })
}

// levelOf is how loudly the log tells of a request that was put off: that the store
// is away it tells once, and not for each request.
func levelOf(err error) slog.Level {
	if errors.Is(err, session.ErrStateAway) || errors.Is(err, session.ErrAway) {
		return slog.LevelDebug
	}
	return slog.LevelWarn
}

// say writes an answer: the condition as XML (RFC 4918 16) where there is one,
// else a line of text.
func (h *Handler) say(x *exchange, a answer) {
	header := x.Header()
	body := []byte(a.text)
	if a.text == "" {
		body = []byte(http.StatusText(a.status))
	}
	body = append(body, '\n')
	header.Set("Content-Type", "text/plain; charset=utf-8")
	if a.condition != "" {
		header.Set("Content-Type", xmlType)
		body = appendString([]byte(xmlHead), `<D:error xmlns:D="DAV:">`)
		body = h.appendCondition(body, a)
		body = appendString(body, "</D:error>\n")
	}
	header.Set("Content-Length", strconv.Itoa(len(body)))
	x.WriteHeader(a.status)
	_, _ = x.Write(body) // a client that is gone needs no answer
}

// appendCondition writes a condition. RFC 4918 has no element for who holds a lock,
// so that one is ours; clients leave out what they do not know (RFC 4918 17).
func (h *Handler) appendCondition(b []byte, a answer) []byte {
	if a.about == nil {
		return appendString(b, "<D:", a.condition, "/>")
	}
	b = appendString(b, "<D:", a.condition, "><D:href>", h.href(*a.about, false), "</D:href></D:", a.condition, ">")
	if a.holder == "" || !xmlSafe(a.holder) {
		return b
	}
	b = appendString(b, `<locked-by xmlns="urn:gatehouse">`)
	return appendString(appendText(b, a.holder), "</locked-by>")
}
