package webdav

import (
	"maps"
	"net/http"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
)

// Moving a folder's member onto the folder, or a folder into itself, once lost
// everything: the destination was removed before anybody looked at the source.
// Nothing may be touched.
func TestTransferOntoItselfOrAcross(t *testing.T) {
	tree := map[string]string{"p/c/f": "one", "p/g": "two", "f": "three"}
	scenarios := map[string]scenario{}
	for _, method := range []string{"COPY", "MOVE"} {
		for name, way := range map[string][2]string{
			"a member onto its folder":        {"/p/c", "/dav/p"},
			"a member onto the root":          {"/p/c", "/dav/"},
			"a file onto its folder":          {"/p/g", "/dav/p/"},
			"a folder into itself":            {"/p", "/dav/p/c/new"},
			"a folder onto its member":        {"/p", "/dav/p/c"},
			"a file onto itself":              {"/f", "/dav/f"},
			"a folder onto itself":            {"/p/", "/dav/p"},
			"a file onto itself in escapes":   {"/f", "/dav/%66"},
			"a file onto itself with dots":    {"/f", "/dav/./f"},
			"a file onto itself with slashes": {"/f", "/dav//f"},
		} {
			for _, overwrite := range []string{"T", "F"} {
				scenarios[method+" "+name+", Overwrite "+overwrite] = scenario{
					files: tree, method: method, target: way[0], status: 403,
					headers: []string{"Destination: " + way[1], "Overwrite: " + overwrite},
				}
			}
		}
	}
	play(t, scenarios)
}

func TestCopyAndMove(t *testing.T) {
	play(t, map[string]scenario{
		"copy a file": {
			files: map[string]string{"a": "1"}, method: "COPY", target: "/a", headers: []string{"Destination: /dav/b"},
			status: 201, after: map[string]string{"a": "1", "b": "1"},
		},
		"copy over a file, Overwrite is T where it is absent": {
			files: map[string]string{"a": "1", "b": "2"}, method: "COPY", target: "/a", headers: []string{"Destination: /dav/b"},
			status: 204, after: map[string]string{"a": "1", "b": "1"},
		},
		"copy, not over a file": {
			files: map[string]string{"a": "1", "b": "2"}, method: "COPY", target: "/a", headers: []string{"Destination: /dav/b", "Overwrite: F"},
			status: 412,
		},
		"copy a folder": {
			files: map[string]string{"a/b/c": "1", "a/d": "2"}, method: "COPY", target: "/a/", headers: []string{"Destination: /dav/x/"},
			status: 201, after: map[string]string{"a/b/c": "1", "a/d": "2", "x/b/c": "1", "x/d": "2"},
		},
		"copy a folder without its members": {
			files: map[string]string{"a/b/c": "1"}, method: "COPY", target: "/a/", headers: []string{"Destination: /dav/x/", "Depth: 0"},
			status: 201,
		},
		"copy a folder over another, which goes": {
			files: map[string]string{"a/b": "1", "x/y": "2"}, method: "COPY", target: "/a/", headers: []string{"Destination: /dav/x/"},
			status: 204, after: map[string]string{"a/b": "1", "x/b": "1"},
		},
		"copy a file over a folder": {
			files: map[string]string{"a": "1", "x/y": "2"}, method: "COPY", target: "/a", headers: []string{"Destination: /dav/x"},
			status: 204, after: map[string]string{"a": "1", "x": "1"},
		},
		// "Into the folder x", says the client, and would lose x, unless it says
		// Overwrite itself.
		"copy a file to the URL of a folder": {
			files: map[string]string{"a": "1", "x/y": "2"}, method: "COPY", target: "/a", headers: []string{"Destination: /dav/x/"}, status: 409,
		},
		"copy a file to the URL of no folder": {
			files: map[string]string{"a": "1"}, method: "COPY", target: "/a", headers: []string{"Destination: /dav/x/", "Overwrite: T"}, status: 409,
		},
		"copy a file in place of a folder": {
			files: map[string]string{"a": "1", "x/y": "2"}, method: "COPY", target: "/a", headers: []string{"Destination: /dav/x/", "Overwrite: T"},
			status: 204, after: map[string]string{"a": "1", "x": "1"},
		},
		"copy at depth 1": {
			files: map[string]string{"a/b": "1"}, method: "COPY", target: "/a", headers: []string{"Destination: /dav/x", "Depth: 1"}, status: 400,
		},
		"copy what is not there": {method: "COPY", target: "/a", headers: []string{"Destination: /dav/x"}, status: 404},
		"copy to where no folder is": {
			files: map[string]string{"a": "1"}, method: "COPY", target: "/a", headers: []string{"Destination: /dav/x/y"}, status: 409,
		},
		"copy without a destination":  {files: map[string]string{"a": "1"}, method: "COPY", target: "/a", status: 400},
		"copy to another server":      {files: map[string]string{"a": "1"}, method: "COPY", target: "/a", headers: []string{"Destination: http://elsewhere.example/dav/b"}, status: 502},
		"copy to another place":       {files: map[string]string{"a": "1"}, method: "COPY", target: "/a", headers: []string{"Destination: /api/v1/b"}, status: 502},
		"copy to a climbing path":     {files: map[string]string{"a": "1"}, method: "COPY", target: "/a", headers: []string{"Destination: /dav/x/../b"}, status: 400},
		"copy with a wrong overwrite": {files: map[string]string{"a": "1"}, method: "COPY", target: "/a", headers: []string{"Destination: /dav/b", "Overwrite: X"}, status: 400},
		"move a file": {
			files: map[string]string{"a": "1"}, method: "MOVE", target: "/a", headers: []string{"Destination: /dav/b"},
			status: 201, after: map[string]string{"b": "1"},
		},
		"move over a file, Overwrite is T where it is absent": {
			files: map[string]string{"a": "1", "b": "2"}, method: "MOVE", target: "/a", headers: []string{"Destination: /dav/b"},
			status: 204, after: map[string]string{"b": "1"},
		},
		"move, not over a file": {
			files: map[string]string{"a": "1", "b": "2"}, method: "MOVE", target: "/a", headers: []string{"Destination: /dav/b", "Overwrite: F"}, status: 412,
		},
		"move a folder": {
			files: map[string]string{"a/b": "1"}, method: "MOVE", target: "/a/", headers: []string{"Destination: /dav/x/"},
			status: 201, after: map[string]string{"x/b": "1"},
		},
		"move a folder over another, which goes": {
			files: map[string]string{"a/b": "1", "x/y": "2"}, method: "MOVE", target: "/a/", headers: []string{"Destination: /dav/x/"},
			status: 204, after: map[string]string{"x/b": "1"},
		},
		"move a folder over a file": {
			files: map[string]string{"a/b": "1", "x": "2"}, method: "MOVE", target: "/a", headers: []string{"Destination: /dav/x"},
			status: 204, after: map[string]string{"x/b": "1"},
		},
		"move a folder at depth 0":   {files: map[string]string{"a/b": "1"}, method: "MOVE", target: "/a", headers: []string{"Destination: /dav/x", "Depth: 0"}, status: 400},
		"move what is not there":     {method: "MOVE", target: "/a", headers: []string{"Destination: /dav/x"}, status: 404},
		"move to where no folder is": {files: map[string]string{"a": "1"}, method: "MOVE", target: "/a", headers: []string{"Destination: /dav/x/y"}, status: 409},
		"move the root":              {files: map[string]string{"a": "1"}, method: "MOVE", target: "/", headers: []string{"Destination: /dav/x"}, status: 403},
		"move a file by the URL of a collection": {
			files: map[string]string{"a": "1"}, method: "MOVE", target: "/a/", headers: []string{"Destination: /dav/x"}, status: 404,
		},
	})
}

func TestMkcolAndDelete(t *testing.T) {
	play(t, map[string]scenario{
		"make":                          {method: "MKCOL", target: "/a/", status: 201},
		"make without the slash":        {method: "MKCOL", target: "/a", status: 201},
		"make what is there":            {files: map[string]string{"a/b": "1"}, method: "MKCOL", target: "/a", status: 405},
		"make over a file":              {files: map[string]string{"a": "1"}, method: "MKCOL", target: "/a", status: 405},
		"make the root":                 {method: "MKCOL", target: "/", status: 405},
		"make where no folder is":       {method: "MKCOL", target: "/a/b", status: 409},
		"make below a file":             {files: map[string]string{"a": "1"}, method: "MKCOL", target: "/a/b", status: 409},
		"make with a body":              {method: "MKCOL", target: "/a", body: "<a/>", status: 415},
		"make a climbing path":          {method: "MKCOL", target: "/a/../b", status: 400},
		"remove a file":                 {files: map[string]string{"a": "1", "b": "2"}, method: "DELETE", target: "/a", status: 204, after: map[string]string{"b": "2"}},
		"remove a folder":               {files: map[string]string{"a/b/c": "1", "b": "2"}, method: "DELETE", target: "/a/", status: 204, after: map[string]string{"b": "2"}},
		"remove a folder, no slash":     {files: map[string]string{"a/b/c": "1"}, method: "DELETE", target: "/a", status: 204, after: map[string]string{}},
		"remove a folder at depth 0":    {files: map[string]string{"a/b": "1"}, method: "DELETE", target: "/a/", headers: []string{"Depth: 0"}, status: 400},
		"remove with a wrong depth":     {files: map[string]string{"a/b": "1"}, method: "DELETE", target: "/a/", headers: []string{"Depth: 2"}, status: 400},
		"remove what is not there":      {method: "DELETE", target: "/a", status: 404},
		"remove a file as a collection": {files: map[string]string{"a": "1"}, method: "DELETE", target: "/a/", status: 404},
		"remove the root":               {files: map[string]string{"a": "1"}, method: "DELETE", target: "/", status: 403},
		"remove a fragment":             {files: map[string]string{"a": "1"}, method: "DELETE", target: "/a%23b", status: 404},
		"unknown method":                {method: "PATCH", target: "/a", status: 405},
		"post":                          {method: "POST", target: "/a", body: "a=b", status: 405},
	})
}

// A chunked body has no length to look at; MKCOL with one was taken for one
// without a body.
func TestMkcolWithAChunkedBody(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	if a := c.send("MKCOL", "/dav/a", chunked("<a/>")); a.status != http.StatusUnsupportedMediaType {
		t.Errorf("got %d, want 415", a.status)
	}
	if a := c.send("MKCOL", "/dav/a", chunked("")); a.status != http.StatusCreated {
		t.Errorf("an empty chunked body: got %d, want 201", a.status)
	}
}

// A copy or move that fails must leave its target as it was; removing it first
// lost it whenever the quota refused the copy.
func TestFailingCopyKeepsItsTarget(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"from/big": strings.Repeat("x", 600), "to/kept": "kept", "file": "file"})
	s.SetQuota(c.Home.String(), 1000, -1)
	waitCounted(t, s, c)
	before := c.files()
	for _, target := range []string{"/dav/to", "/dav/file", "/dav/new"} {
		a := c.do("COPY", "/dav/from", "", "Destination: "+target)
		if a.status != http.StatusInsufficientStorage || !strings.Contains(a.body, quotaExceeded) {
			t.Errorf("COPY to %s: got %d %s, want 507", target, a.status, a.body)
		}
		c.wantFiles(before)
	}
}

// What the store or the policy refuses is 403, not 404 and not 500.
func TestDeniedIsForbidden(t *testing.T) {
	s := newSite(t)
	owner := s.client(t, "owner")
	owner.fill(map[string]string{"shared/a": "1", "shared/d/b": "2"})
	reader := s.client(t, "reader")
	s.Grant("reader", owner.Home.String()+"/shared", policy.ReadOnly, "shared")
	before := owner.files()
	for _, sc := range []scenario{
		{method: "PUT", target: "/shared/a", body: "new"},
		{method: "PUT", target: "/shared/new", body: "new"},
		{method: "MKCOL", target: "/shared/new"},
		{method: "DELETE", target: "/shared/a"},
		{method: "DELETE", target: "/shared/d"},
		{method: "MOVE", target: "/shared/a", headers: []string{"Destination: /dav/mine"}},
		{method: "COPY", target: "/shared/a", headers: []string{"Destination: /dav/shared/new"}},
		{method: "PROPPATCH", target: "/shared/a", body: patchBody("<x xmlns='u'>1</x>")},
		{method: "LOCK", target: "/shared/a", body: lockBody},
		{method: "LOCK", target: "/shared/new", body: lockBody},
	} {
		if a := reader.do(sc.method, "/dav"+sc.target, sc.body, sc.headers...); a.status != http.StatusForbidden {
			t.Errorf("%s %s: got %d %s, want 403", sc.method, sc.target, a.status, a.body)
		}
	}
	owner.wantFiles(before)
	reader.want(200, "GET", "/dav/shared/a", "")
	reader.want(201, "COPY", "/dav/shared/a", "", "Destination: /dav/mine")
}

// A drop box takes new files and shows or changes nothing else. Opening an
// upload for reading as well, as libraries do, would refuse all of them.
func TestDropBox(t *testing.T) {
	s := newSite(t)
	owner := s.client(t, "owner")
	owner.fill(map[string]string{"box/old": "old"})
	guest := s.client(t, "guest")
	s.Grant("guest", owner.Home.String()+"/box", policy.UploadOnly, "box")
	guest.want(201, "PUT", "/dav/box/new", "new")
	guest.want(200, "HEAD", "/dav/box/new", "")
	guest.want(403, "PUT", "/dav/box/old", "mine")
	guest.want(403, "GET", "/dav/box/old", "")
	guest.want(403, "PROPFIND", "/dav/box/", "", "Depth: 1")
	guest.want(403, "DELETE", "/dav/box/old", "")
	guest.want(403, "MOVE", "/dav/box/old", "", "Destination: /dav/box/moved")
	owner.wantFiles(map[string]string{"box/old": "old", "box/new": "new"})
}

// Links on disk lead nowhere out of what the account may reach, whatever the method.
func TestLinksDoNotLeadOut(t *testing.T) {
	s := newSite(t)
	other := s.client(t, "other")
	other.fill(map[string]string{"secret": "secret", "dir/secret": "secret"})
	c := s.client(t, "alice")
	c.fill(map[string]string{"mine": "mine"})
	for link, to := range map[string]string{
		"passwd": "/etc/passwd", "etc": "/etc", "file": "../other/secret", "dir": "../other/dir",
		"chain": "dir", "inside": "mine", "nowhere": "gone",
	} {
		s.Link(to, c.Home.String()+"/"+link)
	}
	before := other.files()
	for _, target := range []string{"/passwd", "/etc/passwd", "/file", "/dir/secret", "/chain/secret", "/nowhere"} {
		for _, sc := range []scenario{
			{method: "GET"}, {method: "HEAD"}, {method: "PROPFIND", headers: []string{"Depth: 0"}},
			{method: "COPY", headers: []string{"Destination: /dav/copied"}},
		} {
			if a := c.do(sc.method, "/dav"+target, "", sc.headers...); a.status < 400 && !(target == "/nowhere" && sc.method == "COPY") {
				t.Errorf("%s %s: got %d %s", sc.method, target, a.status, a.body)
			}
		}
		c.do("PUT", "/dav"+target, "changed")
	}
	if _, err := c.site.Read("/home/alice/copied"); err {
		t.Error("a link was copied with what it leads to")
	}
	other.wantFiles(before)
	c.want(200, "GET", "/dav/inside", "")
}

// A MOVE between mounts, which no rename can do, copies whole and removes
// then. Where the copy fails or the source is locked, both stay as they were.
func TestMoveAcrossMounts(t *testing.T) {
	s := serve(t, protocoltest.NewWorld(t, "/archive"))
	c := s.client(t, "alice")
	s.Grant("alice", "/archive", policy.Full, "archive")
	c.fill(map[string]string{"d/e/f": "1", "d/g": "2", "locked/f": "3", "file": "4", "big": strings.Repeat("x", 2000)})
	s.Write("/archive/old/f", "old")
	s.Write("/archive/kept", "kept")
	archive := func() map[string]string { return s.Files("/archive") }

	c.want(201, "MOVE", "/dav/d/", "", "Destination: /dav/archive/d/")
	c.want(204, "MOVE", "/dav/file", "", "Destination: /dav/archive/old")
	c.want(412, "MOVE", "/dav/big", "", "Destination: /dav/archive/kept", "Overwrite: F")
	c.wantFiles(map[string]string{"locked/f": "3", "big": strings.Repeat("x", 2000)})
	want := map[string]string{"/d/e/f": "1", "/d/g": "2", "/old": "4", "/kept": "kept"}
	if got := archive(); !maps.Equal(got, want) {
		t.Errorf("the other mount holds %v, want %v", got, want)
	}
	t.Run("over the quota of the target", func(t *testing.T) {
		s.SetQuota("/archive", 1000, -1)
		waitFor(t, func() bool { return c.do("MOVE", "/dav/big", "", "Destination: /dav/archive/kept").status == 507 })
		if got := archive(); !maps.Equal(got, want) {
			t.Errorf("the other mount holds %v, want %v", got, want)
		}
	})
	t.Run("with a lock in the source", func(t *testing.T) {
		c.lock("/dav/locked/f", lockBody)
		if a := c.do("MOVE", "/dav/locked/", "", "Destination: /dav/archive/kept"); a.status != 423 && a.status != 207 {
			t.Errorf("got %d %s, want 423", a.status, a.body)
		}
		if got := archive(); !maps.Equal(got, want) {
			t.Errorf("the other mount holds %v, want %v", got, want)
		}
	})
	c.wantFiles(map[string]string{"locked/f": "3", "big": strings.Repeat("x", 2000)})
	c.want(403, "DELETE", "/dav/archive", "")
	c.want(403, "MOVE", "/dav/archive/", "", "Destination: /dav/mine/")
}

// What a copy leaves out must not be lost by a MOVE between mounts, which
// removes what it has copied.
func TestMoveAcrossMountsLosesNoLink(t *testing.T) {
	s := serve(t, protocoltest.NewWorld(t, "/archive"))
	c := s.client(t, "alice")
	s.Grant("alice", "/archive", policy.Full, "archive")
	c.fill(map[string]string{"d/f": "1"})
	s.Link("f", c.Home.String()+"/d/link")
	c.want(403, "MOVE", "/dav/d/", "", "Destination: /dav/archive/d/")
	c.wantFiles(map[string]string{"d/f": "1", "d/link": "-> f"})
	if got := s.Files("/archive"); len(got) > 0 {
		t.Errorf("the other mount holds %v", got)
	}
}

// A folder that was shared by name is as good a target as one's own.
func TestMoveIntoASharedFolder(t *testing.T) {
	s := newSite(t)
	owner := s.client(t, "owner")
	owner.fill(map[string]string{"shared/": ""})
	c := s.client(t, "alice")
	c.fill(map[string]string{"a/b": "1"})
	s.Grant("alice", owner.Home.String()+"/shared", policy.Full, "team")
	c.want(201, "MOVE", "/dav/a", "", "Destination: /dav/team/a")
	c.wantFiles(map[string]string{})
	owner.wantFiles(map[string]string{"shared/a/b": "1"})
}

// Names keep every byte through the door, and none of them means anything on it.
func TestNamesKeepTheirBytes(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	h := New(Config{})
	for _, name := range []string{"a b", "a%20b", "a+b", "a&b<c>\"'", "\xff\xfe", "x\x01y", "line\nend", "ü", "u\u0308", "a;b,c?d#e", `back\slash`, "~$doc", "...", "-rf", "(1)!*'"} {
		p, err := rootJoin(name)
		if err != nil {
			t.Fatal(err)
		}
		href := h.href(p, false)
		c.want(201, "PUT", href, "content of "+name)
		if got := c.files()[name]; got != "content of "+name {
			t.Errorf("%q is not on disk as %q", name, href)
		}
		found := c.want(207, "PROPFIND", "/dav/", propfind("displayname", "getetag"), "Depth: 1").properties(t)
		if _, listed := found[href]; !listed {
			t.Errorf("%q is not listed as %q: %v", name, href, found)
		}
		if a := c.want(200, "GET", href, ""); a.body != "content of "+name {
			t.Errorf("%q holds %q", name, a.body)
		}
		c.want(201, "MOVE", href, "", "Destination: "+href+"2")
		c.want(204, "DELETE", href+"2", "")
	}
	c.wantFiles(map[string]string{})
}

// A site that keeps its names portable refuses others with the reason.
func TestPortableNamesAreRefused(t *testing.T) {
	s := newSite(t)
	s.SetSite(func(p *policy.Site) { p.Names = "portable" })
	c := s.client(t, "alice")
	for _, target := range []string{"/dav/a%01b", "/dav/a%3ab", "/dav/%ff"} {
		for _, method := range []string{"PUT", "MKCOL"} {
			if a := c.want(403, method, target, ""); !strings.Contains(a.body, "name") {
				t.Errorf("%s %s: the answer is %q", method, target, a.body)
			}
		}
	}
	c.wantFiles(map[string]string{})
}
