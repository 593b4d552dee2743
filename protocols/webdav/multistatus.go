package webdav

import (
	"net/http"
	"strconv"
)

const (
	multiHead = xmlHead + `<D:multistatus xmlns:D="DAV:">` + "\n"
	multiTail = "</D:multistatus>\n"
)

// multistatus begins a 207 answer.
func (q *request) multistatus() {
	q.x.Header().Set("Content-Type", xmlType)
	q.x.WriteHeader(http.StatusMultiStatus)
}

// statusLine is a status as a multistatus holds it.
func statusLine(code int) string {
	return "HTTP/1.1 " + strconv.Itoa(code) + " " + http.StatusText(code)
}

// An outcome is what became of one resource of a request.
type outcome struct {
	href string
	answer
}

// tell answers 207 with what failed.
func (q *request) tell(failed ...outcome) error {
	b := []byte(multiHead)
	for _, o := range failed {
		b = appendString(b, "<D:response><D:href>", o.href, "</D:href><D:status>", statusLine(o.status), "</D:status>")
		if o.condition != "" {
			b = appendString(b, "<D:error>")
			b = q.h.appendCondition(b, o.answer)
			b = appendString(b, "</D:error>")
		}
		b = appendString(b, "</D:response>\n")
	}
	b = appendString(b, multiTail)
	q.multistatus()
	_, err := q.x.Write(b)
	return err
}
