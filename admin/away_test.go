package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/state"
	"gatehouse/storage/state/memory"
)

// Where the store is away every answer says so, and that it may be asked again; what
// is known in memory is read on. Nothing is taken for a fault of the gateway.
func TestEveryAnswerSaysThatTheStoreIsAway(t *testing.T) {
	store := &admintest.Store{Store: memory.New()}
	s := admintest.Several(t, protocoltest.Nodes{Count: 1, Store: func(testing.TB, string) state.Store { return store }})[0]
	root, local := s.Admin("root"), s.Root()
	s.Add("ann")
	local.Must(201, "POST", "/groups", `{"name":"staff"}`)
	hook := local.Must(201, "POST", "/webhooks", `{"url":"https://hooks.example/x"}`)["id"].(string)
	store.Away(true)
	defer store.Away(false)
	for _, ask := range []struct{ method, path, body string }{
		{"POST", "/accounts", `{"username":"bob"}`}, {"PATCH", "/accounts/ann", `{"display_name":"Ann"}`},
		{"DELETE", "/accounts/ann?files=keep&confirm=ann", ""}, {"POST", "/accounts/ann/disable", `{}`},
		{"PUT", "/accounts/ann/password", `{"password":"a wholly new sentence"}`}, {"POST", "/accounts/ann/reset-link", ""},
		{"POST", "/accounts/ann/tokens", `{"name":"x"}`}, {"POST", "/accounts/ann/unlock", ""},
		{"PUT", "/groups/staff/members/ann", ""}, {"PATCH", "/groups/staff", `{"name":"crew"}`}, {"DELETE", "/groups/staff", ""},
		{"PATCH", "/site", `{"time_zone":"Europe/Berlin"}`}, {"POST", "/invitations", `{"email":"a@example.org"}`},
		{"POST", "/webhooks", `{"url":"https://hooks.example/y"}`}, {"DELETE", "/webhooks/" + hook, ""},
		{"PUT", "/quotas", `{"path":"/home/ann","limit_bytes":1000}`}, {"POST", "/events/verify", `{}`},
	} {
		w := local.Do(ask.method, ask.path, ask.body)
		if w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s %s is %d: %s", ask.method, ask.path, w.Code, w.Body)
		}
		saysLater(t, ask.method+" "+ask.path, w.Header(), w.Body.Bytes())
	}
	var doc struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal(local.Do("GET", "/openapi.json", "").Body.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths {
		if item["get"] == nil || path == "/events/live" {
			continue
		}
		path = strings.NewReplacer("/accounts/{name}", "/accounts/ann", "/groups/{name}", "/groups/staff", "/webhooks/{id}", "/webhooks/"+hook).Replace(path)
		if path == "/quotas/at" {
			path += "?path=/home/ann"
		}
		w := local.Do("GET", path, "")
		if w.Code >= 500 && w.Code != http.StatusServiceUnavailable {
			t.Errorf("GET %s is %d: %s", path, w.Code, w.Body)
		}
		if w.Code == http.StatusServiceUnavailable {
			saysLater(t, "GET "+path, w.Header(), w.Body.Bytes())
		}
	}
	for _, path := range []string{"/accounts", "/accounts/ann", "/groups", "/site", "/accounts/ann/keys"} {
		if w := local.Do("GET", path, ""); w.Code != 200 {
			t.Errorf("GET %s, which is known, is %d: %s", path, w.Code, w.Body)
		}
	}
	if w := root.Do("GET", "/accounts", ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a cookie that cannot be looked up is answered with %d", w.Code)
	}
	store.Away(false)
	root.Must(200, "GET", "/accounts", "")
}

// saysLater demands a problem document that says what is the matter, and when to
// ask again.
func saysLater(t *testing.T, what string, h http.Header, body []byte) {
	t.Helper()
	var problem struct{ Detail string }
	if err := json.Unmarshal(body, &problem); err != nil || problem.Detail == "" || h.Get("Retry-After") == "" {
		t.Errorf("%s is answered with %v %s", what, h, body)
	}
}
