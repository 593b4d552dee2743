package self_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"sync/atomic"
	"testing"
	"time"

	"gatehouse/admin/admintest"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// A browser asks the account pages, each time of another node.
type browser struct {
	t      *testing.T
	client *http.Client
	site   string
	token  string // of the form that was shown last
}

var formToken = regexp.MustCompile(`name="form" value="([^"]+)"`)

func browse(t *testing.T, nodes []*admintest.Site) *browser {
	t.Helper()
	var next atomic.Int64
	var pages []http.Handler
	for _, n := range nodes {
		pages = append(pages, n.API.Pages())
	}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		pages[int(next.Add(1))%len(pages)].ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	client := server.Client()
	client.Jar, _ = cookiejar.New(nil) // never fails without options
	return &browser{t: t, client: client, site: server.URL}
}

// ask asks for a page or, with fields, sends a form, and demands a status.
func (b *browser) ask(status int, page string, fields ...string) *http.Response {
	b.t.Helper()
	method, body := http.MethodGet, url.Values{}
	if len(fields) > 0 {
		method = http.MethodPost
		body.Set("form", b.token)
	}
	for i := 0; i+1 < len(fields); i += 2 {
		body.Set(fields[i], fields[i+1])
	}
	var resp *http.Response
	var err error
	if method == http.MethodGet {
		resp, err = b.client.Get(b.site + "/account" + page)
	} else {
		resp, err = b.client.PostForm(b.site+"/account"+page, body)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != status {
		b.t.Fatalf("%s %s is %d, want %d: %s", method, page, resp.StatusCode, status, text)
	}
	if found := formToken.FindSubmatch(text); found != nil {
		b.token = string(found[1])
	}
	return resp
}

// A person's forms, login and code all go to whichever node: it is one browser at
// one gateway. Where the store is away for a while nobody is logged out.
func TestThePagesOverSeveralNodes(t *testing.T) {
	store := &admintest.Store{Store: memory.New()}
	nodes := admintest.Several(t, protocoltest.Nodes{Count: 3, Store: func(testing.TB, string) state.Store { return shared{store} }})
	p := nodes[0].Add("ann")
	begun := nodes[0].LoggedIn(p)
	secret := begun.Must(200, "POST", "/me/totp", "")["secret"].(string)
	now := time.Now()
	begun.Must(200, "POST", "/me/totp/confirm", admintest.Body("code", admintest.TOTP(t, secret, now)))
	b := browse(t, nodes)
	b.ask(200, "/")
	b.ask(200, "/login", "username", "ann", "password", p.Password)
	b.ask(200, "/code", "code", admintest.TOTP(t, secret, now.Add(30*time.Second)))
	for range 3 {
		b.ask(200, "/password")
	}
	b.ask(200, "/password", "password", "a wholly new sentence", "again", "a wholly new sentence")
	for range 3 {
		b.ask(200, "/connect")
	}
	store.Away(true)
	for range 3 {
		resp := b.ask(503, "/connect")
		if resp.Header.Get("Retry-After") == "" || len(resp.Cookies()) > 0 {
			t.Errorf("the answer has %v", resp.Header)
		}
	}
	store.Away(false)
	b.ask(200, "/connect")
	b.ask(200, "/logout", "x", "")
	for range 3 {
		if resp := b.ask(200, "/password"); resp.Request.URL.Path != "/account/" {
			t.Errorf("after the logout %s is shown", resp.Request.URL)
		}
	}
}

// shared is a store that each node closes, and that stays.
type shared struct{ state.Store }

func (shared) Close() error { return nil }
