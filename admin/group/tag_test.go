package group_test

import (
	"net/http"
	"sync"
	"testing"

	"gatehouse/admin/admintest"
)

// matching is a client that changes a group only as it was read.
func matching(c *admintest.Client, tag string) *admintest.Client {
	with := *c
	with.Header = http.Header{"If-Match": {tag}}
	return &with
}

func tagOf(c *admintest.Client, path string) string {
	return c.Do("GET", path, "").Header().Get("ETag")
}

// Somebody reads who is in a group and takes one out. Whoever was put in or taken
// out meanwhile makes that another group than was read.
func TestATagOfAGroupCoversItsMembers(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Add("ann")
	s.Add("bob")
	c.Must(201, "POST", "/groups", `{"name":"crew"}`)
	empty := tagOf(c, "/groups/crew")
	put := matching(c, empty).Do("PUT", "/groups/crew/members/ann", "")
	one := tagOf(c, "/groups/crew")
	if put.Code != 200 || put.Header().Get("ETag") != one || one == empty {
		t.Fatalf("ann is put in: %d, tags %s, %s and %s", put.Code, empty, put.Header().Get("ETag"), one)
	}
	for _, change := range [][3]string{
		{"PUT", "/groups/crew/members/bob", ""}, {"DELETE", "/groups/crew/members/ann", ""}, {"PATCH", "/groups/crew", `{"protocols":["sftp"]}`},
		{"DELETE", "/groups/crew", ""},
	} {
		for _, stale := range []string{empty, `"1"`, "nonsense"} {
			if w := matching(c, stale).Do(change[0], change[1], change[2]); w.Code != 412 {
				t.Errorf("%v of the group as %s is %d: %s", change, stale, w.Code, w.Body)
			}
		}
	}
	changed := matching(c, one).Do("PATCH", "/groups/crew", `{"protocols":["sftp"]}`)
	if now := changed.Header().Get("ETag"); changed.Code != 200 || now == one || now != tagOf(c, "/groups/crew") {
		t.Errorf("settings of the group as it is: %d, tag %s after %s", changed.Code, now, one)
	}
	matching(c, tagOf(c, "/groups/crew")).Must(200, "DELETE", "/groups/crew/members/ann", "")
	matching(c, "*").Must(200, "PUT", "/groups/crew/members/bob", "")
	matching(c, tagOf(c, "/groups/crew")).Must(200, "DELETE", "/groups/crew", "")
}

// Of several who have read the same group and change who is in it, one does.
func TestOneOfThoseWhoReadTheSameMembersChangesThem(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	c.Must(201, "POST", "/groups", `{"name":"crew"}`)
	names := []string{"ann", "bob", "cid", "dan"}
	for _, name := range names {
		s.Add(name)
	}
	read := matching(c, tagOf(c, "/groups/crew"))
	codes := make([]int, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { codes[i] = read.Do("PUT", "/groups/crew/members/"+name, "").Code })
	}
	all.Wait()
	done := 0
	for _, code := range codes {
		switch code {
		case 200:
			done++
		case 412:
		default:
			t.Errorf("one is answered with %d", code)
		}
	}
	if members := c.Must(200, "GET", "/groups/crew", "")["members"].([]any); done != 1 || len(members) != 1 {
		t.Errorf("%d are put in, members are %v", done, members)
	}
}
