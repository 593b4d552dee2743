package rights_test

import (
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func TestAnAuditorReadsEverythingAndChangesNothing(t *testing.T) {
	s := admintest.New(t)
	s.Admin("root")
	s.Add("ann")
	root := s.Root()
	root.Must(200, "PATCH", "/accounts/ann", `{"notes":"for administrators alone"}`)
	root.Must(201, "POST", "/groups", `{"name":"crew"}`)
	root.Must(201, "POST", "/accounts/ann/tokens", `{"name":"script"}`)
	id := root.Must(201, "POST", "/invitations", `{"email":"x@example.org"}`)["id"].(string)
	c := s.LoggedIn(s.Add("aud", func(a *accounts.Account) { a.Role = policy.RoleAuditor }))
	for _, path := range []string{
		"/accounts", "/accounts/ann", "/accounts/ann/access", "/accounts/ann/tokens", "/accounts/ann/keys", "/accounts/ann/sessions",
		"/accounts/ann/usage", "/accounts/ann/grants", "/groups", "/groups/crew", "/site", "/sessions", "/events", "/locks", "/quotas",
		"/invitations", "/rules", "/doctor",
	} {
		w := c.Do("GET", path, "")
		if w.Code != 200 {
			t.Errorf("it cannot read %s: %d %s", path, w.Code, w.Body)
		}
		for _, secret := range []string{"argon2id", `"hash"`, "sealed", "#"} {
			if strings.Contains(w.Body.String(), secret) {
				t.Errorf("%s shows it %s: %s", path, secret, w.Body)
			}
		}
	}
	if v := c.Must(200, "GET", "/accounts/ann", ""); v["notes"] != nil {
		t.Errorf("it reads the notes: %v", v["notes"])
	}
	if text := c.Do("GET", "/events", "").Body.String(); strings.Contains(text, "for administrators alone") {
		t.Errorf("it reads the notes in the trail: %s", text)
	}
	c.Must(200, "POST", "/explain", `{"account":"ann","door":"sftp"}`)
	for _, ask := range [][3]string{
		{"GET", "/accounts.csv", ""},
		{"POST", "/accounts", `{"username":"x"}`}, {"PATCH", "/accounts/ann", `{"display_name":"x"}`}, {"PATCH", "/accounts/aud", `{"role":"admin"}`},
		{"DELETE", "/accounts/ann?files=delete&confirm=ann", ""}, {"POST", "/accounts/ann/clone", `{"username":"x"}`},
		{"POST", "/accounts/ann/disable", ""}, {"POST", "/accounts/ann/enable", ""}, {"POST", "/accounts/ann/unlock", ""},
		{"PUT", "/accounts/ann/password", `{"password":"a long passphrase"}`}, {"POST", "/accounts/ann/reset-link", ""},
		{"DELETE", "/accounts/ann/totp", ""}, {"POST", "/accounts/ann/tokens", `{"name":"x"}`},
		{"POST", "/accounts/ann/grants", `{"path":"/","preset":"full"}`}, {"POST", "/accounts/ann/usage/rescan", ""},
		{"POST", "/groups", `{"name":"x"}`}, {"POST", "/groups", `{"name":"x","kind":"personal"}`}, {"PATCH", "/groups/crew", `{"protocols":["sftp"]}`},
		{"PUT", "/groups/crew/members/ann", ""}, {"PUT", "/groups/crew/members/aud", ""}, {"DELETE", "/groups/crew", ""},
		{"PATCH", "/site", `{"plain_ftp":"allow"}`}, {"PUT", "/quotas", `{"path":"/x"}`}, {"POST", "/quotas/rescan", `{"path":"/x"}`},
		{"POST", "/invitations", `{"email":"x@example.org"}`}, {"DELETE", "/invitations/" + id, ""}, {"POST", "/invitations/bulk", `{"csv":"email\nx@example.org\n"}`},
		{"DELETE", "/sessions/x", ""}, {"POST", "/backup", `{"passphrase":"long enough"}`},
	} {
		if w := c.Do(ask[0], ask[1], ask[2]); w.Code != 403 {
			t.Errorf("it does %v: %d %s", ask, w.Code, w.Body)
		}
	}
}
