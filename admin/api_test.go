package admin_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
)

func TestRoles(t *testing.T) {
	s := admintest.New(t)
	s.Admin("root")
	root, err := s.Accounts.Account(t.Context(), "root")
	if err != nil {
		t.Fatal(err)
	}
	for role, want := range map[policy.Role]struct{ read, write int }{
		policy.RoleAdmin: {200, 200}, policy.RoleAuditor: {200, 403}, policy.RoleUser: {403, 403}, policy.RoleGuest: {403, 403},
	} {
		p := s.Add("a-"+string(role), func(a *accounts.Account) {
			if a.Role = role; role == policy.RoleGuest {
				a.ManagedBy = []string{root.ID}
			}
		})
		c := &admintest.Client{Site: s, TLS: true}
		c.Must(200, "POST", "/login", `{"username":"`+p.Name+`","password":"`+p.Password+`"}`)
		c.Must(200, "GET", "/me", "")
		for _, path := range []string{"/accounts", "/site", "/sessions", "/events", "/quotas", "/doctor", "/invitations", "/rules"} {
			if w := c.Do("GET", path, ""); w.Code != want.read {
				t.Errorf("%s reads %s: %d, want %d: %s", role, path, w.Code, want.read, w.Body)
			}
		}
		if w := c.Do("PATCH", "/site", `{"language":"de"}`); w.Code != want.write {
			t.Errorf("%s writes the site: %d, want %d", role, w.Code, want.write)
		}
		if w := c.Do("POST", "/backup", `{"passphrase":"long enough"}`); w.Code != 403 {
			t.Errorf("%s gets a backup over the web: %d", role, w.Code)
		}
	}
	(&admintest.Client{Site: s, TLS: true}).Must(401, "GET", "/accounts", "")
}

func TestADemotedAdministratorIsNoneAtOnce(t *testing.T) {
	s := admintest.New(t)
	s.Admin("root")
	second := s.Admin("second")
	s.Change("second", func(a *accounts.Account) { a.Role = policy.RoleUser })
	admintest.Eventually(t, func() bool { return second.Do("GET", "/accounts", "").Code == 403 })
	s.Disable("second")
	admintest.Eventually(t, func() bool { return second.Do("GET", "/me", "").Code == 401 })
}

func TestAccountLife(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	made := c.Must(201, "POST", "/accounts", `{"username":"alice","password":"a long passphrase","quota":{"limit_bytes":1000},"allowed_ips":["203.0.113.7","10.0.0.0/8"],"expires":"2031-02-03"}`)
	if made["home"] != "/home/alice" || made["role"] != "user" {
		t.Errorf("made %v", made)
	}
	c.Must(409, "POST", "/accounts", `{"username":"ALICE"}`)
	w := c.Do("GET", "/accounts/alice", "")
	tag := w.Header().Get("ETag")
	c.Header = http.Header{"If-Match": {tag}}
	got := c.Must(200, "PATCH", "/accounts/alice", `{"display_name":"Alice","allowed_ips":null}`)
	if got["display_name"] != "Alice" || got["allowed_ips"] != nil || got["expires"] != "2031-02-03" {
		t.Errorf("patched to %v", got)
	}
	c.Must(412, "PATCH", "/accounts/alice", `{"display_name":"lost update"}`)
	c.Header = nil
	if q := c.Must(200, "GET", "/accounts/alice/usage", ""); q["limit_bytes"] != 1000.0 || q["limit_files"] != nil {
		t.Errorf("usage is %v", q)
	}
	c.Must(422, "PATCH", "/accounts/alice", `{"no_such_key":1}`)
	c.Must(422, "PATCH", "/accounts/alice", `{"time_zone":"Mars/Olympus"}`)
	c.Must(422, "PATCH", "/accounts/alice", `{"groups":["nobody"]}`)
	c.Must(200, "POST", "/accounts/alice/disable", `{"why":"holidays"}`)
	if v := c.Must(200, "GET", "/accounts/alice", ""); v["status"].(map[string]any)["state"] != "disabled" {
		t.Errorf("status is %v", v["status"])
	}
	c.Must(200, "POST", "/accounts/alice/enable", "")
	c.Must(422, "DELETE", "/accounts/alice?files=delete&confirm=bob", "")
	c.Must(422, "DELETE", "/accounts/alice?confirm=alice", "")
	if w := c.Do("DELETE", "/accounts/alice?files=delete&confirm=alice", ""); w.Code >= 300 {
		t.Fatalf("delete is %d: %s", w.Code, w.Body)
	}
	c.Must(404, "GET", "/accounts/alice", "")
}

func TestNoSecretIsEverAnswered(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	const secret = "hunter2-hunter2-hunter2"
	for _, body := range []string{
		`{"username":"alice","password":"` + secret + `"}`,
		`{"username":"bob","password":"` + secret + `","role":"emperor"}`,
		`{"username":"carol","password":"` + secret + `","nonsense":"` + secret + `"}`,
		`{"username":"dave","password":["` + secret + `"]}`,
	} {
		if w := c.Do("POST", "/accounts", body); bytes.Contains(w.Body.Bytes(), []byte(secret)) {
			t.Errorf("the answer repeats the secret: %s", w.Body)
		}
	}
	for _, path := range []string{"/accounts/alice", "/events", "/accounts"} {
		text := c.Do("GET", path, "").Body.String()
		if strings.Contains(text, secret) || strings.Contains(text, "$argon2id$") {
			t.Errorf("%s shows a secret: %s", path, text)
		}
	}
}

func TestTheLastAdministratorStays(t *testing.T) {
	s := admintest.New(t)
	root := s.Admin("root")
	for _, body := range []string{`{"role":"user"}`, `{"protocols":["sftp"]}`, `{"expires":"2020-01-01"}`} {
		if w := root.Do("PATCH", "/accounts/root?confirm=self", body); w.Code != 409 {
			t.Errorf("%s is %d, want 409: %s", body, w.Code, w.Body)
		}
	}
	root.Must(409, "DELETE", "/accounts/root?files=keep&confirm=root", "")
	s.Root().Must(200, "PATCH", "/accounts/root", `{"role":"user"}`)
}

func TestEndingOnesOwnSessionAsksForConfirmation(t *testing.T) {
	s := admintest.New(t)
	s.Admin("other")
	root := s.Admin("root")
	root.Must(409, "PATCH", "/accounts/root", `{"allowed_ips":["203.0.113.0/24"]}`)
	root.Must(409, "PATCH", "/site", `{"allowed_ips":["203.0.113.0/24"]}`)
	root.Must(200, "PATCH", "/accounts/root", `{"display_name":"Root"}`)
	root.Must(200, "PATCH", "/accounts/root?confirm=self", `{"allowed_ips":["203.0.113.0/24"]}`)
	admintest.Eventually(t, func() bool { return root.Do("GET", "/accounts", "").Code == 401 })
}

func TestGroupsGrantsAndKeys(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	ann := s.Add("ann")
	s.Add("bob")
	c.Must(201, "POST", "/groups", `{"name":"crew","protocols":["sftp"]}`)
	c.Must(200, "PUT", "/groups/crew/members/bob", "")
	c.Must(200, "POST", "/groups/crew/grants", `{"path":"`+ann.Home.String()+`","preset":"read-only"}`)
	if g := c.Must(200, "GET", "/groups/crew", ""); len(g["members"].([]any)) != 1 || len(g["grants"].([]any)) != 1 {
		t.Errorf("the group is %v", g)
	}
	access := c.Do("GET", "/accounts/bob/access", "").Body.String()
	if !strings.Contains(access, "group crew") || !strings.Contains(access, ann.Home.String()) {
		t.Errorf("access does not name the group: %s", access)
	}
	c.Must(422, "POST", "/accounts/bob/grants", `{"path":"/no/such/folder","preset":"full"}`)
	c.Must(422, "POST", "/accounts/bob/grants", `{"path":"/home/ann"}`)
	g := c.Must(201, "POST", "/accounts/bob/grants", `{"path":"/home/ann","permissions":["list","read"],"at":"anns"}`)
	if w := c.Do("DELETE", "/accounts/bob/grants/"+g["id"].(string), ""); w.Code >= 300 {
		t.Errorf("removing a grant is %d", w.Code)
	}
	c.Must(422, "POST", "/accounts/bob/keys", `{"key":"ssh-dss AAAA"}`)
	key := protocoltest.NewKey(t)
	k := c.Must(201, "POST", "/accounts/bob/keys", `{"key":"`+admintest.Authorized(key)+`","name":"laptop"}`)
	c.Must(422, "POST", "/accounts/bob/keys", `{"key":"`+admintest.Authorized(key)+`"}`)
	if w := c.Do("DELETE", "/accounts/bob/keys/"+k["id"].(string), ""); w.Code >= 300 {
		t.Errorf("removing a key is %d", w.Code)
	}
	if w := c.Do("DELETE", "/groups/crew", ""); w.Code >= 300 {
		t.Errorf("deleting a group is %d", w.Code)
	}
}

func TestEveryChangeIsAnEvent(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	c.Must(201, "POST", "/accounts", `{"username":"alice"}`)
	c.Must(200, "PATCH", "/accounts/alice", `{"display_name":"Alice"}`)
	c.Must(200, "PATCH", "/site", `{"names":"portable"}`)
	list := c.Must(200, "GET", "/events", "")
	text, _ := json.Marshal(list)
	for _, want := range []string{`"account.create"`, `"account.change"`, `"site.change"`, `"display_name":"Alice"`, `"names":"portable"`, `socket (uid`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the events lack %s: %s", want, text)
		}
	}
}

func TestSiteChangesAreStrict(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	for _, body := range []string{`{"no_such":1}`, `{"names":"odd"}`, `{"lockout":{"failures":-1}}`, `{"lockout":{"period":"soon"}}`, `{"plain_ftp":"maybe"}`, `{"time_zone":"Mars"}`, `[]`, `x`} {
		if w := c.Do("PATCH", "/site", body); w.Code < 400 || w.Code >= 500 {
			t.Errorf("%s is %d: %s", body, w.Code, w.Body)
		}
	}
	c.Must(200, "PATCH", "/site", `{"lockout":{"failures":7}}`)
	if v := c.Must(200, "GET", "/site", ""); v["lockout"].(map[string]any)["failures"] != 7.0 {
		t.Errorf("lockout is %v", v["lockout"])
	}
}
