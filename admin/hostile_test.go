package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
)

// If-Match is asked for wherever an account is changed, not with its settings alone.
func TestEveryChangeOfAnAccountHeedsIfMatch(t *testing.T) {
	s := admintest.New(t)
	boss := s.Admin("boss")
	s.Add("ann")
	boss.Must(201, http.MethodPost, "/groups", `{"name":"staff"}`)
	made := boss.Must(201, http.MethodPost, "/accounts/ann/tokens", `{"name":"t"}`)
	id, _ := made["id"].(string)
	stale := &admintest.Client{Site: s, TLS: true, Cookie: boss.Cookie, Header: http.Header{"If-Match": {`"1"`}}}
	for _, c := range []struct{ method, path, body string }{
		{http.MethodPut, "/accounts/ann/password", `{"password":"a-new-password-1"}`},
		{http.MethodPost, "/accounts/ann/tokens", `{"name":"u"}`},
		{http.MethodPost, "/accounts/ann/app-passwords", `{"name":"u"}`},
		{http.MethodDelete, "/accounts/ann/tokens/" + id, ""},
		{http.MethodPost, "/accounts/ann/keys", `{"key":"` + admintest.AKey + `"}`},
		{http.MethodDelete, "/accounts/ann/totp", ""},
		{http.MethodPut, "/groups/staff/members/ann", ""},
		{http.MethodDelete, "/groups/staff/members/ann", ""},
	} {
		stale.Must(412, c.method, c.path, c.body)
	}
	tag := boss.Do(http.MethodGet, "/accounts/ann", "").Header().Get("ETag")
	fresh := &admintest.Client{Site: s, TLS: true, Cookie: boss.Cookie, Header: http.Header{"If-Match": {tag}}}
	fresh.Must(200, http.MethodDelete, "/accounts/ann/tokens/"+id, "")
	fresh.Must(412, http.MethodPost, "/accounts/ann/tokens", `{"name":"u"}`)
}

// A list is opened where the semicolon parts cells, too: there a formula may
// stand in the middle of what is one cell elsewhere.
func TestFormulasInTheMiddleOfACellAreInert(t *testing.T) {
	s := admintest.New(t)
	boss := s.Admin("boss")
	boss.Must(201, http.MethodPost, "/accounts", `{"username":"eve","password":"a-new-password-1","display_name":"x;=1+1"}`)
	text := boss.Do(http.MethodGet, "/accounts.csv", "").Body.String()
	if strings.Contains(text, ";=1+1") || !strings.Contains(text, "x;'=1+1") {
		t.Errorf("the list has %s", text)
	}
}
