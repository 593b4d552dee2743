package webdav

import (
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/protocoltest"
)

func TestLockRequests(t *testing.T) {
	play(t, map[string]scenario{
		"a file":                    {files: map[string]string{"a": "1"}, method: "LOCK", target: "/a", body: lockBody, status: 200, says: "<D:exclusive/>"},
		"shared":                    {files: map[string]string{"a": "1"}, method: "LOCK", target: "/a", body: sharedBody, status: 200, says: "<D:shared/>"},
		"a collection, deep":        {files: map[string]string{"a/b": "1"}, method: "LOCK", target: "/a/", body: lockBody, status: 200, says: "<D:depth>infinity</D:depth>"},
		"a collection alone":        {files: map[string]string{"a/b": "1"}, method: "LOCK", target: "/a/", body: lockBody, headers: []string{"Depth: 0"}, status: 200, says: "<D:depth>0</D:depth>"},
		"at depth 1":                {files: map[string]string{"a/b": "1"}, method: "LOCK", target: "/a/", body: lockBody, headers: []string{"Depth: 1"}, status: 400},
		"what is not there":         {method: "LOCK", target: "/a", body: lockBody, status: 201, after: map[string]string{"a": ""}},
		"where no folder is":        {method: "LOCK", target: "/a/b", body: lockBody, status: 409},
		"below a file":              {files: map[string]string{"a": "1"}, method: "LOCK", target: "/a/b", body: lockBody, status: 409},
		"a collection that is none": {method: "LOCK", target: "/a/", body: lockBody, status: 409},
		"a file as a collection":    {files: map[string]string{"a": "1"}, method: "LOCK", target: "/a/", body: lockBody, status: 409},
		"for a word":                {files: map[string]string{"a": "1"}, method: "LOCK", target: "/a", body: lockBody, headers: []string{"Timeout: Second-many"}, status: 400},
		"with its owner":            {files: map[string]string{"a": "1"}, method: "LOCK", target: "/a", body: lockBody, status: 200, says: ">me</"},
		"with an owner like a book": {files: map[string]string{"a": "1"}, method: "LOCK", target: "/a", body: strings.Replace(lockBody, "me<", strings.Repeat("me", maxOwner)+"<", 1), status: 413},
		"neither scope":             {files: map[string]string{"a": "1"}, method: "LOCK", target: "/a", body: strings.Replace(lockBody, "<D:exclusive/>", "", 1), status: 400},
		"both scopes":               {files: map[string]string{"a": "1"}, method: "LOCK", target: "/a", body: strings.Replace(lockBody, "<D:exclusive/>", "<D:exclusive/><D:shared/>", 1), status: 400},
		"no type":                   {files: map[string]string{"a": "1"}, method: "LOCK", target: "/a", body: strings.Replace(lockBody, "<D:write/>", "", 1), status: 400},
		"no XML":                    {files: map[string]string{"a": "1"}, method: "LOCK", target: "/a", body: "lock it", status: 400},
		"refresh of nothing":        {files: map[string]string{"a": "1"}, method: "LOCK", target: "/a", status: 400},
		"refresh of no lock":        {files: map[string]string{"a": "1"}, method: "LOCK", target: "/a", headers: []string{"If: (<urn:uuid:1>)"}, status: 412},
		"unlock without a token":    {files: map[string]string{"a": "1"}, method: "UNLOCK", target: "/a", status: 400},
		"unlock with a bare token":  {files: map[string]string{"a": "1"}, method: "UNLOCK", target: "/a", headers: []string{"Lock-Token: urn:uuid:1"}, status: 400},
		"unlock with another":       {files: map[string]string{"a": "1"}, method: "UNLOCK", target: "/a", headers: []string{"Lock-Token: <urn:uuid:1>"}, status: 409, says: matchesURI},
		"unlock what is not there":  {method: "UNLOCK", target: "/a", headers: []string{"Lock-Token: <urn:uuid:1>"}, status: 404},
	})
}

// A lock lasts as long as was asked for, and an hour at the most. What is answered is
// what is left of it.
func TestLockTimes(t *testing.T) {
	for asked, want := range map[string]string{
		"Infinite, Second-4100000000": "Second-3600", "Second-99999999999999999999": "Second-3600", "Extend-7, Second-100": "Second-100",
	} {
		t.Run(asked, func(t *testing.T) {
			protocoltest.Patiently(t, func(t testing.TB) {
				c := newSite(t).client(t, "alice")
				c.fill(map[string]string{"a": "1"})
				if a := c.want(200, "LOCK", "/dav/a", lockBody, "Timeout: "+asked); !strings.Contains(a.body, "<D:timeout>"+want+"<") {
					t.Errorf("the answer is %q, want %q in it", a.body, want)
				}
			})
		})
	}
}

// LOCK may make an empty file where there is none, never of one that is there:
// opening with truncation after any error of stat emptied what was only denied.
func TestLockNeverEmptiesAFile(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a": "content"})
	c.lock("/dav/a", lockBody)
	guest := s.client(t, "guest")
	s.Grant("guest", c.Home.String(), policy.UploadOnly, "box")
	if a := guest.do("LOCK", "/dav/box/a", lockBody); a.status < 400 {
		t.Errorf("locking what may not be read: got %d", a.status)
	}
	c.wantFiles(map[string]string{"a": "content"})
}

// A locked file is changed by nobody who does not submit the lock's token, and
// by nobody but its owner who does.
func TestLockHoldsForEveryMethod(t *testing.T) {
	s := newSite(t)
	owner := s.client(t, "owner")
	owner.fill(map[string]string{"team/a": "1", "team/d/b": "2", "team/other": "3"})
	mate := s.client(t, "mate")
	s.Grant("mate", owner.Home.String()+"/team", policy.Full, "team")
	token := owner.lock("/dav/team/a", lockBody)
	before := owner.files()
	changes := []scenario{
		{method: "PUT", target: "/team/a", body: "changed"},
		{method: "DELETE", target: "/team/a"},
		{method: "MOVE", target: "/team/a", headers: []string{"Destination: /dav/team/moved"}},
		{method: "MOVE", target: "/team/other", headers: []string{"Destination: /dav/team/a"}},
		{method: "COPY", target: "/team/other", headers: []string{"Destination: /dav/team/a"}},
		{method: "PROPPATCH", target: "/team/a", body: patchBody("<x xmlns='u'>1</x>")},
		{method: "LOCK", target: "/team/a", body: lockBody},
		{method: "LOCK", target: "/team/a", body: sharedBody},
	}
	for _, c := range []*client{owner, mate} {
		for _, sc := range changes {
			a := c.do(sc.method, "/dav"+sc.target, sc.body, sc.headers...)
			if a.status != http.StatusLocked || !strings.Contains(a.body, "/dav/team/a</") || !strings.Contains(a.body, ">owner</locked-by>") {
				t.Errorf("%s: %s %s: got %d %s, want 423 that names the locked file and who holds the lock", c.Name, sc.method, sc.target, a.status, a.body)
			}
			owner.wantFiles(before)
		}
	}
	if a := mate.do("PUT", "/dav/team/a", "stolen token", "If: (<"+token+">)"); a.status != http.StatusLocked {
		t.Errorf("the token of another's lock: got %d, want 423", a.status)
	}
	if a := mate.do("UNLOCK", "/dav/team/a", "", "Lock-Token: <"+token+">"); a.status != http.StatusConflict && a.status != http.StatusForbidden {
		t.Errorf("unlocking another's lock: got %d, want a refusal", a.status)
	}
	mate.want(200, "GET", "/dav/team/a", "")
	mate.want(201, "COPY", "/dav/team/a", "", "Destination: /dav/mine")
	owner.want(204, "PUT", "/dav/team/a", "changed", "If: (<"+token+">)")
	owner.want(412, "PUT", "/dav/team/a", "changed", "If: (<urn:uuid:other>)")
	owner.want(204, "UNLOCK", "/dav/team/a", "", "Lock-Token: <"+token+">")
	mate.want(204, "PUT", "/dav/team/a", "free again")
}

// Removing a folder with a locked member removed all but the lock, or all of
// it: it is refused, by the member's name, and nothing is gone.
func TestDeleteWithALockedMember(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"d/e/a": "1", "d/b": "2"})
	token := c.lock("/dav/d/e/a", lockBody)
	before := c.files()
	a := c.want(207, "DELETE", "/dav/d/", "")
	if of := a.properties(t)["/dav/d/e/a"]; !strings.Contains(of[xml.Name{Local: "status"}], "423") || !strings.Contains(a.body, lockSubmitted) {
		t.Errorf("got %s", a.body)
	}
	c.wantFiles(before)
	if a := c.do("MOVE", "/dav/d/", "", "Destination: /dav/x/"); a.status != http.StatusLocked {
		t.Errorf("MOVE: got %d %s, want 423", a.status, a.body)
	}
	c.wantFiles(before)
	c.fill(map[string]string{"x/y": "3"})
	before = c.files()
	for _, method := range []string{"MOVE", "COPY"} {
		if a := c.do(method, "/dav/x/", "", "Destination: /dav/d/", "Overwrite: T"); a.status != http.StatusLocked {
			t.Errorf("%s over it: got %d %s, want 423", method, a.status, a.body)
		}
		c.wantFiles(before)
	}
	c.want(204, "DELETE", "/dav/x/", "")
	c.want(201, "COPY", "/dav/d/", "", "Destination: /dav/copy/") // it changes nothing in there
	c.want(204, "DELETE", "/dav/copy/", "")
	c.want(204, "DELETE", "/dav/d/", "", "If: </dav/d/e/a> (<"+token+">)")
	c.wantFiles(map[string]string{})
}

// A lock of a whole tree takes every member: where one of them is locked already,
// the answer names it, and nothing is locked (RFC 4918 9.10.3).
func TestDeepLockOverALockedMember(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"d/e/a": "1", "d/b": "2"})
	c.lock("/dav/d/e/a", lockBody)
	of := c.want(207, "LOCK", "/dav/d", lockBody).properties(t)
	status := xml.Name{Local: "status"}
	if !strings.Contains(of["/dav/d/e/a"][status], "423") || !strings.Contains(of["/dav/d/"][status], "424") {
		t.Errorf("got %v", of)
	}
	c.want(204, "PUT", "/dav/d/b", "free")
	c.want(200, "LOCK", "/dav/d", lockBody, "Depth: 0")
}

// A lock goes with the resource: the next file of that name is free.
func TestLockGoesWithItsFile(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	for _, way := range []scenario{
		{method: "DELETE", target: "/dav/a"},
		{method: "MOVE", target: "/dav/a", headers: []string{"Destination: /dav/b"}},
	} {
		c.fill(map[string]string{"a": "1"})
		token := c.lock("/dav/a", lockBody)
		if a := c.do(way.method, way.target, "", append(way.headers, "If: (<"+token+">)")...); a.status > 204 {
			t.Fatalf("%s: got %d %s", way.method, a.status, a.body)
		}
		c.want(201, "PUT", "/dav/a", "new")
		c.want(204, "DELETE", "/dav/a", "")
	}
	if left, err := s.Locks.List(t.Context(), path.Root); err != nil || len(left) > 0 {
		t.Errorf("locks stay: %v, %v", left, err)
	}
}

// A locked source is moved to an unlocked place by who submits its token, with
// the list tagged or not; evaluating If against the destination refused it.
func TestMoveOfALockedSource(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	for _, header := range []string{"If: (<%>)", "If: </dav/a> (<%>)", "If: <" + s.server.URL + "/dav/a> (<%>)"} {
		c.fill(map[string]string{"a": "1"})
		token := c.lock("/dav/a", lockBody)
		c.want(201, "MOVE", "/dav/a", "", "Destination: /dav/b", strings.ReplaceAll(header, "%", token))
		c.want(204, "DELETE", "/dav/b", "")
	}
}

func TestLockDiscoveryAndRefresh(t *testing.T) {
	protocoltest.Patiently(t, func(t testing.TB) { // what is left is told in seconds
		s := newSite(t)
		c := s.client(t, "alice")
		c.fill(map[string]string{"d/a": "1"})
		token := c.lock("/dav/d/", lockBody, "Timeout: Second-100")
		if !strings.HasPrefix(token, "urn:uuid:") || len(token) != len("urn:uuid:")+36 {
			t.Errorf("token %q is no random UUID", token)
		}
		found := c.ask("/dav/d/a", "<D:lockdiscovery/>")[dav("lockdiscovery")]
		for _, want := range []string{token, "<D:lockroot><D:href>/dav/d", ">me</", "infinity", "Second-"} {
			if !strings.Contains(found, want) {
				t.Errorf("lockdiscovery of a member lacks %q: %s", want, found)
			}
		}
		a := c.want(200, "LOCK", "/dav/d/a", "", "If: (<"+token+">)", "Timeout: Second-1000")
		if a.header.Get("Lock-Token") != "" || !strings.Contains(a.body, "Second-1000") {
			t.Errorf("refresh: %v %s", a.header, a.body)
		}
		c.want(204, "UNLOCK", "/dav/d/", "", "Lock-Token: <"+token+">")
		if found := c.ask("/dav/d/a", "<D:lockdiscovery/>")[dav("lockdiscovery")]; found != "" {
			t.Errorf("lockdiscovery after unlocking: %s", found)
		}
	})
}

// Two shared locks stand beside each other; an exclusive one does not.
func TestSharedLocks(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a": "1"})
	first, second := c.lock("/dav/a", sharedBody), c.lock("/dav/a", sharedBody)
	if first == second {
		t.Error("two locks have one token")
	}
	if a := c.want(423, "LOCK", "/dav/a", lockBody); !strings.Contains(a.body, noConflict) {
		t.Errorf("got %s", a.body)
	}
	found := c.ask("/dav/a", "<D:lockdiscovery/>")[dav("lockdiscovery")]
	if !strings.Contains(found, first) || !strings.Contains(found, second) {
		t.Errorf("lockdiscovery: %s", found)
	}
}

// Windows: LOCK makes the file, an empty PUT and then the real one fill it,
// each with the token; then properties, and UNLOCK.
func TestWindowsUpload(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.want(404, "PROPFIND", "/dav/doc.docx", "", "Depth: 0")
	put := c.want(201, "PUT", "/dav/doc.docx", "")
	if put.header.Get("ETag") == "" {
		t.Error("no entity tag")
	}
	token := c.lock("/dav/doc.docx", lockBody, "Timeout: Second-3600")
	c.want(207, "PROPPATCH", "/dav/doc.docx", patchBody(`<Win32FileAttributes xmlns="urn:schemas-microsoft-com:">00000020</Win32FileAttributes>`), "If: (<"+token+">)")
	c.want(200, "HEAD", "/dav/doc.docx", "")
	c.want(204, "PUT", "/dav/doc.docx", "the content", "If: (<"+token+">)")
	c.want(204, "UNLOCK", "/dav/doc.docx", "", "Lock-Token: <"+token+">")
	c.wantFiles(map[string]string{"doc.docx": "the content"})
}

func TestTimeout(t *testing.T) {
	for value, want := range map[string]time.Duration{
		"": 0, "Infinite": 0, "infinite": 0, "Second-0": time.Second, "second-7": 7 * time.Second, "x, Second-7": 7 * time.Second,
		"Second-" + strconv.Itoa(1<<40): 0, "Extend": 0,
	} {
		if got, err := timeout(http.Header{"Timeout": {value}}); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", value, got, err, want)
		}
	}
	for _, value := range []string{"Second-", "Second--1", "Second-1.5"} {
		if got, err := timeout(http.Header{"Timeout": {value}}); err == nil && value != "Second-" {
			t.Errorf("%q: got %v, want a refusal", value, got)
		}
	}
}
