package rest_test

import (
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
)

// Where the site refuses what cannot be recorded, a change must not be made
// first and refused afterwards.
func TestWhatCannotBeRecordedIsNotDone(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Mkdir("/shared")
	s.Add("ann")
	c.Must(201, "POST", "/groups", `{"name":"crew"}`)
	g := c.Must(201, "POST", "/accounts/ann/grants", `{"path":"/shared","preset":"full","at":"s"}`)["id"].(string)
	token := c.Must(201, "POST", "/accounts/ann/tokens", `{"name":"script"}`)["id"].(string)
	invitation := c.Must(201, "POST", "/invitations", `{"email":"x@example.org"}`)["id"].(string)
	c = s.Silenced()
	before := c.Do("GET", "/accounts", "").Body.String() + c.Do("GET", "/groups", "").Body.String() +
		c.Do("GET", "/site", "").Body.String() + c.Do("GET", "/invitations", "").Body.String() + c.Do("GET", "/quotas", "").Body.String()
	for _, ask := range [][3]string{
		{"POST", "/accounts", `{"username":"bea"}`}, {"PATCH", "/accounts/ann", `{"display_name":"x"}`},
		{"DELETE", "/accounts/ann?files=delete&confirm=ann", ""}, {"POST", "/accounts/ann/clone", `{"username":"bea"}`},
		{"POST", "/accounts/ann/disable", ""}, {"POST", "/accounts/ann/unlock", ""},
		{"PUT", "/accounts/ann/password", `{"password":"a long passphrase"}`}, {"POST", "/accounts/ann/reset-link", ""},
		{"POST", "/accounts/ann/tokens", `{"name":"x"}`}, {"DELETE", "/accounts/ann/tokens/" + token, ""},
		{"POST", "/accounts/ann/grants", `{"path":"/shared","preset":"read-only"}`}, {"DELETE", "/accounts/ann/grants/" + g, ""},
		{"POST", "/groups", `{"name":"x"}`}, {"PATCH", "/groups/crew", `{"protocols":["sftp"]}`}, {"DELETE", "/groups/crew", ""},
		{"PUT", "/groups/crew/members/ann", ""}, {"POST", "/groups/crew/grants", `{"path":"/shared","preset":"full"}`},
		{"PATCH", "/site", `{"language":"de"}`}, {"PUT", "/quotas", `{"path":"/shared","limit_bytes":1}`},
		{"PUT", "/quotas", `{"path":"/home/ann","limit_bytes":1}`},
		{"POST", "/invitations", `{"email":"y@example.org"}`}, {"DELETE", "/invitations/" + invitation, ""}, {"GET", "/accounts.csv", ""},
	} {
		if w := c.Do(ask[0], ask[1], ask[2]); w.Code != 503 {
			t.Errorf("%v is %d: %s", ask, w.Code, w.Body)
		}
	}
	after := c.Do("GET", "/accounts", "").Body.String() + c.Do("GET", "/groups", "").Body.String() +
		c.Do("GET", "/site", "").Body.String() + c.Do("GET", "/invitations", "").Body.String() + c.Do("GET", "/quotas", "").Body.String()
	if before != after {
		t.Errorf("something has changed:\n%s\n%s", before, after)
	}
	s.SetSite(func(p *policy.Site) { p.Audit.OnFailure = policy.AuditContinue })
	c.Must(200, "PATCH", "/accounts/ann", `{"display_name":"x"}`)
}

func TestAnIntentComesBeforeItsChange(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Add("ann")
	c.Must(200, "PATCH", "/accounts/ann", `{"display_name":"Ann"}`)
	text := c.Do("GET", "/events?account=ann", "").Body.String() // newest first
	change, intent := strings.Index(text, `"account.change","outcome"`), strings.Index(text, `"change":"account.change"`)
	if change < 0 || intent < change {
		t.Errorf("the events are %s", text)
	}
}
