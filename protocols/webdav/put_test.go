package webdav

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
)

func rootJoin(name string) (path.Path, error) { return path.Root.Join(name) }

// chunked is a body whose length is not known.
func chunked(s string) io.Reader { return io.MultiReader(strings.NewReader(s)) }

// waitCounted waits until a quota on a filled folder is enforced.
func waitCounted(t testing.TB, s *site, c *client) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		u, ok, err := s.Quotas.Get(t.Context(), c.Home)
		if err == nil && ok && !u.Counting {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatal("the quota is still being counted")
}

func TestPut(t *testing.T) {
	play(t, map[string]scenario{
		"new":                      {method: "PUT", target: "/a", body: "1", status: 201, after: map[string]string{"a": "1"}},
		"empty":                    {method: "PUT", target: "/a", status: 201, after: map[string]string{"a": ""}},
		"replace":                  {files: map[string]string{"a": "old and longer"}, method: "PUT", target: "/a", body: "1", status: 204, after: map[string]string{"a": "1"}},
		"on a collection":          {files: map[string]string{"a/b": "1"}, method: "PUT", target: "/a", body: "1", status: 405},
		"on a collection's URL":    {files: map[string]string{"a/b": "1"}, method: "PUT", target: "/a/", body: "1", status: 405},
		"new under one":            {method: "PUT", target: "/a/", body: "1", status: 405},
		"on the root":              {method: "PUT", target: "/", body: "1", status: 405},
		"where no folder is":       {method: "PUT", target: "/a/b", body: "1", status: 409},
		"below a file":             {files: map[string]string{"a": "1"}, method: "PUT", target: "/a/b", body: "1", status: 409},
		"a part":                   {files: map[string]string{"a": "1"}, method: "PUT", target: "/a", body: "1", headers: []string{"Content-Range: bytes 0-0/2"}, status: 400},
		"if none is there":         {method: "PUT", target: "/a", body: "1", headers: []string{"If-None-Match: *"}, status: 201, after: map[string]string{"a": "1"}},
		"if none, but one is":      {files: map[string]string{"a": "old"}, method: "PUT", target: "/a", body: "1", headers: []string{"If-None-Match: *"}, status: 412},
		"if any is there":          {files: map[string]string{"a": "old"}, method: "PUT", target: "/a", body: "1", headers: []string{"If-Match: *"}, status: 204, after: map[string]string{"a": "1"}},
		"if any, but none is":      {method: "PUT", target: "/a", body: "1", headers: []string{"If-Match: *"}, status: 412},
		"if another is there":      {files: map[string]string{"a": "old"}, method: "PUT", target: "/a", body: "1", headers: []string{`If-Match: "other"`}, status: 412},
		"if unmodified since":      {files: map[string]string{"a": "old"}, method: "PUT", target: "/a", body: "1", headers: []string{"If-Unmodified-Since: Mon, 02 Jan 2006 15:04:05 GMT"}, status: 412},
		"if, with a wrong tag":     {files: map[string]string{"a": "old"}, method: "PUT", target: "/a", body: "1", headers: []string{`If: (["other"])`}, status: 412},
		"if, tag of nothing":       {method: "PUT", target: "/a", body: "1", headers: []string{`If: (["other"])`}, status: 412},
		"if, not a wrong tag":      {files: map[string]string{"a": "old"}, method: "PUT", target: "/a", body: "1", headers: []string{`If: (Not ["other"])`}, status: 204, after: map[string]string{"a": "1"}},
		"if that is none":          {files: map[string]string{"a": "old"}, method: "PUT", target: "/a", body: "1", headers: []string{"If: nonsense"}, status: 400},
		"size that is none":        {method: "PUT", target: "/a", body: "1", status: 201, headers: []string{"X-Expected-Entity-Length: many"}, after: map[string]string{"a": "1"}},
		"name too long":            {method: "PUT", target: "/" + strings.Repeat("n", 256), body: "1", status: 414},
		"reserved for the gateway": {method: "PUT", target: "/a%00b", body: "1", status: 400},
	})
}

// A chunked upload has no length; macOS says beside it how much will come.
func TestPutChunked(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	if a := c.send("PUT", "/dav/a", chunked("content"), "X-Expected-Entity-Length: 7"); a.status != http.StatusCreated {
		t.Errorf("got %d, want 201", a.status)
	}
	if a := c.send("PUT", "/dav/b", chunked("content"), "X-Expected-Entity-Length: -7"); a.status != http.StatusBadRequest {
		t.Errorf("got %d, want 400", a.status)
	}
	c.wantFiles(map[string]string{"a": "content"})
}

// A client that goes in the middle of an upload once left half of the new and
// half of the old content. The old file stays, and nothing else.
func TestAbortedPutKeepsTheOldFile(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	old := strings.Repeat("old", 1000)
	c.fill(map[string]string{"a": old})
	for _, head := range []string{"Content-Length: 100000", "Content-Length: 5000000", "Transfer-Encoding: chunked"} {
		for _, target := range []string{"/dav/a", "/dav/new"} {
			conn, _ := c.raw("PUT", target, head)
			fmt.Fprint(conn, "400\r\n"+strings.Repeat("n", 0x400)+"\r\n")
			waitStaged(t, s)
			conn.Close()
			waitUnstaged(t, s)
		}
	}
	c.wantFiles(map[string]string{"a": old})
}

func waitStaged(t testing.TB, s *site) { waitFor(t, func() bool { return len(s.Staged()) > 0 }) }

func waitUnstaged(t testing.TB, s *site) { waitFor(t, func() bool { return len(s.Staged()) == 0 }) }

// patience is how long anything may take before it hangs.
const patience = 30 * time.Second

// waitFor polls for what another goroutine does, in bounded time.
func waitFor(t testing.TB, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if done() {
			return
		}
	}
	t.Fatal("what was waited for did not come")
}

// An upload beyond the quota is refused with 507, early where its size is
// known, else at the limit; the old file stays, and the client that sends
// everything first still sees the answer.
func TestPutOverQuota(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a": "old"})
	s.SetQuota(c.Home.String(), 1<<20, -1)
	waitCounted(t, s, c)
	big := strings.Repeat("x", 3<<20)
	for name, body := range map[string]func() io.Reader{
		"announced": func() io.Reader { return strings.NewReader(big) },
		"chunked":   func() io.Reader { return chunked(big) },
	} {
		for _, target := range []string{"/dav/a", "/dav/new"} {
			if a := c.send("PUT", target, body()); a.status != http.StatusInsufficientStorage || !strings.Contains(a.body, quotaExceeded) {
				t.Errorf("%s %s: got %d %s, want 507", name, target, a.status, a.body)
			}
		}
	}
	t.Run("sent before the answer is read", func(t *testing.T) {
		conn, in := c.raw("PUT", "/dav/a", fmt.Sprintf("Content-Length: %d", len(big)))
		if _, err := io.WriteString(conn, big); err != nil {
			t.Fatalf("the connection broke: %v", err)
		}
		answer, err := http.ReadResponse(in, nil)
		if err != nil || answer.StatusCode != http.StatusInsufficientStorage {
			t.Errorf("got %v, %v, want 507", answer, err)
		}
	})
	c.want(204, "PUT", "/dav/a", strings.Repeat("y", 1<<20))
	c.wantFiles(map[string]string{"a": strings.Repeat("y", 1<<20)})
}

// The entity tag is one and the same wherever it is told, and another after
// each change: clients that cache depend on it.
func TestEntityTagIsTheSameEverywhere(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	seen := map[string]bool{}
	for i := range 5 {
		put := c.do("PUT", "/dav/a", fmt.Sprint("content", i)).header.Get("ETag")
		head := c.want(200, "HEAD", "/dav/a", "").header.Get("ETag")
		get := c.want(200, "GET", "/dav/a", "").header.Get("ETag")
		found := c.want(207, "PROPFIND", "/dav/a", propfind("getetag"), "Depth: 0").properties(t)["/dav/a"][dav("getetag")]
		listed := c.want(207, "PROPFIND", "/dav/", propfind("getetag"), "Depth: 1").properties(t)["/dav/a"][dav("getetag")]
		unescape := strings.NewReplacer("&#34;", `"`)
		if put == "" || put != head || put != get || put != unescape.Replace(found) || put != unescape.Replace(listed) {
			t.Fatalf("PUT %s, HEAD %s, GET %s, PROPFIND %s and %s", put, head, get, found, listed)
		}
		if seen[put] || strings.HasPrefix(put, "W/") {
			t.Errorf("tag %s is weak or was there before", put)
		}
		seen[put] = true
		c.want(204, "PUT", "/dav/a", "by the tag", "If-Match: "+put)
		c.want(412, "PUT", "/dav/a", "by a stale tag", "If-Match: "+put)
		c.want(412, "DELETE", "/dav/a", "", "If-Match: "+put)
		c.want(412, "MOVE", "/dav/a", "", "If-Match: "+put, "Destination: /dav/b")
		c.want(412, "PROPPATCH", "/dav/a", patchBody("<x xmlns='u'>1</x>"), "If-Match: "+put)
	}
}

// What leaves the content as it is leaves the entity tag (RFC 4918 8.6): where a
// chmod changed it, a client that had the file open lost what it saved, or asked
// its user. Another content has another tag, also of the same size and time.
func TestEntityTagIsOfTheContent(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	tag := func(target string) string { return c.want(200, "HEAD", target, "").header.Get("ETag") }
	c.want(201, "PUT", "/dav/a", "content")
	first := tag("/dav/a")
	for name, change := range map[string]func(string) error{
		"chmod":     func(name string) error { return os.Chmod(name, 0o604) },
		"hard link": func(name string) error { return os.Link(name, name+".link") },
		"property":  func(string) error { c.want(207, "PROPPATCH", "/dav/a", patchBody("<x xmlns='u'>1</x>")); return nil },
	} {
		if err := change(s.OnDisk(c.Home.String() + "/a")); err != nil {
			t.Fatal(err)
		}
		if now := tag("/dav/a"); now != first {
			t.Errorf("%s: the entity tag was %s and is %s", name, first, now)
		}
	}
	seen := map[string]bool{}
	for i := range 20 {
		c.do("PUT", "/dav/b", fmt.Sprintf("content %02d", i), "X-OC-Mtime: 1136214245")
		if now := tag("/dav/b"); seen[now] {
			t.Fatalf("the entity tag %s is of two contents", now)
		} else {
			seen[now] = true
		}
	}
	c.want(204, "PUT", "/dav/b", "changed", "If-Match: "+tag("/dav/b"))
}

// Two writers with the same entity tag: one of them wins, the other hears 412,
// also when both had begun before either was done.
func TestTwoConditionalWriters(t *testing.T) {
	for name, condition := range map[string]func(*client) string{
		"replacing": func(c *client) string {
			c.fill(map[string]string{"a": "old"})
			return "If-Match: " + c.want(200, "HEAD", "/dav/a", "").header.Get("ETag")
		},
		"replacing, by If": func(c *client) string {
			c.fill(map[string]string{"a": "old"})
			return "If: ([" + c.want(200, "HEAD", "/dav/a", "").header.Get("ETag") + "])"
		},
		"making": func(*client) string { return "If-None-Match: *" },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			c := s.client(t, "alice")
			header := condition(c)
			type writer struct {
				send io.WriteCloser
				got  chan int
			}
			var writers []writer
			for range 2 {
				r, w := io.Pipe()
				got := make(chan int, 1)
				go func() {
					answer, err := http.DefaultTransport.RoundTrip(c.request("PUT", "/dav/a", r, header))
					if err != nil {
						got <- 0
						return
					}
					answer.Body.Close()
					got <- answer.StatusCode
				}()
				writers = append(writers, writer{w, got})
				fmt.Fprint(w, "begin ")
			}
			waitFor(t, func() bool { return len(s.Staged()) == 2 })
			statuses := map[int]int{}
			for i, w := range writers {
				fmt.Fprint(w.send, i)
				w.send.Close()
				statuses[<-w.got]++
			}
			if statuses[412] != 1 || statuses[201]+statuses[204] != 1 {
				t.Errorf("statuses %v, want one success and one 412", statuses)
			}
			c.wantFiles(map[string]string{"a": "begin 0"})
		})
	}
}

// Sync clients send the file's own time along; what is no time is ignored.
func TestPutWithATime(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	a := c.want(201, "PUT", "/dav/a", "1", "X-OC-Mtime: 1136214245")
	head := c.want(200, "HEAD", "/dav/a", "")
	if a.header.Get("X-OC-Mtime") != "accepted" || head.header.Get("Last-Modified") != "Mon, 02 Jan 2006 15:04:05 GMT" {
		t.Errorf("got %v and %v", a.header, head.header)
	}
	if a.header.Get("ETag") != head.header.Get("ETag") {
		t.Errorf("ETag %s, then %s", a.header.Get("ETag"), head.header.Get("ETag"))
	}
	for _, value := range []string{"yesterday", "-1", "99999999999999999999", "253402300800"} {
		if a := c.want(204, "PUT", "/dav/a", "1", "X-OC-Mtime: "+value); a.header.Get("X-OC-Mtime") != "" {
			t.Errorf("%s was accepted", value)
		}
	}
	s.Mkdir(c.Home.String() + "/box")
	guest := s.client(t, "guest")
	s.Grant("guest", c.Home.String()+"/box", policy.UploadOnly, "box")
	guest.want(201, "PUT", "/dav/box/a", "1", "X-OC-Mtime: 1136214245")
}

// The lock table is not written to by uploads without a lock: a temporary lock
// for each of them would be one change of the store for each.
func TestPutLeavesNoLock(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	revision, err := s.State.Revision(t.Context(), "locks/")
	c.want(201, "PUT", "/dav/a", "1")
	c.want(204, "DELETE", "/dav/a", "")
	list, errList := s.Locks.List(t.Context(), path.Root)
	after, errAfter := s.State.Revision(t.Context(), "locks/")
	if errors.Join(err, errList, errAfter) != nil || len(list) > 0 || after != revision {
		t.Errorf("locks %v, revision %d then %d, %v", list, revision, after, errors.Join(err, errList, errAfter))
	}
}
