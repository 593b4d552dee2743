package admin_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/admin"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// A password that was sent in the clear from another machine has been read by
// others: it is refused before anybody looks at it.
func TestClearHTTPFromBeyondLoopbackIsRefusedUnread(t *testing.T) {
	s := newSite(t)
	api := admin.New(admin.Config{
		Accounts: s.Accounts, Sessions: s.Sessions, Events: s.Events, Quotas: s.Quotas, Locks: s.Locks, Log: s.Log,
		Connection: func(*http.Request) (netip.Addr, policy.Transport) {
			return netip.MustParseAddr("192.0.2.1"), policy.Clear
		},
	})
	t.Cleanup(api.Close)
	s.web = api.Handler()
	c := &client{site: s}
	for _, body := range []string{`{"username":"ann","password":"x"}`, `no JSON at all`} {
		if w := c.do("POST", "/login", body); w.Code != 403 {
			t.Errorf("%s is %d: %s", body, w.Code, w.Body)
		}
	}
}

func TestWhatComesToNoOperationIsAProblemToo(t *testing.T) {
	s := newSite(t)
	c := &client{site: s, tls: true}
	for _, ask := range []struct {
		status             int
		method, path, host string
		header             http.Header
	}{
		{404, "GET", "/nothing", "localhost", nil},
		{405, "POST", "/me", "localhost", nil},
		{421, "GET", "/me", "evil.example", nil},
		{403, "POST", "/login", "localhost", http.Header{"Sec-Fetch-Site": {"cross-site"}}},
		{415, "POST", "/login", "localhost", http.Header{"Content-Type": {"text/plain"}}},
	} {
		c.host, c.header = ask.host, ask.header
		w := c.do(ask.method, ask.path, "{}")
		if kind := w.Header().Get("Content-Type"); w.Code != ask.status || kind != "application/problem+json" {
			t.Errorf("%+v is %d, %s: %s", ask, w.Code, kind, w.Body)
		}
	}
}

// Who holds an administrator's browser, but not the password, must not get the
// account for good.
func TestOnesOwnPasswordTakesThePresentOne(t *testing.T) {
	s := newSite(t)
	root := s.admin("root")
	root.must(409, "PUT", "/accounts/root/password", `{"password":"another passphrase"}`)
	root.must(200, "GET", "/me", "")
}

func TestASharedAccountChangesNoPassword(t *testing.T) {
	s := newSite(t)
	bot := s.Add("bot", func(a *accounts.Account) { a.Shared = true })
	ann := s.Add("ann")
	login := func(name, password string) *client {
		c := &client{site: s, tls: true}
		c.must(200, "POST", "/login", `{"username":"`+name+`","password":"`+password+`"}`)
		return c
	}
	change := func(c *client, password string, want int) {
		t.Helper()
		c.must(want, "PUT", "/me/password", `{"current":"`+password+`","new":"a wholly new passphrase"}`)
	}
	change(login("bot", bot.Password), bot.Password, 403)
	c := login("ann", ann.Password)
	s.root().must(200, "PATCH", "/site", `{"self_service":{"password":false}}`)
	change(c, ann.Password, 403)
	s.root().must(200, "PATCH", "/site", `{"self_service":{"password":null}}`)
	change(c, ann.Password, 200)
}

func TestAChangeOfAGroupThatEndsOnesOwnSessionAsksForConfirmation(t *testing.T) {
	s := newSite(t)
	s.admin("other")
	root := s.admin("root")
	root.must(201, "POST", "/groups", `{"name":"crew","protocols":["api","sftp"]}`)
	root.must(200, "PUT", "/groups/crew/members/root", "")
	root.must(409, "PATCH", "/groups/crew", `{"protocols":["sftp"]}`)
	root.must(200, "PATCH", "/groups/crew?confirm=self", `{"protocols":["sftp"]}`)
	eventually(t, func() bool { return root.do("GET", "/me", "").Code == 401 })
}

// Who was an administrator when the stream began, and is none any more, must not
// go on reading what happens.
func TestALiveStreamEndsWithTheRightToLook(t *testing.T) {
	s := newSite(t)
	s.admin("other")
	root := s.admin("root")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.TLS = &tls.ConnectionState{}
		r.AddCookie(root.cookie)
		s.web.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	began := make(chan *http.Response, 1)
	go func() {
		defer close(began)
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+admin.Prefix+"/events/live", nil)
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
	s.root().must(200, "POST", "/accounts/other/unlock", "")
	for lines.Scan() && !strings.Contains(lines.Text(), "account.unlock") {
		continue
	}
	s.root().must(200, "PATCH", "/accounts/root", `{"role":"user"}`)
	eventually(t, func() bool { return root.do("GET", "/accounts", "").Code == 403 })
	s.root().must(201, "POST", "/accounts", `{"username":"afterwards"}`)
	if resp.StatusCode != 200 || !strings.Contains(lines.Text(), "account.unlock") {
		t.Fatalf("the stream is %d: %s, %v", resp.StatusCode, lines.Text(), lines.Err())
	}
	for lines.Scan() {
		if strings.Contains(lines.Text(), "afterwards") {
			t.Error("it reads on")
		}
	}
}

// What takes the gateway longer than a client may take to read, such as a large
// backup, still reaches the client.
func TestALongAnswerOutlivesTheServersLimit(t *testing.T) {
	s := newSite(t)
	late := make(chan struct{})
	api := admin.New(admin.Config{
		Accounts: s.Accounts, Sessions: s.Sessions, Events: s.Events, Quotas: s.Quotas, Locks: s.Locks, Log: s.Log,
		Connection: func(*http.Request) (netip.Addr, policy.Transport) { return netip.Addr{}, policy.Local },
		Backup: func(_ context.Context, w io.Writer, _ string) error {
			<-late
			_, err := io.WriteString(w, "a backup")
			return err
		},
	})
	t.Cleanup(api.Close)
	server := httptest.NewUnstartedServer(api.Socket())
	server.Config.WriteTimeout = 50 * time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	time.AfterFunc(200*time.Millisecond, func() { close(late) })
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+admin.Prefix+"/backup", strings.NewReader(`{"passphrase":"long enough"}`))
	r.Header.Set("Content-Type", "application/json")
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if text, err := io.ReadAll(resp.Body); err != nil || string(text) != "a backup" {
		t.Errorf("got %q, %v", text, err)
	}
}
