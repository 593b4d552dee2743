package webdav

import (
	"encoding/xml"
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/path"
)

// patchBody sets properties.
func patchBody(elements string) string {
	return `<?xml version="1.0"?><D:propertyupdate xmlns:D="DAV:"><D:set><D:prop>` + elements + `</D:prop></D:set></D:propertyupdate>`
}

func removeBody(elements string) string {
	return strings.ReplaceAll(patchBody(elements), "D:set", "D:remove")
}

func askBody(elements string) string {
	return `<?xml version="1.0"?><D:propfind xmlns:D="DAV:"><D:prop>` + elements + `</D:prop></D:propfind>`
}

// ask returns one resource's properties.
func (c *client) ask(target, elements string) map[xml.Name]string {
	c.t.Helper()
	for _, of := range c.want(207, "PROPFIND", target, askBody(elements), "Depth: 0").properties(c.t) {
		return of
	}
	return nil
}

func TestProppatch(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a": "1", "d/b": "2"})
	x, y := xml.Name{Space: "u", Local: "x"}, xml.Name{Space: "u", Local: "y"}

	c.want(207, "PROPPATCH", "/dav/a", patchBody(`<x xmlns="u">one</x><y xmlns="u" xml:lang="de"><z a="1">zwei</z> &amp; drei</y>`))
	got := c.ask("/dav/a", `<x xmlns="u"/><y xmlns="u"/><n xmlns="u"/>`)
	if got[x] != "one" || !strings.Contains(got[y], `zwei</z> &amp; drei`) || !strings.Contains(got[xml.Name{Space: "u", Local: "n"}], "404") {
		t.Errorf("got %v", got)
	}

	t.Run("properties move, are copied and go with the file", func(t *testing.T) {
		c.want(201, "MOVE", "/dav/a", "", "Destination: /dav/d/a")
		c.want(201, "COPY", "/dav/d/", "", "Destination: /dav/e/")
		for _, target := range []string{"/dav/d/a", "/dav/e/a"} {
			if got := c.ask(target, `<x xmlns="u"/>`); got[x] != "one" {
				t.Errorf("%s: got %v", target, got)
			}
		}
		c.want(204, "PUT", "/dav/e/a", "new content")
		if got := c.ask("/dav/e/a", `<x xmlns="u"/>`); got[x] != "one" {
			t.Errorf("after replacing the content: %v", got)
		}
		c.want(204, "DELETE", "/dav/e/a", "")
		c.want(201, "PUT", "/dav/e/a", "another file")
		if got := c.ask("/dav/e/a", `<x xmlns="u"/>`); !strings.Contains(got[x], "404") {
			t.Errorf("a new file of the same name has %v", got)
		}
	})
	t.Run("in order", func(t *testing.T) {
		c.want(207, "PROPPATCH", "/dav/d/", `<D:propertyupdate xmlns:D="DAV:"><D:set><D:prop><x xmlns="u">1</x></D:prop></D:set>`+
			`<D:remove><D:prop><x xmlns="u"/></D:prop></D:remove><D:set><D:prop><y xmlns="u">2</y></D:prop></D:set></D:propertyupdate>`)
		if got := c.ask("/dav/d/", `<x xmlns="u"/><y xmlns="u"/>`); !strings.Contains(got[x], "404") || got[y] != "2" {
			t.Errorf("got %v", got)
		}
	})
	t.Run("all or nothing", func(t *testing.T) {
		a := c.want(207, "PROPPATCH", "/dav/d/a", patchBody(`<x xmlns="u">two</x><D:getetag>"mine"</D:getetag>`))
		of := a.properties(t)["/dav/d/a"]
		if !strings.Contains(of[x], "424") || !strings.Contains(of[dav("getetag")], "403") || !strings.Contains(of[dav("getetag")], protected) {
			t.Errorf("got %v", of)
		}
		if got := c.ask("/dav/d/a", `<x xmlns="u"/>`); got[x] != "one" {
			t.Errorf("a refused change was made: %v", got)
		}
	})
	t.Run("removing", func(t *testing.T) {
		c.want(207, "PROPPATCH", "/dav/d/a", removeBody(`<x xmlns="u"/><never xmlns="u"/>`))
		if got := c.ask("/dav/d/a", `<x xmlns="u"/>`); !strings.Contains(got[x], "404") {
			t.Errorf("got %v", got)
		}
	})
	t.Run("modification time", func(t *testing.T) {
		const when = "Mon, 02 Jan 2006 15:04:05 GMT"
		c.want(207, "PROPPATCH", "/dav/d/a", patchBody(`<D:getlastmodified>`+when+`</D:getlastmodified>`))
		if got := c.want(200, "HEAD", "/dav/d/a", "").header.Get("Last-Modified"); got != when {
			t.Errorf("got %s, want %s", got, when)
		}
		of := c.want(207, "PROPPATCH", "/dav/d/a", patchBody(`<D:getlastmodified>yesterday</D:getlastmodified>`)).properties(t)["/dav/d/a"]
		if !strings.Contains(of[dav("getlastmodified")], "409") {
			t.Errorf("got %v", of)
		}
	})
	t.Run("too large for the store", func(t *testing.T) {
		a := c.want(207, "PROPPATCH", "/dav/d/a", patchBody(`<x xmlns="u">`+strings.Repeat("large ", 40000)+`</x>`))
		if of := a.properties(t)["/dav/d/a"]; !strings.Contains(of[x], "507") {
			t.Errorf("got %v", of)
		}
	})
	for name, body := range map[string]string{
		"nothing": "", "no changes": `<propertyupdate xmlns="DAV:"/>`, "another document": `<propfind xmlns="DAV:"/>`,
		"not XML": "<a", "an entity": `<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>`,
	} {
		t.Run(name, func(t *testing.T) { c.want(400, "PROPPATCH", "/dav/d/a", body) })
	}
	c.want(404, "PROPPATCH", "/dav/missing", patchBody(`<x xmlns="u">1</x>`))
	c.want(413, "PROPPATCH", "/dav/d/a", patchBody(`<x xmlns="u">`+strings.Repeat("x", maxXML)+`</x>`))
}

// A change of properties fails and takes its time back. Where somebody has written in
// place meanwhile it does not: another content would have the old entity tag.
func TestTakingATimeBack(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a": "aaaa"})
	who, err := s.Sessions.Login(t.Context(), auth.Attempt{
		Account: c.Name, Password: c.Password, Door: policy.SFTP, Transport: policy.SSH, Address: netip.MustParseAddr("127.0.0.1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer who.Close()
	files, a, day := who.FS(), path.MustParse("/a"), time.Date(2006, 1, 2, 15, 4, 5, 0, time.UTC)
	stat := func() session.Info {
		t.Helper()
		i, err := files.Stat(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	before := stat()
	for _, text := range []string{"", "bbbb"} {
		takeBack, err := redate(t.Context(), files, a, day, before)
		if err != nil {
			t.Fatal(err)
		}
		if !stat().ModTime().Truncate(time.Second).Equal(day) {
			t.Errorf("the time is %s", stat().ModTime())
		}
		if text != "" {
			f, err := files.Open(t.Context(), a, session.Open{Write: true})
			if err != nil {
				t.Fatal(err)
			}
			_, err = f.WriteAt([]byte(text), 0)
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
		}
		if err := takeBack(); err != nil {
			t.Fatal(err)
		}
		if same := stat().ETag() == before.ETag(); same != (text == "") {
			t.Errorf("%q: the tag is %s, and was %s", text, stat().ETag(), before.ETag())
		}
	}
}

// Windows sets its own properties after each upload and gives the upload up
// where that fails; davfs2 keeps the executable bit in one.
func TestClientsOwnPropertiesAreKept(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a": "1"})
	a := c.want(207, "PROPPATCH", "/dav/a", `<?xml version="1.0" encoding="utf-8" ?><D:propertyupdate xmlns:D="DAV:" xmlns:Z="urn:schemas-microsoft-com:">`+
		`<D:set><D:prop><Z:Win32CreationTime>Mon, 02 Jan 2006 15:04:05 GMT</Z:Win32CreationTime><Z:Win32FileAttributes>00000020</Z:Win32FileAttributes>`+
		`<executable xmlns="http://apache.org/dav/props/">T</executable></D:prop></D:set></D:propertyupdate>`)
	of := a.properties(t)["/dav/a"]
	if len(of) != 3 {
		t.Fatalf("got %v", of)
	}
	for n, v := range of {
		if v != "" {
			t.Errorf("%v: %s", n, v)
		}
	}
	got := c.ask("/dav/a", `<Win32FileAttributes xmlns="urn:schemas-microsoft-com:"/><executable xmlns="http://apache.org/dav/props/"/>`)
	if got[xml.Name{Space: "urn:schemas-microsoft-com:", Local: "Win32FileAttributes"}] != "00000020" ||
		got[xml.Name{Space: "http://apache.org/dav/props/", Local: "executable"}] != "T" {
		t.Errorf("got %v", got)
	}
}

// What Windows says of the modification time is the file's own, for every door,
// and is not kept beside it: a later change would leave it behind.
func TestWindowsModificationTime(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a": "1"})
	const when = "Mon, 02 Jan 2006 15:04:05 GMT"
	set := func(value string) map[xml.Name]string {
		return c.want(207, "PROPPATCH", "/dav/a", patchBody(`<Win32LastModifiedTime xmlns="urn:schemas-microsoft-com:">`+value+
			`</Win32LastModifiedTime><Win32FileAttributes xmlns="urn:schemas-microsoft-com:">00000020</Win32FileAttributes>`)).properties(t)["/dav/a"]
	}
	for n, v := range set(when) {
		if v != "" {
			t.Errorf("%v: %s", n, v)
		}
	}
	if got := c.want(200, "HEAD", "/dav/a", "").header.Get("Last-Modified"); got != when {
		t.Errorf("got %s, want %s", got, when)
	}
	if got := c.ask("/dav/a", `<Win32LastModifiedTime xmlns="urn:schemas-microsoft-com:"/>`)[win32Modified]; !strings.Contains(got, "404") {
		t.Errorf("the time is kept twice: %v", got)
	}
	if of := set("soon"); !strings.Contains(of[win32Modified], "409") {
		t.Errorf("no time at all: %v", of)
	}
}

// The display name is the file's own, where XML can hold it.
func TestDisplayName(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a&b": "1", "x\x01y": "2"})
	if got := c.ask("/dav/a&b", `<D:displayname/>`)[dav("displayname")]; got != "a&amp;b" {
		t.Errorf("got %q", got)
	}
	if got := c.ask("/dav/x%01y", `<D:displayname/>`)[dav("displayname")]; !strings.Contains(got, "404") {
		t.Errorf("a name that XML cannot hold: got %q", got)
	}
	of := c.want(207, "PROPPATCH", "/dav/a&b", patchBody(`<D:displayname>Other</D:displayname>`)).properties(t)["/dav/a%26b"]
	if !strings.Contains(of[dav("displayname")], "403") {
		t.Errorf("setting it: %v", of)
	}
}
