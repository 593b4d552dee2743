package admin_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"gatehouse/admin"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

const aKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl laptop"

// A stolen token writes a document with "secrets" spelt in another way that JSON
// has, to set a password that it knows.
func TestNoSpellingOfSecretsPassesTheCheck(t *testing.T) {
	s := newSite(t)
	s.admin("boss")
	token := &client{site: s, tls: true, header: http.Header{"Authorization": {"Bearer " + secretOf(t, s, "boss")}}}
	victim := s.Add("victim")
	for _, key := range []string{`secrets`, `\u0073ecrets`, `secret\u0073`} {
		token.must(403, http.MethodPost, "/apply", `{"gatehouse":1,"accounts":[{"username":"victim","`+key+`":{"password":{"hash":"`+hash+`"}}}]}`)
	}
	s.login(victim)
}

// A stolen token would stay when it is revoked, if it could give its own account
// a key, or an e-mail address to which reset links go.
func TestADocumentChangesNoCredentialsOfItsOwnAccountForAToken(t *testing.T) {
	s := newSite(t)
	boss := s.admin("boss")
	token := &client{site: s, tls: true, header: http.Header{"Authorization": {"Bearer " + secretOf(t, s, "boss")}}}
	for name, field := range map[string]string{
		"a key": `"keys":[{"public_key":"` + aKey + `"}]`, "e-mail": `"email":"mallory@example.org"`,
		"recovery e-mail": `"recovery_email":"mallory@example.org"`, "the factor": `"second_factor":"exempt"`,
	} {
		doc := `{"gatehouse":1,"accounts":[{"username":"boss",` + field + `}]}`
		for _, query := range []string{"", "?dry_run=true"} {
			got := token.must(200, http.MethodPost, "/apply"+query, doc)
			if refused, _ := got["refused"].([]any); len(refused) != 1 {
				t.Errorf("%s%s by a token: %v", name, query, got)
			}
		}
		got := boss.must(200, http.MethodPost, "/apply?confirm=self", doc)
		if changes, _ := got["changes"].([]any); len(changes) != 1 {
			t.Errorf("%s by who has just proved itself: %v", name, got)
		}
	}
	token.must(200, http.MethodPost, "/apply", `{"gatehouse":1,"accounts":[{"username":"boss","theme":"dark"}]}`)
}

// A group in a document may take the caller's own doors away.
func TestADocumentThatEndsOnesOwnSessionAsksForConfirmation(t *testing.T) {
	s := newSite(t)
	boss := s.admin("boss")
	s.admin("other")
	boss.must(201, http.MethodPost, "/groups", `{"name":"staff"}`)
	boss.must(200, http.MethodPut, "/groups/staff/members/boss", "")
	got := boss.must(200, http.MethodPost, "/apply", `{"gatehouse":1,"groups":[{"name":"staff","protocols":["sftp"]}]}`)
	if refused, _ := got["refused"].([]any); len(refused) != 1 {
		t.Errorf("without confirm=self: %v", got)
	}
	boss.must(200, http.MethodGet, "/me", "")
}

// Who may make no group must not learn from the answer who has an account here.
func TestMakingAGroupIsNoOracleForNames(t *testing.T) {
	s := newSite(t)
	s.admin("boss")
	s.Add("victim")
	guest := s.login(s.Add("eve"))
	for _, body := range []string{
		`{"name":"g","managers":["NAME"]}`, `{"name":"g","kind":"personal","owner":"NAME"}`, `{"name":"g","kind":"personal","managers":["NAME"]}`,
	} {
		known := guest.do(http.MethodPost, "/groups", strings.ReplaceAll(body, "NAME", "victim"))
		unknown := guest.do(http.MethodPost, "/groups", strings.ReplaceAll(body, "NAME", "nobody"))
		if known.Code != 403 || unknown.Code != known.Code || unknown.Body.String() != known.Body.String() {
			t.Errorf("%s: %d %s\nand %d %s", body, known.Code, known.Body, unknown.Code, unknown.Body)
		}
	}
}

// An answer may hold a secret that is shown once: nobody on the way keeps it,
// and no browser takes it for something else.
func TestAnswersAreNotKept(t *testing.T) {
	s := newSite(t)
	boss := s.admin("boss")
	for _, path := range []string{"/me", "/accounts/boss", "/accounts/nobody", "/openapi.json", "/", "/nothing", "/accounts.csv"} {
		h := boss.do(http.MethodGet, path, "").Header()
		if h.Get("Cache-Control") != "no-store" || h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s is answered with %v", path, h)
		}
	}
}

// If-Match is asked for wherever an account is changed, not with its settings alone.
func TestEveryChangeOfAnAccountHeedsIfMatch(t *testing.T) {
	s := newSite(t)
	boss := s.admin("boss")
	s.Add("ann")
	boss.must(201, http.MethodPost, "/groups", `{"name":"staff"}`)
	made := boss.must(201, http.MethodPost, "/accounts/ann/tokens", `{"name":"t"}`)
	id, _ := made["id"].(string)
	stale := &client{site: s, tls: true, cookie: boss.cookie, header: http.Header{"If-Match": {`"1"`}}}
	for _, c := range []struct{ method, path, body string }{
		{http.MethodPut, "/accounts/ann/password", `{"password":"a-new-password-1"}`},
		{http.MethodPost, "/accounts/ann/tokens", `{"name":"u"}`},
		{http.MethodPost, "/accounts/ann/app-passwords", `{"name":"u"}`},
		{http.MethodDelete, "/accounts/ann/tokens/" + id, ""},
		{http.MethodPost, "/accounts/ann/keys", `{"key":"` + aKey + `"}`},
		{http.MethodDelete, "/accounts/ann/totp", ""},
		{http.MethodPut, "/groups/staff/members/ann", ""},
		{http.MethodDelete, "/groups/staff/members/ann", ""},
	} {
		stale.must(412, c.method, c.path, c.body)
	}
	tag := boss.do(http.MethodGet, "/accounts/ann", "").Header().Get("ETag")
	fresh := &client{site: s, tls: true, cookie: boss.cookie, header: http.Header{"If-Match": {tag}}}
	fresh.must(200, http.MethodDelete, "/accounts/ann/tokens/"+id, "")
	fresh.must(412, http.MethodPost, "/accounts/ann/tokens", `{"name":"u"}`)
}

// A problem names the field as the API calls it, whoever found it.
func TestProblemsNameTheFieldOfTheAPI(t *testing.T) {
	s := newSite(t)
	boss := s.admin("boss")
	s.Add("ann")
	boss.must(201, http.MethodPost, "/groups", `{"name":"staff"}`)
	for _, c := range []struct{ path, body, want string }{
		{"/accounts/ann", `{"quota":{"limit_bytes":-5}}`, `"body.quota.limit_bytes"`},
		{"/accounts/ann", `{"quota":{"limit_files":-5}}`, `"body.quota.limit_files"`},
		{"/groups/staff", `{"folder":"/f","folder_quota":{"limit_bytes":-5}}`, `"body.folder_quota.limit_bytes"`},
		{"/accounts/ann", `[]`, `"body"`},
	} {
		if w := boss.do(http.MethodPatch, c.path, c.body); w.Code != 422 || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s, want %s", c.body, w.Code, w.Body, c.want)
		}
	}
}

// One delegate that opens stream after stream must not keep administrators from
// following.
func TestOneFollowerLeavesRoomForOthers(t *testing.T) {
	s := newSite(t)
	boss := s.admin("boss")
	dora := s.login(s.Add("dora", func(a *accounts.Account) { a.Manage = policy.Manage{Users: true} }))
	server := httptest.NewTLSServer(s.web)
	t.Cleanup(server.Close)
	follow := func(c *client) int {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+admin.Prefix+"/events/live", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.AddCookie(c.cookie)
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

// A list is opened where the semicolon parts cells, too: there a formula may
// stand in the middle of what is one cell elsewhere.
func TestFormulasInTheMiddleOfACellAreInert(t *testing.T) {
	s := newSite(t)
	boss := s.admin("boss")
	boss.must(201, http.MethodPost, "/accounts", `{"username":"eve","password":"a-new-password-1","display_name":"x;=1+1"}`)
	text := boss.do(http.MethodGet, "/accounts.csv", "").Body.String()
	if strings.Contains(text, ";=1+1") || !strings.Contains(text, "x;'=1+1") {
		t.Errorf("the list has %s", text)
	}
}

// Beside the site's list an account's own addresses open: for a delegate they
// would be the bypass that it may not give.
func TestADelegateOpensNoAddressThatTheSiteKeepsOut(t *testing.T) {
	o := newOffice(t)
	everywhere := `{"allowed_ips":["0.0.0.0/0"]}`
	o.delegate.must(200, http.MethodPatch, "/accounts/ann", everywhere) // without the site's list it keeps out nobody else
	o.root().must(200, http.MethodPatch, "/accounts/ann", `{"allowed_ips":null}`)
	o.root().must(200, http.MethodPatch, "/site", `{"allowed_ips":["192.0.2.0/24"]}`)
	if f := o.delegate.refusedField(http.MethodPatch, "/accounts/ann", everywhere); f != "allowed_ips" {
		t.Errorf("the problem names %q", f)
	}
	body := `{"username":"new","password":"a-new-password-1","allowed_ips":["198.51.100.0/24"]}`
	if f := o.delegate.refusedField(http.MethodPost, "/accounts", body); f != "allowed_ips" {
		t.Errorf("the problem names %q", f)
	}
	o.delegate.must(200, http.MethodPatch, "/accounts/ann", `{"allowed_ips":["192.0.2.7"]}`)
	o.root().must(200, http.MethodPatch, "/accounts/ann", everywhere)
	o.delegate.must(200, http.MethodPatch, "/accounts/ann", `{"display_name":"Ann"}`) // what an administrator gave stays
}
