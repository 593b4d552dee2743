package webdav

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/protocols/webdav/wire"
)

func TestGet(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	content := strings.Repeat("0123456789", 100_000)
	c.fill(map[string]string{"a.txt": content, "empty": "", "d/b.html": "<script>alert(1)</script>"})
	whole := c.want(200, "GET", "/dav/a.txt", "")
	etag, modified := whole.header.Get("ETag"), whole.header.Get("Last-Modified")
	if whole.body != content || whole.header.Get("Content-Type") != "text/plain; charset=utf-8" || whole.header.Get("Accept-Ranges") != "bytes" {
		t.Errorf("got %d bytes, %v", len(whole.body), whole.header)
	}
	cases := map[string]struct {
		target  string
		headers []string
		status  int
		body    string
	}{
		"empty file":                {"/empty", nil, 200, ""},
		"first bytes":               {"/a.txt", []string{"Range: bytes=0-4"}, 206, "01234"},
		"from there on":             {"/a.txt", []string{"Range: bytes=999995-"}, 206, "56789"},
		"last bytes":                {"/a.txt", []string{"Range: bytes=-3"}, 206, "789"},
		"the last zero bytes":       {"/a.txt", []string{"Range: bytes=0-1,-00"}, 200, content},
		"beyond the end":            {"/a.txt", []string{"Range: bytes=1000000-"}, 416, "*"},
		"ranges that make no sense": {"/a.txt", []string{"Range: bytes=x"}, 416, "*"},
		"range if unchanged":        {"/a.txt", []string{"Range: bytes=0-1", "If-Range: " + etag}, 206, "01"},
		"all if changed":            {"/a.txt", []string{"Range: bytes=0-1", `If-Range: "other"`}, 200, content},
		"not modified":              {"/a.txt", []string{"If-None-Match: " + etag}, 304, ""},
		"not modified since":        {"/a.txt", []string{"If-Modified-Since: " + modified}, 304, ""},
		"modified":                  {"/a.txt", []string{`If-None-Match: "other"`}, 200, content},
		"matches":                   {"/a.txt", []string{"If-Match: " + etag}, 200, content},
		"does not match":            {"/a.txt", []string{`If-Match: "other"`}, 412, "*"},
		"modified since":            {"/a.txt", []string{"If-Unmodified-Since: Mon, 02 Jan 2006 15:04:05 GMT"}, 412, "*"},
		"by If, with a stale tag":   {"/a.txt", []string{`If: (["other"])`}, 412, "*"},
		"as a collection":           {"/a.txt/", nil, 404, "*"},
		"what is not there":         {"/x", nil, 404, "*"},
		"below a file":              {"/a.txt/x", nil, 404, "*"},
		"a query is nobody's":       {"/a.txt?x=y", []string{"Range: bytes=0-0"}, 206, "0"},
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			a := c.want(want.status, "GET", "/dav"+want.target, "", want.headers...)
			if want.body != "*" && a.body != want.body {
				t.Errorf("got %d bytes %.20q, want %d bytes %.20q", len(a.body), a.body, len(want.body), want.body)
			}
			head := c.want(want.status, "HEAD", "/dav"+want.target, "", want.headers...)
			if head.body != "" || want.status < 400 && head.header.Get("Content-Length") != a.header.Get("Content-Length") || head.header.Get("ETag") != a.header.Get("ETag") {
				t.Errorf("HEAD says %v, GET %v", head.header, a.header)
			}
		})
	}
}

func TestGetSeveralRanges(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a": "0123456789"})
	a := c.want(206, "GET", "/dav/a", "", "Range: bytes=1-2,8-")
	_, parameters, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	parts := multipart.NewReader(strings.NewReader(a.body), parameters["boundary"])
	for _, want := range []string{"12", "89"} {
		part, err := parts.NextPart()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(part); err != nil || string(b) != want {
			t.Errorf("got %q, %v, want %q", b, err, want)
		}
	}
}

// What users store is never a page of this server: a browser keeps it as a
// file, in a sandbox, and may not guess its type.
func TestContentNeverRuns(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	for _, name := range []string{"a.html", "a.svg", "a.xhtml", "a.js", "a.pdf", "a", "a.txt", "a.xml"} {
		c.fill(map[string]string{name: "<html><script>alert(1)</script>"})
		a := c.want(200, "GET", "/dav/"+name, "")
		if a.header.Get("Content-Disposition") != "attachment" || a.header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") || a.header.Get("Content-Type") == "" {
			t.Errorf("%s: %v", name, a.header)
		}
		if a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: CORS or cookies: %v", name, a.header)
		}
	}
}

// A browser that opens a collection is told how to connect, and nothing of what it holds.
func TestPageOfACollection(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"d/secret-name": "1"})
	for _, target := range []string{"/dav", "/dav/", "/dav/d", "/dav/d/"} {
		a := c.want(200, "GET", target, "")
		if !strings.Contains(a.body, "WebDAV") || strings.Contains(a.body, "secret-name") || strings.Contains(a.body, "<script") {
			t.Errorf("%s: %s", target, a.body)
		}
		if head := c.want(200, "HEAD", target, ""); head.header.Get("Content-Length") != fmt.Sprint(len(a.body)) {
			t.Errorf("HEAD %s: %v", target, head.header)
		}
	}
}

// The bytes of an account that may move few of them a second can take longer than
// a client may take to receive them: the answer's time begins when it leaves.
func TestHeldAnswerHasItsTimeToLeave(t *testing.T) {
	s, outcome := exchanging(t, time.Minute, func(x *exchange, _ *http.Request) error {
		if err := x.hold(); err != nil {
			return err
		}
		if _, err := io.WriteString(x, "content"); err != nil {
			return err
		}
		x.writes = time.Now().Add(-2 * time.Minute)
		if err := x.control.SetWriteDeadline(x.writes.Add(time.Minute)); err != nil {
			return err
		}
		return errors.Join(x.control.Flush(), x.release())
	})
	s.Listener = wire.Listen(s.Listener)
	s.Config.ConnContext = wire.Context
	s.Start()
	answer, err := http.Get(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if b, err := io.ReadAll(answer.Body); string(b) != "content" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	if err := within(t, soon, outcome); err != nil {
		t.Error(err)
	}
}
