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

// tell answers 207 with one response, about what failed.
func (q *request) tell(a answer, href string) error {
	b := appendString([]byte(multiHead), "<D:response><D:href>", href, "</D:href><D:status>", statusLine(a.status), "</D:status>")
	if a.condition != "" {
		b = appendString(b, "<D:error>")
		b = q.h.appendCondition(b, a)
		b = appendString(b, "</D:error>")
	}
	b = appendString(b, "</D:response>\n", multiTail)
	q.multistatus()
	_, err := q.x.Write(b)
	return err
}
