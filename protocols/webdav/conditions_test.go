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
