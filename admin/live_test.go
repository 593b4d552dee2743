package admin_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse/admin"
	"gatehouse/storage/events"
)

// A listener follows events over a real connection.
type listener struct {
	t     *testing.T
	lines *bufio.Scanner
	leave context.CancelFunc
}

func listen(t *testing.T, s *httptest.Server, query, last string) *listener {
	t.Helper()
	ctx, leave := context.WithCancel(t.Context())
	t.Cleanup(leave)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+admin.Prefix+"/events/live"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	resp, err := s.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("status %d, %v", resp.StatusCode, resp.Header)
	}
	l := &listener{t, bufio.NewScanner(resp.Body), leave}
	l.lines.Scan() // the first line comes once it follows
	return l
}

// next returns the next message's id and event.
func (l *listener) next() (id string, e events.Event) {
	l.t.Helper()
	for l.lines.Scan() {
		field, value, _ := strings.Cut(l.lines.Text(), ": ")
		switch field {
		case "id":
			id = value
		case "data":
			if err := json.Unmarshal([]byte(value), &e); err != nil {
				l.t.Fatal(err)
			}
			return id, e
		}
	}
	l.t.Fatalf("the stream ended: %v", l.lines.Err())
	return "", e
}

func TestFollowAndResume(t *testing.T) {
	s := newSite(t)
	server := httptest.NewServer(s.socket)
	t.Cleanup(server.Close)
	record := func(path string) {
		t.Helper()
		if err := s.Events.Record(t.Context(), events.Event{Kind: events.Upload, Outcome: events.OK, Path: path}); err != nil {
			t.Fatal(err)
		}
	}
	record("/before")
	l := listen(t, server, "?path=/a", "")
	record("/elsewhere")
	record("/a/one")
	id, e := l.next()
	if e.Path != "/a/one" || id != fmt.Sprint(e.Position) {
		t.Errorf("got %s %+v", id, e)
	}
	l.leave()
	record("/a/two")
	record("/a/three")
	l = listen(t, server, "?path=/a", id)
	for _, want := range []string{"/a/two", "/a/three"} {
		if _, e := l.next(); e.Path != want {
			t.Errorf("after the break got %q, want %q", e.Path, want)
		}
	}
}

// Too many followers are refused, and who left makes room.
func TestFollowersAreBounded(t *testing.T) {
	s := newSite(t)
	server := httptest.NewServer(s.socket)
	t.Cleanup(server.Close)
	status := func() int {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+admin.Prefix+"/events/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		return resp.StatusCode
	}
	var all []*listener
	for range 100 {
		all = append(all, listen(t, server, "", ""))
	}
	if got := status(); got != http.StatusServiceUnavailable {
		t.Errorf("one more is answered %d", got)
	}
	for _, l := range all {
		l.leave()
	}
	eventually(t, func() bool { return status() == http.StatusOK })
}

func TestVerifyOverTheAPI(t *testing.T) {
	s := newSite(t)
	s.Add("anna")
	root := s.root()
	root.must(200, http.MethodGet, "/events?outcome=ok&since=2026-01-01T00:00:00Z", "")
	root.must(422, http.MethodGet, "/events?address=nowhere", "")
	root.must(422, http.MethodGet, "/events?outcome=odd", "")
	if r := root.must(200, http.MethodPost, "/events/verify", `{}`); r["whole"] != true {
		t.Errorf("got %v", r)
	}
	r := root.must(200, http.MethodPost, "/events/verify", `{"against":["gatehouse-checkpoint.e30.AAAA"]}`)
	if r["whole"] != false {
		t.Errorf("a forged checkpoint is taken: %v", r)
	}
}

// A delegate, and anybody without a right to look, sees no event of others.
func TestEventsAreForThoseWhoMayLook(t *testing.T) {
	s := newSite(t)
	user := s.Add("anna")
	c := &client{site: s, tls: true}
	c.must(200, http.MethodPost, "/login", `{"username":"anna","password":"`+user.Password+`"}`)
	c.must(403, http.MethodGet, "/events", "")
	c.must(403, http.MethodGet, "/events/live", "")
	c.must(403, http.MethodPost, "/events/verify", `{}`)
	(&client{site: s, tls: true}).must(401, http.MethodGet, "/events/live", "")
}
