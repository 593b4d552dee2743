package webdav

import (
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/path"
)

// manyNames asks for so many properties; each would be answered for each entry.
func manyNames(n int) string {
	names := make([]string, n)
	for i := range names {
		names[i] = "p" + strconv.Itoa(i)
	}
	return propfind(names...)
}

func TestPropfindRequests(t *testing.T) {
	tree := map[string]string{"a.txt": "123", "d/b": "2", "d/e/c": "3"}
	zero, one := []string{"Depth: 0"}, []string{"Depth: 1"}
	play(t, map[string]scenario{
		"a file":                         {files: tree, method: "PROPFIND", target: "/a.txt", headers: zero, status: 207},
		"a file without a depth":         {files: tree, method: "PROPFIND", target: "/a.txt", status: 207},
		"a collection without a slash":   {files: tree, method: "PROPFIND", target: "/d", headers: one, status: 207, says: "<D:href>/dav/d/</D:href>"},
		"a file as a collection":         {files: tree, method: "PROPFIND", target: "/a.txt/", headers: zero, status: 404},
		"what is not there":              {files: tree, method: "PROPFIND", target: "/x", headers: zero, status: 404},
		"below a file":                   {files: tree, method: "PROPFIND", target: "/a.txt/x", headers: zero, status: 404},
		"everything below":               {files: tree, method: "PROPFIND", target: "/", headers: []string{"Depth: infinity"}, status: 403, says: "<D:propfind-finite-depth/>"},
		"no depth is everything below":   {files: tree, method: "PROPFIND", target: "/", status: 403, says: "<D:propfind-finite-depth/>"},
		"a depth that is none":           {files: tree, method: "PROPFIND", target: "/", headers: []string{"Depth: 2"}, status: 400},
		"allprop":                        {files: tree, method: "PROPFIND", target: "/d", headers: zero, status: 207, body: `<propfind xmlns="DAV:"><allprop/></propfind>`, says: "<D:collection/>"},
		"propname":                       {files: tree, method: "PROPFIND", target: "/d", headers: zero, status: 207, body: `<propfind xmlns="DAV:"><propname/></propfind>`, says: "<D:resourcetype/>"},
		"nothing asked":                  {files: tree, method: "PROPFIND", target: "/d", headers: zero, status: 400, body: `<propfind xmlns="DAV:"/>`},
		"two questions":                  {files: tree, method: "PROPFIND", target: "/d", headers: zero, status: 400, body: `<propfind xmlns="DAV:"><allprop/><propname/></propfind>`},
		"another document":               {files: tree, method: "PROPFIND", target: "/d", headers: zero, status: 400, body: `<lockinfo xmlns="DAV:"/>`},
		"prefix declared as nothing":     {files: tree, method: "PROPFIND", target: "/d", headers: zero, status: 400, body: `<D:propfind xmlns:D="DAV:"><D:prop><bar:foo xmlns:bar=""/></D:prop></D:propfind>`},
		"entities":                       {files: tree, method: "PROPFIND", target: "/d", headers: zero, status: 400, body: `<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><propfind xmlns="DAV:"><prop>&e;</prop></propfind>`},
		"more properties than there are": {files: tree, method: "PROPFIND", target: "/d", headers: zero, status: 413, body: manyNames(maxNames + 1)},
		"many properties":                {files: tree, method: "PROPFIND", target: "/d", headers: zero, status: 207, body: manyNames(maxNames)},
		"far too large":                  {files: tree, method: "PROPFIND", target: "/d", headers: zero, status: 413, body: strings.Repeat(" ", maxXML+10)},
	})
}

func TestPropfindProperties(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a.txt": "123", "d/b": "2"})
	c.want(207, "PROPPATCH", "/dav/a.txt", patchBody(`<x xmlns="u">dead</x>`))
	get := c.want(200, "GET", "/dav/a.txt", "")
	got := c.ask("/dav/a.txt", `<D:getcontentlength/><D:getcontenttype/><D:getlastmodified/><D:resourcetype/><D:creationdate/>`+
		`<D:supportedlock/><D:lockdiscovery/><D:quota-used-bytes/><D:unknown/><x xmlns="u"/><y xmlns="u"/>`)
	for n, want := range map[xml.Name]string{
		dav("getcontentlength"):  "3",
		dav("getcontenttype"):    "text/plain; charset=utf-8",
		dav("getlastmodified"):   get.header.Get("Last-Modified"),
		dav("resourcetype"):      "",
		dav("lockdiscovery"):     "",
		{Space: "u", Local: "x"}: "dead",
	} {
		if v, ok := got[n]; !ok || v != want {
			t.Errorf("%s is %q, want %q", n.Local, v, want)
		}
	}
	for _, n := range []xml.Name{dav("quota-used-bytes"), dav("unknown"), {Space: "u", Local: "y"}} {
		if !strings.Contains(got[n], "404") {
			t.Errorf("%s is %q, want 404", n.Local, got[n])
		}
	}
	if !strings.Contains(got[dav("creationdate")], "T") || !strings.Contains(got[dav("supportedlock")], "<D:shared/>") {
		t.Errorf("got %v", got)
	}
	folder := c.ask("/dav/d/", `<D:getcontentlength/><D:getcontenttype/><D:resourcetype/><D:getetag/>`)
	if folder[dav("resourcetype")] != "<D:collection/>" || !strings.Contains(folder[dav("getcontentlength")], "404") {
		t.Errorf("a collection has %v", folder)
	}
	all := c.want(207, "PROPFIND", "/dav/", "", "Depth: 1").properties(t)
	if len(all) != 3 || all["/dav/a.txt"][xml.Name{Space: "u", Local: "x"}] != "dead" {
		t.Errorf("allprop: %v", all)
	}
	if _, there := all["/dav/"][dav("quota-used-bytes")]; there {
		t.Error("allprop has the quota properties, which RFC 4331 leaves out of it")
	}
	names := c.want(207, "PROPFIND", "/dav/a.txt", `<propfind xmlns="DAV:"><propname/></propfind>`, "Depth: 0").properties(t)["/dav/a.txt"]
	if v, there := names[xml.Name{Space: "u", Local: "x"}]; !there || v != "" {
		t.Errorf("propname: %v", names)
	}
	included := c.want(207, "PROPFIND", "/dav/", `<propfind xmlns="DAV:"><allprop/><include><quota-used-bytes/><supportedlock/></include></propfind>`, "Depth: 0")
	if strings.Count(included.body, "<D:supportedlock>") != 1 {
		t.Errorf("include names a property twice: %s", included.body)
	}
}

// Quota properties are told where something bounds the folder, and the same
// figures as on the other doors; what is unlimited has none: 0 would read as full.
func TestQuotaProperties(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a": strings.Repeat("x", 100), "d/b": strings.Repeat("x", 50)})
	s.SetQuota(c.Home.String(), 1000, -1)
	waitCounted(t, s, c)
	for _, target := range []string{"/dav/", "/dav/d/"} {
		got := c.ask(target, `<D:quota-available-bytes/><D:quota-used-bytes/>`)
		if got[dav("quota-available-bytes")] != "850" || got[dav("quota-used-bytes")] != "150" {
			t.Errorf("%s: got %v", target, got)
		}
	}
	s.SetQuota(c.Home.String(), 100, -1)
	if got := c.ask("/dav/", `<D:quota-available-bytes/>`); got[dav("quota-available-bytes")] != "0" {
		t.Errorf("over its limit: got %v", got)
	}
	s.SetQuota(c.Home.String(), -1, 100) // bytes are then nobody's quota, and what the disk holds is not this folder's use
	waitCounted(t, s, c)
	if got := c.ask("/dav/", `<D:quota-used-bytes/>`); !strings.Contains(got[dav("quota-used-bytes")], "404") {
		t.Errorf("a quota of files alone: got %v", got)
	}
	free := s.client(t, "free")
	got := free.ask("/dav/", `<D:quota-available-bytes/><D:quota-used-bytes/>`)
	if got[dav("quota-available-bytes")] == "0" || !strings.Contains(got[dav("quota-used-bytes")], "404") {
		t.Errorf("unlimited: got %v", got)
	}
}

// What nothing bounds has no figure; what is full has 0.
func TestUnlimitedIsLeftOut(t *testing.T) {
	s := newSite(t)
	folder, err := s.Tree.System("test", nil).Stat(t.Context(), path.Root)
	if err != nil {
		t.Fatal(err)
	}
	for free, want := range map[int64]string{-1: "", 0: "0", 7: "7"} {
		r := &resource{info: folder, space: &session.Space{FreeBytes: free, UsedBytes: free, Quota: true}}
		for name, property := range map[string]liveProperty{"available": quotaAvailable, "used": quotaUsed} {
			if got, ok, err := property(nil, r); err != nil || string(got) != want || ok != (want != "") {
				t.Errorf("%s of %d: got %q, %v, %v, want %q", name, free, got, ok, err, want)
			}
		}
	}
}

// A listing shows what the account may see, links as what they lead to, and a
// link that leads nowhere allowed as broken; it never fails for one.
func TestPropfindShowsOnlyWhatMayBeSeen(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a": "123", "d/b": "2"})
	other := s.client(t, "other")
	other.fill(map[string]string{"shared/x": "1", "secret": "s"})
	s.Grant("alice", other.Home.String()+"/shared", policy.ReadOnly, "team")
	s.Link("d", c.Home.String()+"/folder")
	s.Link("a", c.Home.String()+"/file")
	s.Link("../other/secret", c.Home.String()+"/out")
	s.Link("gone", c.Home.String()+"/dangling")
	found := c.want(207, "PROPFIND", "/dav/", propfind("resourcetype", "getcontentlength"), "Depth: 1").properties(t)
	for href, want := range map[string]string{
		"/dav/": "folder", "/dav/a": "file", "/dav/d/": "folder", "/dav/team/": "folder", "/dav/folder/": "folder",
		"/dav/file": "file", "/dav/out": "broken", "/dav/dangling": "broken",
	} {
		of, there := found[href]
		got := "file"
		switch {
		case !there:
			got = "missing"
		case of[dav("resourcetype")] == "<D:collection/>":
			got = "folder"
		case strings.Contains(of[dav("resourcetype")], "404"):
			got = "broken"
		}
		if got != want {
			t.Errorf("%s is %s (%v), want %s", href, got, of, want)
		}
	}
	if len(found) != 8 {
		t.Errorf("%d entries: %v", len(found), found)
	}
	if size := found["/dav/file"][dav("getcontentlength")]; size != "3" {
		t.Errorf("a link to a file has size %q, want the file's", size)
	}
}

// fillLarge makes a folder of n files.
func fillLarge(t testing.TB, c *client, n int) {
	t.Helper()
	c.site.Mkdir(c.Home.String() + "/large")
	for i := range n {
		c.site.Write(fmt.Sprintf("%s/large/file number %05d.txt", c.Home, i), "x")
	}
}

const usual = `<?xml version="1.0"?><d:propfind xmlns:d="DAV:"><d:prop><d:displayname/><d:getlastmodified/>` +
	`<d:getcontentlength/><d:resourcetype/><d:getcontenttype/><d:getetag/></d:prop></d:propfind>`

// 20,000 entries are streamed: memory does not grow with the folder, and the
// first of them are on their way before the last is read.
func TestPropfindOfALargeFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("makes 20,000 files")
	}
	const n = 20000
	s := newSite(t)
	c := s.client(t, "alice")
	fillLarge(t, c, n)
	answer, err := http.DefaultTransport.RoundTrip(c.request("PROPFIND", "/dav/large/", strings.NewReader(usual), "Depth: 1"))
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.ContentLength >= 0 {
		t.Error("the answer has a length: it was put together before it was sent")
	}
	entries, buf, last := 0, make([]byte, 256<<10), ""
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	for tail := ""; ; {
		got, err := answer.Body.Read(buf)
		text := tail + string(buf[:got])
		entries += strings.Count(text, "</D:response>")
		last += string(buf[:got])
		last = last[max(0, len(last)-100):]
		tail = text[max(0, len(text)-len("</D:response>")+1):]
		if err == io.EOF {
			if !strings.HasSuffix(last, multiTail) {
				t.Errorf("the answer ends with %q", last)
			}
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if entries > n/2 && during.NumGC == 0 {
			runtime.GC()
			runtime.ReadMemStats(&during)
		}
	}
	if entries != n+1 {
		t.Errorf("%d entries, want %d", entries, n+1)
	}
	if grown := int64(during.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
		t.Errorf("%d bytes are held in the middle of the listing", grown)
	}
}

func BenchmarkPropfind20000(b *testing.B) {
	s := newSite(b)
	c := s.client(b, "alice")
	fillLarge(b, c, 20000)
	for name, body := range map[string]string{
		"usual": usual, "allprop": `<propfind xmlns="DAV:"><allprop/></propfind>`,
		"locks": propfind("resourcetype", "lockdiscovery"), "unknown": askBody(`<x xmlns="u"/>`),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				answer, err := http.DefaultTransport.RoundTrip(c.request("PROPFIND", "/dav/large/", strings.NewReader(body), "Depth: 1"))
				if err != nil {
					b.Fatal(err)
				}
				n, err := io.Copy(io.Discard, answer.Body)
				answer.Body.Close()
				if err != nil || answer.StatusCode != http.StatusMultiStatus {
					b.Fatalf("%d, %v", answer.StatusCode, err)
				}
				b.SetBytes(n)
			}
		})
	}
}
