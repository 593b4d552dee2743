package rest_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/admin"
	"gatehouse/admin/admintest"
	"gatehouse/admin/rest"
	"gatehouse/policy"
)

// A page of another site, open in an administrator's browser, must not be able
// to change anything, by whichever trick its request gets the cookie along.
func TestCrossSiteRequestsAreRefused(t *testing.T) {
	s := admintest.New(t)
	root := s.Admin("root")
	body := `{"username":"eve"}`
	for name, header := range map[string]http.Header{
		"Sec-Fetch-Site":      {"Sec-Fetch-Site": {"cross-site"}},
		"same-site is not us": {"Sec-Fetch-Site": {"same-site"}},
		"Origin":              {"Origin": {"https://evil.example"}},
		"a form":              {"Content-Type": {"application/x-www-form-urlencoded"}},
		"plain text":          {"Content-Type": {"text/plain"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := *root
			c.Header = header
			if w := c.Do("POST", "/accounts", body); w.Code < 400 {
				t.Errorf("it was answered with %d", w.Code)
			}
		})
	}
	if w := root.Do("GET", "/accounts/eve", ""); w.Code != 404 {
		t.Errorf("eve is there: %d", w.Code)
	}
}

// A name that resolves to this machine but is not the gateway's would let
// another site's page read the API (DNS rebinding).
func TestOnlyKnownHostsAreAnswered(t *testing.T) {
	s := admintest.New(t)
	root := s.Admin("root")
	for host, want := range map[string]int{
		"localhost": 200, "127.0.0.1:8443": 200, "[::1]:8443": 200, "files.example.org": 200, "FILES.example.org:8443": 200,
		"evil.example": 421, "localhost.evil.example": 421, "192.0.2.1": 421, "": 421,
	} {
		c := *root
		if c.Host = host; host == "" {
			c.Host = "."
		}
		if w := c.Do("GET", "/accounts", ""); w.Code != want {
			t.Errorf("under the name %q: %d, want %d", host, w.Code, want)
		}
	}
}

// A password that was sent in the clear from another machine has been read by
// others: it is refused before anybody looks at it.
func TestClearHTTPFromBeyondLoopbackIsRefusedUnread(t *testing.T) {
	s := admintest.New(t)
	api := admin.New(admin.Config{
		Accounts: s.Accounts, Auth: s.Auth, Sessions: s.Sessions, Tree: s.Tree, Provision: s.Provision,
		SelfService: s.SelfService, Explain: s.Explain, Events: s.Events, Quotas: s.Quotas, Locks: s.Locks, Log: s.Log,
		Connection: func(*http.Request) (netip.Addr, policy.Transport) {
			return netip.MustParseAddr("192.0.2.1"), policy.Clear
		},
	})
	t.Cleanup(api.Close)
	s.Web = api.Handler()
	c := &admintest.Client{Site: s}
	for _, body := range []string{`{"username":"ann","password":"x"}`, `no JSON at all`} {
		if w := c.Do("POST", "/login", body); w.Code != 403 {
			t.Errorf("%s is %d: %s", body, w.Code, w.Body)
		}
	}
}

func TestWhatComesToNoOperationIsAProblemToo(t *testing.T) {
	s := admintest.New(t)
	c := &admintest.Client{Site: s, TLS: true}
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
		c.Host, c.Header = ask.host, ask.header
		w := c.Do(ask.method, ask.path, "{}")
		if kind := w.Header().Get("Content-Type"); w.Code != ask.status || kind != "application/problem+json" {
			t.Errorf("%+v is %d, %s: %s", ask, w.Code, kind, w.Body)
		}
	}
}

// What takes the gateway longer than a client may take to read, such as a large
// backup, still reaches the client.
func TestALongAnswerOutlivesTheServersLimit(t *testing.T) {
	s := admintest.New(t)
	late := make(chan struct{})
	api := admin.New(admin.Config{
		Accounts: s.Accounts, Auth: s.Auth, Sessions: s.Sessions, Tree: s.Tree, Provision: s.Provision,
		SelfService: s.SelfService, Explain: s.Explain, Events: s.Events, Quotas: s.Quotas, Locks: s.Locks, Log: s.Log,
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
	r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL+rest.Prefix+"/backup", strings.NewReader(`{"passphrase":"long enough"}`))
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

// An answer may hold a secret that is shown once: nobody on the way keeps it,
// and no browser takes it for something else.
func TestAnswersAreNotKept(t *testing.T) {
	s := admintest.New(t)
	boss := s.Admin("boss")
	for _, path := range []string{"/me", "/accounts/boss", "/accounts/nobody", "/openapi.json", "/", "/nothing", "/accounts.csv"} {
		h := boss.Do(http.MethodGet, path, "").Header()
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s is answered with %v", path, h)
		}
	}
}
