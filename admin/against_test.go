package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

func told(t *testing.T, s *admintest.Site, kind events.Kind) []events.Event {
	t.Helper()
	found, _, err := s.Events.List(t.Context(), events.Query{Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// guess tries wrong passwords until the site's patience ends.
func guess(s *admintest.Site, name string, times int) {
	for i := range times {
		(&admintest.Client{Site: s, TLS: true}).Do(http.MethodPost, "/login", admintest.Body("username", name, "password", strings.Repeat("x", i+1)))
	}
}

// A locked account looks locked, can be found, and unlocking it says what it was.
func TestALockedAccountLooksLocked(t *testing.T) {
	s := admintest.New(t)
	root := s.Root()
	root.Must(200, http.MethodPatch, "/site", `{"lockout":{"failures":3},"ban":{"failures":0}}`)
	s.Add("anna")
	s.Add("bert")
	guess(s, "anna", 2)
	if x := root.Must(200, http.MethodGet, "/accounts/anna", ""); x["failed_logins"] != 2.0 || x["locked_until"] != nil {
		t.Errorf("two failures: %v", x)
	}
	guess(s, "anna", 3)
	x := root.Must(200, http.MethodGet, "/accounts/anna", "")
	until, err := time.Parse(time.RFC3339, x["locked_until"].(string))
	if err != nil || !until.After(time.Now()) || x["failed_logins"] != 3.0 {
		t.Errorf("it is locked until %v after %v: %v", x["locked_until"], x["failed_logins"], err)
	}
	for query, want := range map[string]int{"status=locked": 1, "status=enabled": 2, "status=locked&role=guest": 0} {
		items, _ := root.Must(200, http.MethodGet, "/accounts?"+query, "")["items"].([]any)
		if len(items) != want || want == 1 && items[0].(map[string]any)["locked_until"] == nil {
			t.Errorf("%s: got %v", query, items)
		}
	}
	for i, was := range []bool{true, false} {
		if x := root.Must(200, http.MethodPost, "/accounts/anna/unlock", ""); x["was_locked"] != was || x["locked_until"] != nil || x["failed_logins"] != nil {
			t.Errorf("%d: got %v", i, x)
		}
	}
	unlocks := told(t, s, "account.unlock")
	if len(unlocks) != 2 || unlocks[1].Before["failed_logins"] != 3.0 && unlocks[1].Before["failed_logins"] != 3 || unlocks[1].Before["locked_until"] == nil {
		t.Errorf("the trail tells %+v", unlocks)
	}
}

// Bans are seen by administrators and auditors, and lifted by administrators.
func TestBansAreSeenAndLifted(t *testing.T) {
	s := admintest.New(t)
	boss := s.Admin("boss")
	auditor := s.LoggedIn(s.Add("auditor", func(a *accounts.Account) { a.Role = policy.RoleAuditor }))
	user := s.LoggedIn(s.Add("user"))
	root := s.Root()
	root.Must(200, http.MethodPatch, "/site", `{"lockout":{"failures":0},"ban":{"failures":3}}`)
	if bans := boss.List("/bans"); len(bans) != 0 {
		t.Errorf("nobody has failed yet: %v", bans)
	}
	guess(s, "user", 4)
	for _, c := range []*admintest.Client{root, auditor} {
		bans := c.List("/bans")
		if len(bans) != 1 || bans[0]["address"] != "192.0.2.1" || bans[0]["until"] == nil {
			t.Errorf("the bans are %v", bans)
		}
	}
	user.Must(403, http.MethodGet, "/bans", "")
	auditor.Must(403, http.MethodDelete, "/bans/192.0.2.1", "")
	root.Must(422, http.MethodDelete, "/bans/nonsense", "")
	root.Must(404, http.MethodDelete, "/bans/198.51.100.7", "")
	root.Must(404, http.MethodDelete, "/bans/2001:db8:1:2::%2F64", "")
	if w := root.Do(http.MethodDelete, "/bans/192.0.2.1", ""); w.Code/100 != 2 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	root.Must(404, http.MethodDelete, "/bans/192.0.2.1", "")
	if bans := root.List("/bans"); len(bans) != 0 {
		t.Errorf("it is lifted: %v", bans)
	}
	if lifted := told(t, s, "address.unban"); len(lifted) != 1 || lifted[0].Before["address"] != "192.0.2.1" {
		t.Errorf("the trail tells %+v", lifted)
	}
}

// A guest's grant that is cut by what its manager has is told where it is given,
// and where it is looked at.
func TestACutGrantIsTold(t *testing.T) {
	s := admintest.New(t)
	root := s.Root()
	s.Mkdir("/shared")
	s.Mkdir("/secret")
	ann := s.Add("ann")
	s.Grant("ann", "/shared", policy.ReadOnly, "shared")
	s.Add("guest", func(a *accounts.Account) { a.Role, a.ManagedBy = policy.RoleGuest, []string{ann.ID} })
	made := root.Must(201, http.MethodPost, "/accounts/guest/grants", `{"path":"/shared","preset":"full","at":"s"}`)
	cut, _ := made["cut"].(map[string]any)
	if text := jsonText(t, made["warnings"]); !strings.Contains(text, "what the guest's managers have: ann") || !strings.Contains(jsonText(t, cut["left"]), "read-only /shared") {
		t.Errorf("given: %v", made)
	}
	none := root.Must(201, http.MethodPost, "/accounts/guest/grants", `{"path":"/secret","preset":"full","at":"x"}`)
	if !strings.Contains(jsonText(t, none["warnings"]), "gives nothing") || strings.Contains(jsonText(t, none["warnings"]), "/shared") {
		t.Errorf("given: %v", none)
	}
	for _, v := range root.List("/accounts/guest/grants") {
		if v["cut"] == nil {
			t.Errorf("listed without what is left: %v", v)
		}
	}
	for _, v := range root.List("/accounts/ann/grants") {
		if v["cut"] != nil {
			t.Errorf("a user's grant is cut: %v", v)
		}
	}
	other := root.Must(200, http.MethodPatch, "/accounts/guest", `{"display_name":"G"}`)
	if other["warnings"] != nil {
		t.Errorf("what was cut before is told again: %v", other["warnings"])
	}
	root.Must(200, http.MethodPost, "/accounts/ann/disable", "")
	if x := root.Must(200, http.MethodGet, "/accounts/guest", ""); x["status"].(map[string]any)["state"] != "disabled" {
		t.Errorf("a guest without an enabled manager is %v", x["status"])
	}
	for status, want := range map[string]int{"disabled": 2, "enabled": 0} {
		if items, _ := root.Must(200, http.MethodGet, "/accounts?status="+status, "")["items"].([]any); len(items) != want {
			t.Errorf("%s: %d, want %d", status, len(items), want)
		}
	}
}

// A day is shown as it was given, beside the moment that ends it.
func TestTheLastDayIsShown(t *testing.T) {
	s := admintest.New(t)
	s.Add("anna")
	x := s.Root().Must(200, http.MethodPatch, "/accounts/anna", `{"time_zone":"Europe/Berlin","expires":"2031-01-01"}`)
	if x["expires_on"] != "2031-01-01" || x["expires_zone"] != "Europe/Berlin" || x["expires_at"] != "2031-01-01T23:00:00Z" {
		t.Errorf("got %v %v %v", x["expires_on"], x["expires_zone"], x["expires_at"])
	}
	x = s.Root().Must(200, http.MethodPatch, "/accounts/anna", `{"expires":"2031-01-01T12:00:00Z"}`)
	if x["expires_on"] != nil || x["expires_zone"] != nil || x["expires_at"] != "2031-01-01T12:00:00Z" {
		t.Errorf("an instant: %v %v %v", x["expires_on"], x["expires_zone"], x["expires_at"])
	}
}

// A password can be made one to be changed without being set anew, and the site's
// list takes addresses as accounts' lists do.
func TestMustChangeAndAddresses(t *testing.T) {
	s := admintest.New(t)
	root := s.Root()
	s.Add("anna")
	root.Must(201, http.MethodPost, "/accounts", `{"username":"keys"}`)
	s.Add("bot", func(a *accounts.Account) { a.Shared = true })
	x := root.Must(200, http.MethodPatch, "/accounts/anna", `{"must_change":true}`)
	if x["password"].(map[string]any)["must_change"] != true {
		t.Errorf("got %v", x["password"])
	}
	if changed := told(t, s, "account.change"); len(changed) != 1 || !strings.Contains(jsonText(t, changed[0].After), "must_change") {
		t.Errorf("the trail tells %+v", changed)
	}
	if x := root.Must(200, http.MethodPatch, "/accounts/anna", `{"notes":"n"}`); x["password"].(map[string]any)["must_change"] != true {
		t.Errorf("what is not named has changed: %v", x["password"])
	}
	root.Must(200, http.MethodPatch, "/accounts/anna", `{"must_change":false}`)
	root.Must(422, http.MethodPatch, "/accounts/keys", `{"must_change":true}`)
	root.Must(422, http.MethodPatch, "/accounts/bot", `{"must_change":true}`)
	site := root.Must(200, http.MethodPatch, "/site", `{"allowed_ips":["10.9.9.9","127.0.0.0/8"]}`)
	if got := jsonText(t, site["allowed_ips"]); got != `["10.9.9.9/32","127.0.0.0/8"]` {
		t.Errorf("got %s", got)
	}
	if w := root.Do(http.MethodPatch, "/site", `{"allowed_ips":["notanip"]}`); w.Code != 422 || !strings.Contains(w.Body.String(), "body.allowed_ips") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	for query, field := range map[string]string{"group=nope": "query.group", "cursor=xx": "query.cursor"} {
		if w := root.Do(http.MethodGet, "/accounts?"+query, ""); w.Code != 422 || !strings.Contains(w.Body.String(), `"`+field+`"`) {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

// Lists come in pieces where they are asked for so, and whole otherwise.
func TestListsInPieces(t *testing.T) {
	s := admintest.New(t)
	root := s.Root()
	for _, name := range []string{"b", "a", "c"} {
		root.Must(201, http.MethodPost, "/groups", `{"name":"`+name+`"}`)
		root.Must(200, http.MethodPut, "/quotas", `{"path":"/`+name+`","limit_bytes":1}`)
		s.Admin("boss" + name)
	}
	for at, key := range map[string]string{"/groups": "name", "/quotas": "path", "/sessions": "id"} {
		var got []string
		for cursor := ""; ; {
			w := root.Do(http.MethodGet, at+"?limit=2&cursor="+cursor, "")
			if w.Code != 200 {
				t.Fatalf("%s: %d %s", at, w.Code, w.Body)
			}
			got = append(got, w.Body.String())
			if cursor = w.Header().Get("Next-Cursor"); cursor == "" {
				break
			}
			cursor = strings.NewReplacer(" ", "%20", "+", "%2B").Replace(cursor)
		}
		all := root.List(at)
		text := strings.Join(got, "")
		for _, v := range all {
			if strings.Count(text, `"`+key+`":"`+v[key].(string)+`"`) != 1 {
				t.Errorf("%s: %v is not in the pieces once: %s", at, v[key], text)
			}
		}
		if len(all) < 3 || len(got) < 2 {
			t.Errorf("%s: %d in %d pieces", at, len(all), len(got))
		}
	}
}
