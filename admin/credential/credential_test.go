package credential_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func TestASecretIsAnsweredOnceAndNowhereElse(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Add("ann")
	for kind, body := range map[string]string{
		"app-passwords": `{"name":"phone","doors":["sftp"],"read_only":true,"folder":"/home/ann/in"}`,
		"tokens":        `{"name":"script","read_only":true,"allowed_ips":["192.0.2.0/24"]}`,
		"clients":       `{"name":"laptop","device":{"computer":"T14","os":"Linux"}}`,
	} {
		made := c.Must(201, "POST", "/accounts/ann/"+kind, body)
		secret, id := made["secret"].(string), made["id"].(string)
		if len(secret) < 32 {
			t.Fatalf("the secret of %s is %q", kind, secret)
		}
		for _, path := range []string{"/accounts/ann/" + kind, "/accounts/ann", "/accounts", "/events?limit=1000", "/accounts.csv"} {
			if text := c.Do("GET", path, "").Body.String(); strings.Contains(text, secret) || strings.Contains(text, `"hash"`) {
				t.Errorf("%s shows a secret of %s: %s", path, kind, text)
			}
		}
		if list := c.Do("GET", "/accounts/ann/"+kind, "").Body.String(); !strings.Contains(list, id) {
			t.Errorf("%s lacks it: %s", kind, list)
		}
		c.Must(200, "DELETE", "/accounts/ann/"+kind+"/"+id, "")
		c.Must(404, "DELETE", "/accounts/ann/"+kind+"/"+id, "")
	}
	c.Must(422, "POST", "/accounts/ann/tokens", `{"name":"old","expires":"2001-02-03T00:00:00Z"}`)
	c.Must(422, "POST", "/accounts/ann/app-passwords", `{"name":"x","doors":["api"]}`)
	c.Must(422, "POST", "/accounts/ann/app-passwords", `{"name":"x","folder":"relative"}`)
}

// A token is made to do what its account may, and not to make itself another
// that nobody knows of: it changes no credential of its own account, by none of
// the ways that an administrator has for others.
func TestATokenMakesNoCredentialOfItsOwnAccount(t *testing.T) {
	s := admintest.New(t)
	s.Admin("other")
	s.Admin("root")
	token := s.Root().Must(201, "POST", "/accounts/root/tokens", `{"name":"script"}`)["secret"].(string)
	c := &admintest.Client{Site: s, TLS: true, Header: http.Header{"Authorization": {"Bearer " + token}}}
	c.Must(200, "GET", "/accounts", "")
	for _, ask := range [][3]string{
		{"POST", "/accounts/root/tokens", `{"name":"x"}`}, {"POST", "/accounts/root/app-passwords", `{"name":"x"}`},
		{"POST", "/accounts/root/clients", `{"name":"x","device":{"computer":"x"}}`}, {"PUT", "/accounts/root/password", `{"password":"a long passphrase"}`},
		{"POST", "/accounts/root/keys", `{"key":"` + admintest.Authorized(s.Add("ann").Key) + `"}`}, {"POST", "/accounts/root/reset-link", ""},
		{"DELETE", "/accounts/root/totp", ""}, {"PATCH", "/accounts/root", `{"email":"eve@example.org"}`},
		{"PATCH", "/accounts/root", `{"recovery_email":"eve@example.org"}`}, {"PATCH", "/accounts/root", `{"second_factor":"exempt"}`},
	} {
		if w := c.Do(ask[0], ask[1], ask[2]); w.Code != 403 && w.Code != 409 {
			t.Errorf("a token does %v: %d %s", ask, w.Code, w.Body)
		}
	}
	c.Must(200, "PATCH", "/accounts/root", `{"display_name":"Root"}`)
	s.Change("root", func(a *accounts.Account) { a.Role = policy.RoleUser })
	c.Must(403, "GET", "/accounts", "")
}

func TestAReadOnlyTokenChangesNothing(t *testing.T) {
	s := admintest.New(t)
	s.Admin("root")
	s.Add("ann")
	token := s.Root().Must(201, "POST", "/accounts/root/tokens", `{"name":"script","read_only":true}`)["secret"].(string)
	c := &admintest.Client{Site: s, TLS: true, Header: http.Header{"Authorization": {"Bearer " + token}}}
	c.Must(200, "GET", "/accounts/ann", "")
	c.Must(200, "POST", "/explain", `{"account":"ann","door":"sftp"}`)
	for _, ask := range [][3]string{
		{"PATCH", "/accounts/ann", `{"display_name":"x"}`}, {"POST", "/accounts", `{"username":"x"}`},
		{"POST", "/accounts/ann/disable", ""}, {"PATCH", "/site", `{"language":"de"}`}, {"POST", "/groups", `{"name":"x"}`},
		{"DELETE", "/accounts/ann?files=delete&confirm=ann", ""}, {"POST", "/invitations", `{"email":"x@example.org"}`},
	} {
		c.Must(403, ask[0], ask[1], ask[2])
	}
}

func TestResettingASecondFactor(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Add("ann")
	c.Must(404, "DELETE", "/accounts/ann/totp", "")
	s.Change("ann", func(a *accounts.Account) {
		a.TOTP = &accounts.TOTP{ID: accounts.NewTOTPID(), Sealed: []byte("sealed"), Confirmed: true}
	})
	text := c.Do("GET", "/accounts/ann", "").Body.String()
	if !strings.Contains(text, `"confirmed":true`) || strings.Contains(text, "sealed") {
		t.Errorf("the account reads %s", text)
	}
	c.Must(200, "DELETE", "/accounts/ann/totp", "")
	if v := c.Must(200, "GET", "/accounts/ann", ""); v["totp"] != nil {
		t.Errorf("it still has %v", v["totp"])
	}
}

// What opens nothing is told when it is made, not at the first 401.
func TestACredentialThatOpensNothingIsWarnedOf(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Add("ann", func(a *accounts.Account) { a.Protocols = []policy.Door{policy.SFTP, policy.WebDAV} })
	s.Add("bea")
	c.Must(201, "POST", "/groups", `{"name":"crew","protocols":["sftp"]}`)
	c.Must(200, "PUT", "/groups/crew/members/bea", "")
	s.Add("cem", func(a *accounts.Account) { a.Desktop = policy.Deny })
	for ask, want := range map[[2]string]string{
		{"/accounts/ann/tokens", `{"name":"a"}`}:                               `it does not open api: api is not among the protocols (account)","it opens no door at all`,
		{"/accounts/bea/tokens", `{"name":"a"}`}:                               `api is not among the protocols (group crew)","it opens no door at all`,
		{"/accounts/ann/app-passwords", `{"name":"a"}`}:                        ``,
		{"/accounts/ann/app-passwords", `{"name":"b","doors":["ftp","sftp"]}`}: `["it does not open ftp: ftp is not among the protocols (account)"]`,
		{"/accounts/ann/app-passwords", `{"name":"c","doors":["ftp"]}`}:        `it opens no door at all`,
		{"/accounts/cem/clients", `{"name":"a","device":{"computer":"T14"}}`}:  `desktop_access is deny`,
		{"/accounts/cem/tokens", `{"name":"a"}`}:                               ``,
	} {
		made := c.Must(201, "POST", ask[0], ask[1])
		text, _ := json.Marshal(made["warnings"])
		if want == "" && made["warnings"] != nil || !strings.Contains(string(text), want) {
			t.Errorf("%v is warned of with %s, want %s", ask, text, want)
		}
	}
	c.Must(200, "PATCH", "/site", `{"doors":["sftp","web"]}`)
	if made := c.Must(201, "POST", "/accounts/cem/tokens", `{"name":"b"}`); made["warnings"] == nil {
		t.Error("a door that is closed for the site is not told")
	}
}

// Who revokes "backup" must know which it is: no two of a kind share a name.
func TestNoTwoCredentialsOfAKindShareAName(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Add("ann")
	s.Add("bea")
	made := c.Must(201, "POST", "/accounts/ann/tokens", `{"name":"backup"}`)
	c.Must(422, "POST", "/accounts/ann/tokens", `{"name":"backup"}`)
	c.Must(201, "POST", "/accounts/ann/app-passwords", `{"name":"backup"}`)
	c.Must(201, "POST", "/accounts/bea/tokens", `{"name":"backup"}`)
	c.Must(200, "DELETE", "/accounts/ann/tokens/"+made["id"].(string), "")
	c.Must(201, "POST", "/accounts/ann/tokens", `{"name":"backup"}`)
}

// Accounts from before, or from elsewhere, may have a name twice: they can still be
// changed, exported and brought.
func TestAccountsThatHaveANameTwiceGoOn(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Add("ann")
	c.Must(201, "POST", "/accounts/ann/tokens", `{"name":"one"}`)
	c.Must(201, "POST", "/accounts/ann/tokens", `{"name":"two"}`)
	s.Change("ann", func(a *accounts.Account) { a.Credentials[1].Name = "one" })
	c.Must(200, "PATCH", "/accounts/ann", `{"display_name":"Ann"}`)
	export := c.Do("GET", "/export?secrets=true", "").Body.String()
	other := admintest.New(t)
	if got := other.Root().Must(200, "POST", "/apply", export); len(got["refused"].([]any)) != 0 {
		t.Errorf("it is not brought: %v", got)
	}
	if list := other.Root().Do("GET", "/accounts/ann/tokens", "").Body.String(); strings.Count(list, `"name":"one"`) != 2 {
		t.Errorf("brought: %s", list)
	}
}
