package admin_test

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"gatehouse/admin"
	"gatehouse/policy"
	"gatehouse/storage/events"
	"gatehouse/storage/seal"
)

// silenced gives the site an API whose log takes no events any more, and returns
// a client on its socket.
func (s *site) silenced() *client {
	s.t.Helper()
	sealer, err := seal.New(make([]byte, seal.KeySize))
	if err != nil {
		s.t.Fatal(err)
	}
	log, err := events.New(s.t.Context(), events.Config{State: s.State, Node: "other", Sealer: sealer})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := log.Close(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
	api := admin.New(admin.Config{
		Accounts: s.Accounts, Sessions: s.Sessions, Events: log, Quotas: s.Quotas, Locks: s.Locks, Log: s.Log,
		Connection: func(*http.Request) (netip.Addr, policy.Transport) { return netip.Addr{}, policy.Local },
	})
	s.t.Cleanup(api.Close)
	s.socket = api.Socket()
	return s.root()
}

// Where the site refuses what cannot be recorded, a change must not be made
// first and refused afterwards.
func TestWhatCannotBeRecordedIsNotDone(t *testing.T) {
	s := newSite(t)
	c := s.root()
	s.Mkdir("/shared")
	s.Add("ann")
	c.must(201, "POST", "/groups", `{"name":"crew"}`)
	g := c.must(201, "POST", "/accounts/ann/grants", `{"path":"/shared","preset":"full","at":"s"}`)["id"].(string)
	token := c.must(201, "POST", "/accounts/ann/tokens", `{"name":"script"}`)["id"].(string)
	invitation := c.must(201, "POST", "/invitations", `{"email":"x@example.org"}`)["id"].(string)
	c = s.silenced()
	before := c.do("GET", "/accounts", "").Body.String() + c.do("GET", "/groups", "").Body.String() +
		c.do("GET", "/site", "").Body.String() + c.do("GET", "/invitations", "").Body.String() + c.do("GET", "/quotas", "").Body.String()
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
		if w := c.do(ask[0], ask[1], ask[2]); w.Code != 503 {
			t.Errorf("%v is %d: %s", ask, w.Code, w.Body)
		}
	}
	after := c.do("GET", "/accounts", "").Body.String() + c.do("GET", "/groups", "").Body.String() +
		c.do("GET", "/site", "").Body.String() + c.do("GET", "/invitations", "").Body.String() + c.do("GET", "/quotas", "").Body.String()
	if before != after {
		t.Errorf("something has changed:\n%s\n%s", before, after)
	}
	s.SetSite(func(p *policy.Site) { p.Audit.OnFailure = policy.AuditContinue })
	c.must(200, "PATCH", "/accounts/ann", `{"display_name":"x"}`)
}

func TestAnIntentComesBeforeItsChange(t *testing.T) {
	s := newSite(t)
	c := s.root()
	s.Add("ann")
	c.must(200, "PATCH", "/accounts/ann", `{"display_name":"Ann"}`)
	text := c.do("GET", "/events?account=ann", "").Body.String() // newest first
	change, intent := strings.Index(text, `"account.change","outcome"`), strings.Index(text, `"change":"account.change"`)
	if change < 0 || intent < change {
		t.Errorf("the events are %s", text)
	}
}
