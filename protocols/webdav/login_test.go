package webdav

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"regexp"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

func TestLogin(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a": "1"})
	off := s.client(t, "off")
	s.Disable("off")
	noDAV := s.client(t, "nodav", func(a *accounts.Account) { a.Protocols = []policy.Door{policy.SFTP} })
	wrong, unknown := *c, *c
	wrong.Password, unknown.Name = "wrong", "nobody"
	var first string
	for name, who := range map[string]*client{"wrong password": &wrong, "no account": &unknown, "disabled": off, "not on this door": noDAV} {
		t.Run(name, func(t *testing.T) {
			a := who.do("GET", "/dav/a", "")
			if a.status != http.StatusUnauthorized || !strings.HasPrefix(a.header.Get("WWW-Authenticate"), `Basic realm="Gatehouse"`) {
				t.Fatalf("got %d %v", a.status, a.header)
			}
			text := regexp.MustCompile(`reference [0-9A-Za-z-]+`).ReplaceAllString(a.body, "reference R")
			if !strings.Contains(text, "reference R") {
				t.Errorf("no reference in %q", a.body)
			}
			if first == "" {
				first = text
			}
			if text != first {
				t.Errorf("the refusal %q differs from %q: it tells who exists", text, first)
			}
		})
	}
	c.want(200, "GET", "/dav/a", "")
}

func TestLoginIsAsked(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	for _, header := range []string{"", "Bearer x", "Basic", "Basic !!!", "Basic " + "YWxpY2U=", "Basic OnB3"} {
		r := c.request("PROPFIND", "/dav/", nil)
		r.Header.Del("Authorization")
		if header != "" {
			r.Header.Set("Authorization", header)
		}
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusUnauthorized || answer.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%q: got %d %v", header, answer.StatusCode, answer.Header)
		}
	}
}

// A cookie of the web, should a browser send one along, opens nothing here.
func TestCookiesOpenNothing(t *testing.T) {
	s := newSite(t)
	r := s.client(t, "alice").request("GET", "/dav/", nil)
	r.Header.Del("Authorization")
	r.AddCookie(&http.Cookie{Name: "__Host-session", Value: "something"})
	answer, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusUnauthorized || len(answer.Cookies()) > 0 {
		t.Errorf("got %d %v", answer.StatusCode, answer.Header)
	}
}

// A password that comes in the clear from another machine is refused before it
// is looked at: right or wrong, the answer is the same, and no failure is counted.
func TestClearTextIsRefusedUnseen(t *testing.T) {
	origin := Origin{Address: netip.MustParseAddr("203.0.113.7"), Transport: policy.Clear}
	s := newSite(t, func(c *Config) { c.Origin = func(*http.Request) Origin { return origin } })
	c := s.client(t, "alice")
	wrong := *c
	wrong.Password = "wrong"
	right, other := c.do("GET", "/dav/", ""), wrong.do("GET", "/dav/", "")
	if right.status != http.StatusForbidden || other.status != right.status || other.body != right.body || right.header.Get("WWW-Authenticate") != "" {
		t.Errorf("got %d %q and %d %q, want one and the same 403", right.status, right.body, other.status, other.body)
	}
	if len(s.Sessions.List()) != 0 {
		t.Error("a session was made")
	}
	found, _, err := s.Events.List(t.Context(), events.Query{Kind: events.Refused})
	if err != nil || len(found) != 1 || found[0].Rule != string(policy.RuleTransport) || found[0].Account != "" ||
		!strings.Contains(right.body, found[0].Reference) {
		t.Errorf("events: %+v, %v; want one that the reference of %q leads to, and that names nobody", found, err, right.body)
	}
	origin.Address = netip.Addr{} // the proxies' headers disagree
	unknown := c.do("GET", "/dav/", "")
	found, _, err = s.Events.List(t.Context(), events.Query{Kind: events.Refused, Rule: string(policy.RuleAddress)})
	if err != nil || unknown.status != http.StatusForbidden || len(found) != 1 {
		t.Errorf("from nowhere: got %d, %+v, %v; want a 403 by the rule address", unknown.status, found, err)
	}
	for _, o := range []Origin{
		{Address: netip.MustParseAddr("203.0.113.7"), Transport: policy.TLS},
		{Address: netip.MustParseAddr("203.0.113.7"), Transport: policy.TLSProxied},
		{Address: netip.MustParseAddr("127.0.0.1"), Transport: policy.Clear},
		{Address: netip.MustParseAddr("::1"), Transport: policy.Clear},
	} {
		origin = o
		c.want(200, "GET", "/dav/", "")
	}
}

// A credential that may only read locks nothing and sets no property either: a
// lock keeps others from writing, and one on a free name makes a file.
func TestAReadOnlyCredentialChangesNothing(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	c.fill(map[string]string{"a": "1"})
	token := c.want(200, "LOCK", "/dav/a", lockBody).header.Get("Lock-Token")
	reader := *c
	reader.Password = s.Issue("alice", accounts.Credential{Kind: policy.KindAppPassword, Scope: policy.Scope{ReadOnly: true}})
	reader.want(200, "GET", "/dav/a", "")
	for _, name := range []string{"/dav/a", "/dav/new"} {
		reader.want(403, "LOCK", name, lockBody)
		reader.want(403, "PUT", name, "2")
		reader.want(403, "COPY", "/dav/a", "", "Destination: /dav/copy")
	}
	reader.want(403, "PROPPATCH", "/dav/a", patchBody(`<x xmlns="u">1</x>`))
	reader.want(403, "UNLOCK", "/dav/a", "", "Lock-Token: "+token)
	c.want(423, "PUT", "/dav/a", "3")
	c.wantFiles(map[string]string{"a": "1"})
}

func TestDirectOrigin(t *testing.T) {
	r := httptest.NewRequest(http.MethodGet, "/dav/", nil)
	for remote, want := range map[string]string{"192.0.2.1:5": "192.0.2.1", "[2001:db8::1]:5": "2001:db8::1", "[::ffff:192.0.2.1]:5": "192.0.2.1", "pipe": "invalid IP"} {
		r.RemoteAddr = remote
		if got := direct(r); got.Address.String() != want || got.Transport != policy.Clear {
			t.Errorf("%s: got %v", remote, got)
		}
	}
}

// The many requests of one client are one session.
func TestRequestsShareASession(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "alice")
	for range 5 {
		c.want(207, "PROPFIND", "/dav/", "", "Depth: 1")
	}
	if n := len(s.Sessions.List()); n != 1 {
		t.Errorf("%d sessions, want 1", n)
	}
}

// A panic ends its own request and says nothing of itself to the client.
func TestPanicIsContained(t *testing.T) {
	var log bytes.Buffer
	s := httptest.NewServer(New(Config{Log: slog.New(slog.NewTextHandler(&log, nil))})) // without a Manager, logging in panics
	defer s.Close()
	for range 2 {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+"/dav/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("alice", "password")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 1000)
		n, _ := answer.Body.Read(body)
		answer.Body.Close()
		if answer.StatusCode != http.StatusInternalServerError || strings.Contains(string(body[:n]), "nil") {
			t.Errorf("got %d %q", answer.StatusCode, body[:n])
		}
	}
	if !strings.Contains(log.String(), "panic in a request") || strings.Contains(log.String(), "password") {
		t.Errorf("the log says %q", log.String())
	}
}

// A client that sends Latin-1 in place of UTF-8 means the same account.
func TestLoginInLatin1(t *testing.T) {
	s := newSite(t)
	c := s.client(t, "jürgen")
	latin := *c
	latin.Name, latin.Password = "j\xfcrgen", "the password of j\xfcrgen"
	for _, who := range []*client{c, &latin} {
		if a := who.do("PROPFIND", "/dav/", "", "Depth: 0"); a.status != http.StatusMultiStatus {
			t.Errorf("%q: got %d %s", who.Name, a.status, a.body)
		}
	}
	other := *c
	other.Name = "j\xc3rgen"
	if a := other.do("PROPFIND", "/dav/", "", "Depth: 0"); a.status != http.StatusUnauthorized {
		t.Errorf("another name: got %d", a.status)
	}
}
