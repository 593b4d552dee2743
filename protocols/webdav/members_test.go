package webdav

import (
	"encoding/xml"
	"os"
	"strings"
	"testing"

	"gatehouse/policy"
)

// A listing tells of locks and dead properties what a question for each entry
// tells, also of those that come from other places: a shared folder, and what
// links lead to.
func TestAListingTellsWhatEachEntryTells(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a": "1", "plain": "2", "d/b": "3", "e/b": "4"})
	other := s.client(t, "other")
	other.fill(map[string]string{"shared/x": "1"})
	s.Grant("alice", other.Home.String()+"/shared", policy.Full, "team")
	s.Link("a", c.Home.String()+"/link")
	s.Link("e", c.Home.String()+"/way")
	patched := patchBody(`<x xmlns="u">dead</x>`)
	for _, target := range []string{"/dav/a", "/dav/d/", "/dav/team/"} {
		c.want(207, "PROPPATCH", target, patched)
	}
	const all = "<D:lockdiscovery/>" + `<x xmlns="u"/>`
	compare := func(folder string, entries ...string) {
		t.Helper()
		found := c.want(207, "PROPFIND", folder, askBody(all), "Depth: 1").properties(t)
		whole := c.want(207, "PROPFIND", folder, "", "Depth: 1").properties(t)
		for _, target := range entries {
			one := c.ask(target, all)
			for _, n := range []xml.Name{dav("lockdiscovery"), {Space: "u", Local: "x"}} {
				if found[target][n] != one[n] {
					t.Errorf("%s: %s is listed as %q, and %q by itself", target, n.Local, found[target][n], one[n])
				}
			}
			if got := whole[target][xml.Name{Space: "u", Local: "x"}]; got != "" && got != "dead" || (got == "dead") != (one[xml.Name{Space: "u", Local: "x"}] == "dead") {
				t.Errorf("%s: allprop tells %q, and the question for it %v", target, got, one)
			}
		}
	}
	root := []string{"/dav/a", "/dav/plain", "/dav/d/", "/dav/e/", "/dav/link", "/dav/way/", "/dav/team/"}
	compare("/dav/", root...)
	// A lock in the shared folder, or behind a link, is below nothing of the root.
	for _, target := range []string{"/dav/team/", "/dav/e/b", "/dav/a"} {
		token := c.lock(target, lockBody)
		compare("/dav/", root...)
		compare("/dav/way/", "/dav/way/b")
		c.want(204, "UNLOCK", target, "", "Lock-Token: <"+token+">")
	}
}

// An account whose home is not there is shown an empty root, whatever it asks.
func TestAListingOfARootThatIsNotThere(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	if err := os.RemoveAll(s.OnDisk(c.Home.String())); err != nil {
		t.Fatal(err)
	}
	got := c.want(207, "PROPFIND", "/dav/", `<propfind xmlns="DAV:"><allprop/></propfind>`, "Depth: 1")
	if strings.Count(got.body, "<D:response>") != 1 {
		t.Errorf("got %s", got.body)
	}
}
