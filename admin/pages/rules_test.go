package pages_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/accounts/links"
)

// visitor is a browser that shows the tester everything.
type visitor struct {
	*site
	t      *testing.T
	client *http.Client
	header http.Header
	token  string // of the form on the latest page
}

func (s *site) visitor(t *testing.T) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	must(t, err)
	client := &http.Client{Transport: s.web.Client().Transport, Jar: jar}
	return &visitor{site: s, t: t, client: client}
}

var formToken = regexp.MustCompile(`name="form" value="([^"]+)"`)

// do asks for a page, following where it leads, and returns it.
func (v *visitor) do(method, name string, form url.Values) (status int, text string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), method, v.page(name), strings.NewReader(form.Encode()))
	must(v.t, err)
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for k, values := range v.header {
		r.Header[k] = values
	}
	resp, err := v.client.Do(r)
	must(v.t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	must(v.t, err)
	if found := formToken.FindSubmatch(body); found != nil {
		v.token = string(found[1])
	}
	return resp.StatusCode, string(body)
}

func (v *visitor) get(name string) (status int, text string) {
	v.t.Helper()
	return v.do(http.MethodGet, name, nil)
}

// post sends a form as the latest page has made it.
func (v *visitor) post(name string, pairs ...string) (status int, text string) {
	v.t.Helper()
	form := url.Values{"form": {v.token}}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return v.do(http.MethodPost, name, form)
}

// sees demands a page by its heading.
func (v *visitor) sees(heading, text string) {
	v.t.Helper()
	if !strings.Contains(text, "<h1>"+heading+"</h1>") {
		v.t.Fatalf("the page is not %q:\n%s", heading, text)
	}
}

// logIn logs in and demands the page that follows.
func (v *visitor) logIn(name, password, heading string) {
	v.t.Helper()
	v.get("/")
	_, text := v.post("/login", "username", name, "password", password)
	v.sees(heading, text)
}

// cookie is what the browser holds under a name.
func (v *visitor) cookie(name string) string {
	v.t.Helper()
	u, err := url.Parse(v.page("/"))
	must(v.t, err)
	for _, c := range v.client.Jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// plant puts a cookie into the browser, as an attacker beside it would.
func (v *visitor) plant(name, value string) {
	v.t.Helper()
	u, err := url.Parse(v.page("/"))
	must(v.t, err)
	v.client.Jar.SetCookies(u, []*http.Cookie{{Name: name, Value: value, Path: "/", Secure: true}})
}

const loginCookie = "__Host-gatehouse-account"

// A program that follows every link of a mail must not use an invitation up, nor
// may one that sends the forms it finds.
func TestAMailScannerUsesNoLinkUp(t *testing.T) {
	s := newSite(t)
	ann := s.Add("ann")
	invitation := links.Invitation{Email: "bob@example.org", Role: policy.RoleUser}
	for page, l := range map[string]links.Link{
		"/invitation": {Kind: links.Invite, By: "socket", Invitation: &invitation},
		"/reset":      {Kind: links.Reset, By: "socket", Account: ann.ID},
	} {
		secret := s.link(l)
		scanner := s.visitor(t)
		for _, method := range []string{http.MethodGet, http.MethodHead} {
			for _, address := range []string{page + "#" + secret, page + "?secret=" + secret, page + "/accept?secret=" + secret} {
				scanner.do(method, address, nil)
			}
		}
		scanner.token = ""
		if status, _ := scanner.post(page, "secret", secret); status != 403 {
			t.Errorf("%s: a form without its token is %d", page, status)
		}
		scanner.get(page)
		scanner.post(page, "secret", secret) // looks, and takes nothing
		v := s.visitor(t)
		v.get(page)
		if status, text := v.post(page, "secret", v.page(page)+"#"+secret); status != 200 {
			t.Fatalf("%s: the link is no good afterwards: %d\n%s", page, status, text)
		}
		status, text := v.post(page+"/accept", "secret", secret, "username", "bob", "password", "a wholly new passphrase", "again", "a wholly new passphrase")
		if status != 200 {
			t.Fatalf("%s: it cannot be used: %d\n%s", page, status, text)
		}
		if status, _ := v.post(page+"/accept", "secret", secret, "username", "bob2", "password", "a wholly new passphrase", "again", "a wholly new passphrase"); status != 410 {
			t.Errorf("%s: it is used twice: %d", page, status)
		}
	}
}

// A page of another site must not be able to log somebody in, or to change
// anything, with the browser of who looks at it.
func TestFormsOfOtherSitesAreRefused(t *testing.T) {
	s := newSite(t)
	ann := s.mustChange("ann")
	for name, header := range map[string]http.Header{
		"Sec-Fetch-Site": {"Sec-Fetch-Site": {"cross-site"}},
		"same site":      {"Sec-Fetch-Site": {"same-site"}},
		"Origin":         {"Origin": {"https://evil.example"}},
		"no origin":      {"Origin": {"null"}},
	} {
		v := s.visitor(t)
		v.logIn("ann", ann.Password, "Set a new password")
		v.header = header
		if status, _ := v.post("/password", "password", "of somebody else", "again", "of somebody else"); status != 403 {
			t.Errorf("%s: a new password is %d", name, status)
		}
		if status, _ := v.post("/login", "username", "ann", "password", ann.Password); status != 403 {
			t.Errorf("%s: a login is %d", name, status)
		}
	}
	v, other := s.visitor(t), s.visitor(t)
	other.get("/")
	v.logIn("ann", ann.Password, "Set a new password")
	mine := v.token
	for name, token := range map[string]string{"none": "", "another browser's": other.token, "wrong": mine + "x"} {
		v.token = token
		if status, _ := v.post("/password", "password", "of somebody else", "again", "of somebody else"); status != 403 {
			t.Errorf("a form with the token %s is %d", name, status)
		}
	}
	v.token = mine
	v.header = http.Header{"Content-Type": {"text/plain"}}
	if status, _ := v.post("/password", "password", "of somebody else", "again", "of somebody else"); status != 415 {
		t.Errorf("a form that is none is %d", status)
	}
	s.visitor(t).logIn("ann", ann.Password, "Set a new password")
}

// Who has put a cookie into somebody's browser, or read one there before, must
// not be logged in with it afterwards.
func TestALoginGetsANewCookie(t *testing.T) {
	s := newSite(t)
	ann, eve := s.mustChange("ann"), s.Add("eve")
	attacker := s.visitor(t)
	attacker.logIn("eve", eve.Password, "Your account")
	for name, planted := range map[string]string{"made up": "AAAAAAAAAAAAAAAAAAAAAAAAAA", "the attacker's": attacker.cookie(loginCookie)} {
		v := s.visitor(t)
		v.plant(loginCookie, planted)
		v.get("/")
		if _, text := v.post("/login", "username", "ann", "password", ann.Password); !strings.Contains(text, "Set a new password") {
			t.Fatalf("%s: no login: %s", name, text)
		}
		if v.cookie(loginCookie) == planted {
			t.Errorf("%s: the planted cookie is ann's login", name)
		}
		thief := s.visitor(t)
		thief.plant(loginCookie, planted)
		if _, text := thief.get("/"); strings.Contains(text, "ann") {
			t.Errorf("%s: the planted cookie shows ann's page", name)
		}
	}
	v, elsewhere := s.visitor(t), s.visitor(t)
	elsewhere.logIn("ann", ann.Password, "Set a new password")
	v.logIn("ann", ann.Password, "Set a new password")
	before := v.cookie(loginCookie)
	_, text := v.post("/password", "password", "a wholly new passphrase", "again", "a wholly new passphrase")
	v.sees("Your account", text)
	if v.cookie(loginCookie) == before {
		t.Error("the cookie stays when the password changes")
	}
	thief := s.visitor(t)
	thief.plant(loginCookie, before)
	_, text = thief.get("/")
	thief.sees("Log in", text)
	_, text = elsewhere.get("/")
	elsewhere.sees("Log in", text)
}

// Whatever protocols an account has, it must be able to set its password; but
// nobody comes in here who may not come in at all.
func TestWhoComesIn(t *testing.T) {
	s := newSite(t)
	for name, c := range map[string]struct {
		change  func(*accounts.Account)
		heading string
	}{
		"no protocol":     {func(a *accounts.Account) { a.Protocols = []policy.Door{} }, "Your account"},
		"sftp alone":      {func(a *accounts.Account) { a.Protocols = []policy.Door{policy.SFTP} }, "Your account"},
		"disabled":        {func(a *accounts.Account) { a.Status.Disabled = true }, "Log in"},
		"expired":         {func(a *accounts.Account) { a.Expires = &policy.Expiry{Instant: time.Now().Add(-time.Hour)} }, "Log in"},
		"another address": {func(a *accounts.Account) { a.AllowedIPs = prefixes("203.0.113.0/24") }, "Log in"},
		"no password":     {func(a *accounts.Account) { a.Password = nil }, "Log in"},
	} {
		t.Run(name, func(t *testing.T) {
			p := s.Add("a " + name)
			s.Change(p.Name, c.change)
			v := s.visitor(t)
			v.logIn(p.Name, p.Password, c.heading)
			if c.heading == "Your account" {
				return
			}
			secret := s.link(links.Link{Kind: links.Reset, By: "socket", Account: p.ID})
			v.get("/reset")
			status, text := v.post("/reset/accept", "secret", secret, "password", "a wholly new passphrase", "again", "a wholly new passphrase")
			if want := name == "no password"; (status == 200) != want {
				t.Errorf("a reset link is %d: %s", status, text)
			}
		})
	}
}

// A cookie of the pages must not open the API to an account whose protocols leave
// it out.
func TestALoginHereIsNoneToTheAPI(t *testing.T) {
	s := newSite(t)
	ann := s.Add("ann", func(a *accounts.Account) { a.Protocols = []policy.Door{policy.SFTP} })
	v := s.visitor(t)
	v.logIn("ann", ann.Password, "Your account")
	for _, name := range []string{loginCookie, "__Host-gatehouse"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://127.0.0.1/api/v1/me", nil)
		must(t, err)
		r.AddCookie(&http.Cookie{Name: name, Value: v.cookie(loginCookie)})
		if status := s.ask(r); status != 401 {
			t.Errorf("with the cookie as %s the API answers %d", name, status)
		}
	}
}

// Until the second factor is enrolled that must be, and the password changed,
// there is nothing else to be had.
func TestFirstThingsFirst(t *testing.T) {
	s := newSite(t)
	ann := s.mustChange("ann")
	s.Change("ann", func(a *accounts.Account) { a.SecondFactor.Required = policy.Allow })
	v := s.visitor(t)
	v.logIn("ann", ann.Password, "Second factor")
	for _, page := range []string{"/", "/connect", "/password", "/second-factor"} {
		_, text := v.get(page)
		v.sees("Second factor", text)
	}
	if _, text := v.post("/password", "password", "a wholly new passphrase", "again", "a wholly new passphrase"); strings.Contains(text, "is set") {
		t.Error("the password comes first")
	}
	_, text := v.post("/second-factor")
	secret := regexp.MustCompile(`id="secret">([A-Z2-7 ]+)<`).FindStringSubmatch(text)
	if secret == nil {
		t.Fatalf("there is no secret:\n%s", text)
	}
	_, text = v.post("/second-factor/confirm", "code", code(t, secret[1], time.Now()))
	v.sees("Your recovery codes", text)
	for _, page := range []string{"/", "/connect", "/second-factor"} {
		_, text := v.get(page)
		v.sees("Set a new password", text)
	}
	_, text = v.post("/password", "password", "a wholly new passphrase", "again", "a wholly new passphrase")
	v.sees("Your account", text)
	_, text = v.get("/connect")
	v.sees("How to connect", text)
}

// The pages must stand under a policy that lets no script run, and hold none.
func TestThePagesHoldNoScript(t *testing.T) {
	s := newSite(t)
	v := s.visitor(t)
	v.logIn("ann", s.mustChange("ann").Password, "Set a new password")
	forbidden := regexp.MustCompile(`(?i)<script|<style|javascript:| style=| on[a-z]+=`)
	for _, page := range []string{"/", "/password", "/second-factor", "/connect", "/invitation", "/reset", "/nowhere"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.page(page), nil)
		must(t, err)
		resp, err := v.client.Do(r)
		must(t, err)
		body, err := io.ReadAll(resp.Body)
		must(t, err)
		_ = resp.Body.Close()
		csp := resp.Header.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "form-action 'self'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: the policy is %q", page, csp)
			}
		}
		if found := forbidden.Find(body); found != nil {
			t.Errorf("%s holds %q", page, found)
		}
		if resp.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be kept: %q", page, resp.Header.Get("Cache-Control"))
		}
	}
}

// What was sent in the clear from another machine has been read by others; a
// name that is not the gateway's leads another site's page here.
func TestWhereThePagesAnswer(t *testing.T) {
	s := newSite(t)
	for name, c := range map[string]struct {
		host, from string
		want       int
	}{
		"loopback in the clear": {"localhost", "127.0.0.1:1000", 200},
		"another machine":       {"localhost", "192.0.2.1:1000", 403},
		"another name":          {"evil.example", "127.0.0.1:1000", 421},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.host+"/account/", nil)
		must(t, err)
		r.RemoteAddr = c.from
		if got := s.ask(r); got != c.want {
			t.Errorf("%s is %d, want %d", name, got, c.want)
		}
	}
}
