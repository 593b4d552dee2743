package webdav

import (
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"
)

// Whatever stands in Depth and Timeout, it is understood as one of few things,
// or refused.
func FuzzDepthAndTimeout(f *testing.F) {
	for _, v := range []string{"", "0", "1", "infinity", "Infinity", "2", " 1 ", "Infinite", "Second-600", "Infinite, Second-4100000000", "Second-99999999999999999999",
		"second-0", "Second--1", "Second-1.5", "Extend, Second-7", ",,,", "Second-", "1,noroot"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, v string) {
		q := &request{r: &http.Request{Header: http.Header{"Depth": {v}, "Timeout": {v}}}}
		if d, err := q.depth(); err != nil && d != depthAbsent || d < depthAbsent || d > depthInfinity {
			t.Errorf("Depth %q: %v, %v", v, d, err)
		}
		life, err := timeout(q.r.Header)
		if life < 0 || life > 1<<31*time.Second || err != nil && life != 0 {
			t.Errorf("Timeout %q: %v, %v", v, life, err)
		}
		if life > 0 && !strings.Contains(strings.ToLower(v), "second-") {
			t.Errorf("Timeout %q: %v, which nobody asked for", v, life)
		}
	})
}

// Whatever stands in Range, the answer is the file, true parts of it, or 416.
func FuzzRange(f *testing.F) {
	for _, v := range []string{"bytes=0-4", "bytes=5-", "bytes=-3", "bytes=0-0,-1", "bytes=0-1,2-3,4-5", "bytes=9-1", "bytes=", "bytes=x", "items=0-1",
		"bytes=18446744073709551616-", "bytes=0-9223372036854775807", "bytes=-0", "bytes= 1 - 2 ", "bytes=0-1,,2-3", "bytes=99-"} {
		f.Add(v)
	}
	const content = "0123456789abcdefghij"
	s := newSite(f)
	c := s.client(f, "alice")
	c.fill(map[string]string{"a": content})
	f.Fuzz(func(t *testing.T, v string) {
		if strings.ContainsFunc(v, isControl) {
			return // no header can hold it
		}
		c := &client{t, s, c.Person}
		a := c.do("GET", "/dav/a", "", "Range: "+v)
		switch a.status {
		case http.StatusOK:
			if a.body != content {
				t.Errorf("%q: 200 with %q", v, a.body)
			}
		case http.StatusPartialContent:
			for _, part := range parts(t, a) {
				if part == "" || !strings.Contains(content, part) {
					t.Errorf("%q: %q is no part", v, part)
				}
			}
		case http.StatusRequestedRangeNotSatisfiable:
		default:
			t.Errorf("%q: got %d", v, a.status)
		}
	})
}

// parts are what a 206 holds.
func parts(t *testing.T, a answerGot) []string {
	t.Helper()
	kind, parameters, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil || kind != "multipart/byteranges" {
		return []string{a.body}
	}
	var all []string
	for r := multipart.NewReader(strings.NewReader(a.body), parameters["boundary"]); ; {
		part, err := r.NextPart()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(b))
	}
}
