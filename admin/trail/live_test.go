package trail_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/admin/rest"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
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
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL+rest.Prefix+"/events/live"+query, nil)
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
	s := admintest.New(t)
	server := httptest.NewServer(s.Socket)
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
	s := admintest.New(t)
	server := httptest.NewServer(s.Socket)
	t.Cleanup(server.Close)
	status := func() int {
		ctx, leave := context.WithCancel(t.Context())
		defer leave()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+rest.Prefix+"/events/live", nil)
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
	admintest.Eventually(t, func() bool { return status() == http.StatusOK })
}

func TestVerifyOverTheAPI(t *testing.T) {
	s := admintest.New(t)
	s.Add("anna")
	root := s.Root()
	root.Must(200, http.MethodGet, "/events?outcome=ok&since=2026-01-01T00:00:00Z", "")
	root.Must(422, http.MethodGet, "/events?address=nowhere", "")
	root.Must(422, http.MethodGet, "/events?outcome=odd", "")
	if r := root.Must(200, http.MethodPost, "/events/verify", `{}`); r["whole"] != true {
		t.Errorf("got %v", r)
	}
	r := root.Must(200, http.MethodPost, "/events/verify", `{"against":["gatehouse-checkpoint.e30.AAAA"]}`)
	if r["whole"] != false {
		t.Errorf("a forged checkpoint is taken: %v", r)
	}
}

// A delegate, and anybody without a right to look, sees no event of others.
func TestEventsAreForThoseWhoMayLook(t *testing.T) {
	s := admintest.New(t)
	user := s.Add("anna")
	c := &admintest.Client{Site: s, TLS: true}
	c.Must(200, http.MethodPost, "/login", `{"username":"anna","password":"`+user.Password+`"}`)
	c.Must(403, http.MethodGet, "/events", "")
	c.Must(403, http.MethodGet, "/events/live", "")
	c.Must(403, http.MethodPost, "/events/verify", `{}`)
	(&admintest.Client{Site: s, TLS: true}).Must(401, http.MethodGet, "/events/live", "")
}

// Who was an administrator when the stream began, and is none any more, must not
// go on reading what happens.
func TestALiveStreamEndsWithTheRightToLook(t *testing.T) {
	s := admintest.New(t)
	s.Admin("other")
	s.LoggedIn(s.Add("anna"))
	root := s.Admin("root")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.TLS = &tls.ConnectionState{}
		r.AddCookie(root.Cookie)
		s.Web.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	began := make(chan *http.Response, 1)
	go func() {
		defer close(began)
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+rest.Prefix+"/events/live", nil)
		if resp, err := server.Client().Do(r); err == nil {
			began <- resp
		}
	}()
	resp := <-began
	if resp == nil {
		t.Fatal("there is no answer")
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	lines.Scan() // it follows
	s.Root().Must(200, "POST", "/accounts/other/unlock", "")
	for lines.Scan() && !strings.Contains(lines.Text(), "account.unlock") {
		continue
	}
	s.Root().Must(200, "PATCH", "/accounts/root", `{"role":"user"}`)
	admintest.Eventually(t, func() bool { return root.Do("GET", "/accounts", "").Code == 403 })
	// A request asks what holds, and a stream is told. Changes are told in their order:
	// when another session is cut, this one has heard of its own.
	s.Root().Must(200, "POST", "/accounts/anna/disable", "")
	admintest.Eventually(t, func() bool {
		return !slices.ContainsFunc(s.Sessions.List(), func(d session.Description) bool { return d.Account == "anna" })
	})
	s.Root().Must(201, "POST", "/accounts", `{"username":"afterwards"}`)
	if resp.StatusCode != 200 || !strings.Contains(lines.Text(), "account.unlock") {
		t.Fatalf("the stream is %d: %s, %v", resp.StatusCode, lines.Text(), lines.Err())
	}
	for lines.Scan() {
		if strings.Contains(lines.Text(), "afterwards") {
			t.Error("it reads on")
		}
	}
}

// One delegate that opens stream after stream must not keep administrators from
// following.
func TestOneFollowerLeavesRoomForOthers(t *testing.T) {
	s := admintest.New(t)
	boss := s.Admin("boss")
	dora := s.LoggedIn(s.Add("dora", func(a *accounts.Account) { a.Manage = policy.Manage{Users: true} }))
	server := httptest.NewTLSServer(s.Web)
	t.Cleanup(server.Close)
	follow := func(c *admintest.Client) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+rest.Prefix+"/events/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(c.Cookie)
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = resp.Body.Close() })
		return resp.StatusCode
	}
	last := 0
	for range 30 {
		last = follow(dora)
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the thirtieth stream of one account is answered %d", last)
	}
	if got := follow(boss); got != http.StatusOK {
		t.Errorf("an administrator is answered %d", got)
	}
}
