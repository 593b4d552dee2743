package webdav

import (
	"net/http"
	"testing"
	"time"
)

func TestJudgeHeaders(t *testing.T) {
	modified := time.Date(2026, 3, 1, 12, 0, 0, 500, time.UTC)
	file := version{there: true, etag: `"e1"`, modified: modified}
	folder := version{there: true, modified: modified}
	var none version
	same, before := modified.Format(http.TimeFormat), modified.Add(-time.Hour).Format(http.TimeFormat)
	cases := map[string]struct {
		name, value string
		on          version
		status      int
	}{
		"match":                         {"If-Match", `"e1"`, file, 0},
		"match in a list":               {"If-Match", `"e0", "e1"`, file, 0},
		"match any":                     {"If-Match", `*`, file, 0},
		"no match":                      {"If-Match", `"e2"`, file, 412},
		"weak does not match":           {"If-Match", `W/"e1"`, file, 412},
		"nothing there to match":        {"If-Match", `"e1"`, none, 412},
		"nothing there for any":         {"If-Match", `*`, none, 412},
		"any collection":                {"If-Match", `*`, folder, 0},
		"a collection has no tag":       {"If-Match", `"e1"`, folder, 412},
		"none match":                    {"If-None-Match", `"e2"`, file, 0},
		"one matches":                   {"If-None-Match", `"e2","e1"`, file, 412},
		"weak matches":                  {"If-None-Match", `W/"e1"`, file, 412},
		"nothing may be there":          {"If-None-Match", `*`, file, 412},
		"nothing is there":              {"If-None-Match", `*`, none, 0},
		"unmodified":                    {"If-Unmodified-Since", same, file, 0},
		"modified":                      {"If-Unmodified-Since", before, file, 412},
		"unmodified without a resource": {"If-Unmodified-Since", before, none, 0},
		"unmodified since no date":      {"If-Unmodified-Since", "soon", file, 0},
		"a list that is none":           {"If-Match", `e1`, file, 400},
		"half a tag":                    {"If-None-Match", `"e1`, none, 400},
		"tags without a comma":          {"If-None-Match", `"e1""e2"`, none, 400},
		"empty elements":                {"If-None-Match", `"e2",, ,"e3",`, file, 0},
		"a tag with a comma":            {"If-None-Match", `"e,1"`, file, 0},
		"match first in a list":         {"If-Match", `"e1", "e2"`, file, 0},
		"the first matches":             {"If-None-Match", `"e1","e2"`, file, 412},
		"commas alone":                  {"If-None-Match", `,`, file, 400},
		"the end of a tag":              {"If-Match", `e1"`, file, 400},
		"a weak nothing":                {"If-None-Match", `W/`, file, 400},
		"a control in a tag":            {"If-Match", "\"e\x7f\"", file, 400},
		"the least of a tag":            {"If-Match", `"!"`, file, 412},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := judgeHeaders(http.Header{c.name: {c.value}}, c.on)
			status := 0
			if err != nil {
				status = answerTo("PUT", err).status
			}
			if status != c.status {
				t.Errorf("got %d, want %d", status, c.status)
			}
		})
	}
}

// FuzzTags: a list of entity tags is understood or refused, in bounded time.
func FuzzTags(f *testing.F) {
	for _, s := range []string{`"a"`, `W/"a","b"`, `*`, `"`, `,,,"a"`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, list string) {
		match, err := anyMatch(list, version{there: true, etag: `"e"`}, weakly)
		if match && err != nil {
			t.Fatalf("%q matches and is refused", list)
		}
	})
}

// Conditions hold for every method: with one that does not, nothing is done, and
// the client hears 412.
func TestConditionsOnEveryMethod(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a": "1", "d/b": "2"})
	before := c.files()
	requests := []scenario{
		{method: "GET", target: "/a"},
		{method: "HEAD", target: "/a"},
		{method: "PUT", target: "/a", body: "changed"},
		{method: "DELETE", target: "/a"},
		{method: "DELETE", target: "/d/"},
		{method: "MKCOL", target: "/new"},
		{method: "COPY", target: "/a", headers: []string{"Destination: /dav/new"}},
		{method: "MOVE", target: "/a", headers: []string{"Destination: /dav/new"}},
		{method: "PROPFIND", target: "/a", headers: []string{"Depth: 0"}},
		{method: "PROPPATCH", target: "/a", body: patchBody("<x xmlns='u'>1</x>")},
		{method: "LOCK", target: "/a", body: lockBody},
		{method: "LOCK", target: "/new", body: lockBody},
		{method: "UNLOCK", target: "/a", headers: []string{"Lock-Token: <urn:uuid:1>"}},
	}
	for _, r := range requests {
		for _, condition := range []string{`If-Match: "stale"`, `If: (["stale"])`, `If: (<urn:uuid:gone>)`, `If: </dav/d/b> (["stale"])`} {
			c.want(http.StatusPreconditionFailed, r.method, "/dav"+r.target, r.body, append(r.headers, condition)...)
			c.wantFiles(before)
		}
	}
	if got := c.ask("/dav/a", "<D:lockdiscovery/>")[dav("lockdiscovery")]; got != "" {
		t.Errorf("it was locked: %s", got)
	}
	c.want(http.StatusPreconditionFailed, "DELETE", "/dav/a", "", "If-None-Match: *")
	c.want(http.StatusPreconditionFailed, "DELETE", "/dav/a", "", "If-Unmodified-Since: Mon, 02 Jan 2006 15:04:05 GMT")
	c.want(http.StatusNoContent, "DELETE", "/dav/a", "", "If-Match: *")
}
