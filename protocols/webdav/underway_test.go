package webdav

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// An account that lets its uploads trickle, a byte now and then, could have all
// connections of the listener.
func TestOneAccountsRequestsLeaveRoomForOthers(t *testing.T) {
	s := newSite(t, func(c *Config) { c.Requests = 2 })
	alice, bob := s.client(t, "alice"), s.client(t, "bob")
	conn, answers := alice.raw("PUT", "/dav/first", "Content-Length: 2", "Expect: 100-continue")
	_, others := alice.raw("PUT", "/dav/second", "Content-Length: 2", "Expect: 100-continue")
	for _, r := range []interface{ ReadString(byte) (string, error) }{answers, others} {
		if line, err := r.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 100 ") {
			t.Fatalf("the upload is not awaited: %q, %v", line, err)
		}
	}
	if a := alice.want(http.StatusTooManyRequests, "PUT", "/dav/third", "x"); a.header.Get("Retry-After") == "" {
		t.Errorf("nothing says when to try again: %v", a.header)
	}
	bob.want(http.StatusCreated, "PUT", "/dav/his", "x")
	fmt.Fprint(conn, "ab")
	if _, err := answers.ReadString('\n'); err != nil { // the end of 100 Continue
		t.Fatal(err)
	}
	if line, err := answers.ReadString('\n'); !strings.HasPrefix(line, "HTTP/1.1 201 ") {
		t.Fatalf("the first upload: %q, %v", line, err)
	}
	alice.want(http.StatusCreated, "PUT", "/dav/third", "x")
}

func TestUnderWayForgetsWhoIsDone(t *testing.T) {
	u := newUnderWay(1)
	for range 3 {
		if err := u.begin("a"); err != nil {
			t.Fatal(err)
		}
		u.end("a")
	}
	if len(u.of) != 0 {
		t.Errorf("%d accounts are remembered", len(u.of))
	}
}
