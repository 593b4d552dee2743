package admin_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"gatehouse/admin"
	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
)

// site is an API over a whole site, asked in process.
type site struct {
	*protocoltest.World
	t      *testing.T
	web    http.Handler
	socket http.Handler
}

func newSite(t *testing.T) *site {
	w := protocoltest.NewWorld(t)
	api := admin.New(admin.Config{
		Accounts: w.Accounts, Sessions: w.Sessions, Events: w.Events, Quotas: w.Quotas, Locks: w.Locks, Log: w.Log,
		Version: "test", Hosts: []string{"files.example.org"},
		Reach: admin.Reach{
			SiteURL:   "https://files.example.org/",
			Listening: func() map[string]int { return map[string]int{"sftp": 2022, "ftp": 2121, "https": 8443} },
			HostKeys:  func() []string { return []string{"SHA256:test (ssh-ed25519)"} },
		},
		Backup: func(_ context.Context, to io.Writer, pass string) error {
			_, err := io.WriteString(to, "a backup")
			return err
		},
		Doctor: func(context.Context) []admin.Finding { return []admin.Finding{{Check: "test", Level: "ok"}} },
		Connection: func(r *http.Request) (netip.Addr, policy.Transport) {
			if r.TLS != nil {
				return netip.MustParseAddr("192.0.2.1"), policy.TLS
			}
			return netip.MustParseAddr("127.0.0.1"), policy.Clear
		},
	})
	t.Cleanup(api.Close)
	return &site{World: w, t: t, web: api.Handler(), socket: api.Socket()}
}

// admin adds an administrator and returns a client that is logged in as it.
func (s *site) admin(name string) *client {
	p := s.Add(name, func(a *accounts.Account) { a.Role = policy.RoleAdmin })
	c := &client{site: s, tls: true}
	c.must(200, http.MethodPost, "/login", `{"username":"`+name+`","password":"`+p.Password+`"}`)
	return c
}

// root is a client on the local socket.
func (s *site) root() *client { return &client{site: s, onSocket: true} }

// client is a browser or a script.
type client struct {
	*site
	tls      bool
	onSocket bool
	cookie   *http.Cookie
	header   http.Header
	host     string
}

// do asks the API; the body is text.
func (c *client) do(method, path, body string) *httptest.ResponseRecorder {
	c.t.Helper()
	r := httptest.NewRequestWithContext(c.t.Context(), method, admin.Prefix+path, strings.NewReader(body))
	r.Host = "localhost"
	if c.host != "" {
		r.Host = c.host
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for k, v := range c.header {
		r.Header[k] = v
	}
	if c.tls {
		r.TLS = &tls.ConnectionState{}
	}
	if c.cookie != nil {
		r.AddCookie(c.cookie)
	}
	w := httptest.NewRecorder()
	if c.onSocket {
		c.socket.ServeHTTP(w, r)
		return w
	}
	c.web.ServeHTTP(w, r)
	for _, set := range w.Result().Cookies() {
		c.cookie = set
	}
	return w
}

// must asks and demands a status; it returns the answer as a tree.
func (c *client) must(status int, method, path, body string) map[string]any {
	c.t.Helper()
	w := c.do(method, path, body)
	if w.Code != status {
		c.t.Fatalf("%s %s is %d, want %d: %s", method, path, w.Code, status, w.Body)
	}
	var tree map[string]any
	_ = json.Unmarshal(w.Body.Bytes(), &tree)
	return tree
}

func TestCookieRules(t *testing.T) {
	s := newSite(t)
	root := s.admin("root")
	c := root.cookie
	if c.Name != "__Host-gatehouse" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("the cookie is %+v", c)
	}
	if len(c.Value) < 26 {
		t.Errorf("the cookie has only %d characters", len(c.Value))
	}
	root.must(200, "GET", "/accounts", "")
	root.must(200, "POST", "/logout", "")
	root.cookie = c
	root.must(401, "GET", "/accounts", "")
}

// A page of another site, open in an administrator's browser, must not be able
// to change anything, by whichever trick its request gets the cookie along.
func TestCrossSiteRequestsAreRefused(t *testing.T) {
	s := newSite(t)
	root := s.admin("root")
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
			c.header = header
			if w := c.do("POST", "/accounts", body); w.Code < 400 {
				t.Errorf("it was answered with %d", w.Code)
			}
		})
	}
	if w := root.do("GET", "/accounts/eve", ""); w.Code != 404 {
		t.Errorf("eve is there: %d", w.Code)
	}
}

// A name that resolves to this machine but is not the gateway's would let
// another site's page read the API (DNS rebinding).
func TestOnlyKnownHostsAreAnswered(t *testing.T) {
	s := newSite(t)
	root := s.admin("root")
	for host, want := range map[string]int{
		"localhost": 200, "127.0.0.1:8443": 200, "[::1]:8443": 200, "files.example.org": 200, "FILES.example.org:8443": 200,
		"evil.example": 421, "localhost.evil.example": 421, "192.0.2.1": 421, "": 421,
	} {
		c := *root
		if c.host = host; host == "" {
			c.host = "."
		}
		if w := c.do("GET", "/accounts", ""); w.Code != want {
			t.Errorf("under the name %q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestRoles(t *testing.T) {
	s := newSite(t)
	s.admin("root")
	root, err := s.Accounts.Account(t.Context(), "root")
	if err != nil {
		t.Fatal(err)
	}
	for role, want := range map[policy.Role]struct{ read, write int }{
		policy.RoleAdmin: {200, 200}, policy.RoleAuditor: {200, 403}, policy.RoleUser: {403, 403}, policy.RoleGuest: {403, 403},
	} {
		p := s.Add("a-"+string(role), func(a *accounts.Account) {
			if a.Role = role; role == policy.RoleGuest {
				a.ManagedBy = []string{root.ID}
			}
		})
		c := &client{site: s, tls: true}
		c.must(200, "POST", "/login", `{"username":"`+p.Name+`","password":"`+p.Password+`"}`)
		c.must(200, "GET", "/me", "")
		for _, path := range []string{"/accounts", "/site", "/sessions", "/events", "/quotas", "/doctor", "/invitations", "/rules"} {
			if w := c.do("GET", path, ""); w.Code != want.read {
				t.Errorf("%s reads %s: %d, want %d: %s", role, path, w.Code, want.read, w.Body)
			}
		}
		if w := c.do("PATCH", "/site", `{"language":"de"}`); w.Code != want.write {
			t.Errorf("%s writes the site: %d, want %d", role, w.Code, want.write)
		}
		if w := c.do("POST", "/backup", `{"passphrase":"long enough"}`); w.Code != 403 {
			t.Errorf("%s gets a backup over the web: %d", role, w.Code)
		}
	}
	(&client{site: s, tls: true}).must(401, "GET", "/accounts", "")
}

func TestADemotedAdministratorIsNoneAtOnce(t *testing.T) {
	s := newSite(t)
	s.admin("root")
	second := s.admin("second")
	s.Change("second", func(a *accounts.Account) { a.Role = policy.RoleUser })
	eventually(t, func() bool { return second.do("GET", "/accounts", "").Code == 403 })
	s.Disable("second")
	eventually(t, func() bool { return second.do("GET", "/me", "").Code == 401 })
}

func TestAccountLife(t *testing.T) {
	s := newSite(t)
	c := s.root()
	made := c.must(201, "POST", "/accounts", `{"username":"alice","password":"a long passphrase","quota":{"limit_bytes":1000},"allowed_ips":["203.0.113.7","10.0.0.0/8"],"expires":"2031-02-03"}`)
	if made["home"] != "/home/alice" || made["role"] != "user" {
		t.Errorf("made %v", made)
	}
	c.must(409, "POST", "/accounts", `{"username":"ALICE"}`)
	w := c.do("GET", "/accounts/alice", "")
	tag := w.Header().Get("ETag")
	c.header = http.Header{"If-Match": {tag}}
	got := c.must(200, "PATCH", "/accounts/alice", `{"display_name":"Alice","allowed_ips":null}`)
	if got["display_name"] != "Alice" || got["allowed_ips"] != nil || got["expires"] != "2031-02-03" {
		t.Errorf("patched to %v", got)
	}
	c.must(412, "PATCH", "/accounts/alice", `{"display_name":"lost update"}`)
	c.header = nil
	if q := c.must(200, "GET", "/accounts/alice/usage", ""); q["limit_bytes"] != 1000.0 || q["limit_files"] != nil {
		t.Errorf("usage is %v", q)
	}
	c.must(422, "PATCH", "/accounts/alice", `{"no_such_key":1}`)
	c.must(422, "PATCH", "/accounts/alice", `{"time_zone":"Mars/Olympus"}`)
	c.must(422, "PATCH", "/accounts/alice", `{"groups":["nobody"]}`)
	c.must(200, "POST", "/accounts/alice/disable", `{"why":"holidays"}`)
	if v := c.must(200, "GET", "/accounts/alice", ""); v["status"].(map[string]any)["state"] != "disabled" {
		t.Errorf("status is %v", v["status"])
	}
	c.must(200, "POST", "/accounts/alice/enable", "")
	c.must(422, "DELETE", "/accounts/alice?files=delete&confirm=bob", "")
	c.must(422, "DELETE", "/accounts/alice?confirm=alice", "")
	if w := c.do("DELETE", "/accounts/alice?files=delete&confirm=alice", ""); w.Code >= 300 {
		t.Fatalf("delete is %d: %s", w.Code, w.Body)
	}
	c.must(404, "GET", "/accounts/alice", "")
}

func TestNoSecretIsEverAnswered(t *testing.T) {
	s := newSite(t)
	c := s.root()
	const secret = "hunter2-hunter2-hunter2"
	for _, body := range []string{
		`{"username":"alice","password":"` + secret + `"}`,
		`{"username":"bob","password":"` + secret + `","role":"emperor"}`,
		`{"username":"carol","password":"` + secret + `","nonsense":"` + secret + `"}`,
		`{"username":"dave","password":["` + secret + `"]}`,
	} {
		if w := c.do("POST", "/accounts", body); bytes.Contains(w.Body.Bytes(), []byte(secret)) {
			t.Errorf("the answer repeats the secret: %s", w.Body)
		}
	}
	for _, path := range []string{"/accounts/alice", "/events", "/accounts"} {
		text := c.do("GET", path, "").Body.String()
		if strings.Contains(text, secret) || strings.Contains(text, "$argon2id$") {
			t.Errorf("%s shows a secret: %s", path, text)
		}
	}
}

func TestTheLastAdministratorStays(t *testing.T) {
	s := newSite(t)
	root := s.admin("root")
	for _, body := range []string{`{"role":"user"}`, `{"protocols":["sftp"]}`, `{"expires":"2020-01-01"}`} {
		if w := root.do("PATCH", "/accounts/root?confirm=self", body); w.Code != 409 {
			t.Errorf("%s is %d, want 409: %s", body, w.Code, w.Body)
		}
	}
	root.must(409, "DELETE", "/accounts/root?files=keep&confirm=root", "")
	s.root().must(200, "PATCH", "/accounts/root", `{"role":"user"}`)
}

func TestEndingOnesOwnSessionAsksForConfirmation(t *testing.T) {
	s := newSite(t)
	s.admin("other")
	root := s.admin("root")
	root.must(409, "PATCH", "/accounts/root", `{"allowed_ips":["203.0.113.0/24"]}`)
	root.must(409, "PATCH", "/site", `{"allowed_ips":["203.0.113.0/24"]}`)
	root.must(200, "PATCH", "/accounts/root", `{"display_name":"Root"}`)
	root.must(200, "PATCH", "/accounts/root?confirm=self", `{"allowed_ips":["203.0.113.0/24"]}`)
	eventually(t, func() bool { return root.do("GET", "/accounts", "").Code == 401 })
}

func TestAPasswordThatMustBeChangedLetsNothingElseBeDone(t *testing.T) {
	s := newSite(t)
	s.admin("root")
	s.root().must(201, "POST", "/accounts", `{"username":"second","role":"admin","password":"the first passphrase","must_change":true}`)
	c := &client{site: s, tls: true}
	if v := c.must(200, "POST", "/login", `{"username":"second","password":"the first passphrase"}`); v["must_change_password"] != true {
		t.Errorf("logged in as %v", v)
	}
	before := c.cookie.Value
	c.must(403, "GET", "/accounts", "")
	c.must(401, "PUT", "/me/password", `{"current":"wrong","new":"the second passphrase"}`)
	c.must(422, "PUT", "/me/password", `{"current":"the first passphrase","new":"the first passphrase"}`)
	c.must(422, "PUT", "/me/password", `{"current":"the first passphrase","new":"short"}`)
	c.must(200, "PUT", "/me/password", `{"current":"the first passphrase","new":"the second passphrase"}`)
	if c.cookie.Value == before {
		t.Error("the cookie is the same as before the change")
	}
	c.must(200, "GET", "/accounts", "")
	old := &client{site: s, tls: true, cookie: &http.Cookie{Name: c.cookie.Name, Value: before}}
	old.must(401, "GET", "/me", "")
}

func TestGroupsGrantsAndKeys(t *testing.T) {
	s := newSite(t)
	c := s.root()
	ann := s.Add("ann")
	s.Add("bob")
	c.must(201, "POST", "/groups", `{"name":"crew","protocols":["sftp"]}`)
	c.must(200, "PUT", "/groups/crew/members/bob", "")
	c.must(200, "POST", "/groups/crew/grants", `{"path":"`+ann.Home.String()+`","preset":"read-only"}`)
	if g := c.must(200, "GET", "/groups/crew", ""); len(g["members"].([]any)) != 1 || len(g["grants"].([]any)) != 1 {
		t.Errorf("the group is %v", g)
	}
	access := c.do("GET", "/accounts/bob/access", "").Body.String()
	if !strings.Contains(access, "group crew") || !strings.Contains(access, ann.Home.String()) {
		t.Errorf("access does not name the group: %s", access)
	}
	c.must(422, "POST", "/accounts/bob/grants", `{"path":"/no/such/folder","preset":"full"}`)
	c.must(422, "POST", "/accounts/bob/grants", `{"path":"/home/ann"}`)
	g := c.must(201, "POST", "/accounts/bob/grants", `{"path":"/home/ann","permissions":["list","read"],"at":"anns"}`)
	if w := c.do("DELETE", "/accounts/bob/grants/"+g["id"].(string), ""); w.Code >= 300 {
		t.Errorf("removing a grant is %d", w.Code)
	}
	c.must(422, "POST", "/accounts/bob/keys", `{"key":"ssh-dss AAAA"}`)
	key := protocoltest.NewKey(t)
	k := c.must(201, "POST", "/accounts/bob/keys", `{"key":"`+authorized(key)+`","name":"laptop"}`)
	c.must(422, "POST", "/accounts/bob/keys", `{"key":"`+authorized(key)+`"}`)
	if w := c.do("DELETE", "/accounts/bob/keys/"+k["id"].(string), ""); w.Code >= 300 {
		t.Errorf("removing a key is %d", w.Code)
	}
	if w := c.do("DELETE", "/groups/crew", ""); w.Code >= 300 {
		t.Errorf("deleting a group is %d", w.Code)
	}
}

func TestEveryChangeIsAnEvent(t *testing.T) {
	s := newSite(t)
	c := s.root()
	c.must(201, "POST", "/accounts", `{"username":"alice"}`)
	c.must(200, "PATCH", "/accounts/alice", `{"display_name":"Alice"}`)
	c.must(200, "PATCH", "/site", `{"names":"portable"}`)
	list := c.must(200, "GET", "/events", "")
	text, _ := json.Marshal(list)
	for _, want := range []string{`"account.create"`, `"account.change"`, `"site.change"`, `"display_name":"Alice"`, `"names":"portable"`, `socket (uid`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the events lack %s: %s", want, text)
		}
	}
}

func TestSiteChangesAreStrict(t *testing.T) {
	s := newSite(t)
	c := s.root()
	for _, body := range []string{`{"no_such":1}`, `{"names":"odd"}`, `{"lockout":{"failures":-1}}`, `{"lockout":{"period":"soon"}}`, `{"plain_ftp":"maybe"}`, `{"time_zone":"Mars"}`, `[]`, `x`} {
		if w := c.do("PATCH", "/site", body); w.Code < 400 || w.Code >= 500 {
			t.Errorf("%s is %d: %s", body, w.Code, w.Body)
		}
	}
	c.must(200, "PATCH", "/site", `{"lockout":{"failures":7}}`)
	if v := c.must(200, "GET", "/site", ""); v["lockout"].(map[string]any)["failures"] != 7.0 {
		t.Errorf("lockout is %v", v["lockout"])
	}
}
