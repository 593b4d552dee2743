package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"testing"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
)

// list asks for a list.
func (c *client) list(path string) []map[string]any {
	c.t.Helper()
	w := c.do("GET", path, "")
	var list []map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &list); w.Code != 200 || err != nil {
		c.t.Fatalf("GET %s is %d: %s", path, w.Code, w.Body)
	}
	return list
}

func TestWhatAnAccountSeesOfItself(t *testing.T) {
	s := newSite(t)
	s.root().must(201, "POST", "/groups", `{"name":"crew"}`)
	ann := s.Add("ann")
	s.root().must(200, "PUT", "/groups/crew/members/ann", "")
	s.root().must(200, "PATCH", "/accounts/ann", `{"notes":"owes us money","display_name":"Ann"}`)
	c := s.loggedIn(ann)
	me := c.must(200, "GET", "/me", "")
	if me["id"] != ann.ID || me["role"] != "user" || me["fresh"] != true || me["groups"].([]any)[0] != "crew" || len(me["grants"].([]any)) == 0 {
		t.Errorf("me is %v", me)
	}
	if v := c.must(200, "GET", "/me/profile", ""); v["display_name"] != "Ann" || v["notes"] != nil {
		t.Errorf("the profile is %v", v)
	}
	if w := c.do("GET", "/me/events", ""); w.Code != 200 || strings.Contains(w.Body.String(), "owes us money") || !strings.Contains(w.Body.String(), "account.change") {
		t.Errorf("the history is %d: %s", w.Code, w.Body)
	}
	(&client{site: s, tls: true}).must(401, "POST", "/login", body("username", "ann", "password", "wrong"))
	logins := c.must(200, "GET", "/me/logins", "")
	if len(logins["logins"].([]any)) != 2 || len(logins["addresses"].([]any)) != 1 {
		t.Errorf("the logins are %v", logins)
	}
	if u := c.must(200, "GET", "/me/usage", ""); u["path"] != "/home/ann" {
		t.Errorf("the use is %v", u)
	}
	if g := c.list("/me/groups"); len(g) != 1 || g[0]["member"] != true {
		t.Errorf("the groups are %v", g)
	}
	if p := c.must(200, "GET", "/me/password", ""); p["set"] != true || p["must_change"] != false {
		t.Errorf("the password is %v", p)
	}
	s.Add("guest", func(a *accounts.Account) { a.Role, a.ManagedBy = policy.RoleGuest, []string{ann.ID} })
	s.Add("not ann's")
	if g := c.list("/me/guests"); len(g) != 1 || g[0]["username"] != "guest" {
		t.Errorf("the guests are %v", g)
	}
	root := s.root()
	root.must(403, "GET", "/me/keys", "")
	root.must(403, "PUT", "/me/password", `{"new":"a wholly new passphrase"}`)
	root.must(403, "POST", "/me/totp", "")
	root.must(403, "GET", "/me/totp", "")
	root.must(403, "POST", "/logout", "")
}

// The credentials that one makes oneself prove the account at once, and no more
// once they are revoked.
func TestOnesOwnCredentials(t *testing.T) {
	s := newSite(t)
	ann, bob := s.Add("ann"), s.Add("bob")
	c, other := s.loggedIn(ann), s.loggedIn(bob)
	for at, settings := range map[string]string{
		"/me/tokens":  `{"name":"script"}`,
		"/me/clients": `{"name":"laptop","device":{"computer":"lap","os":"Linux"}}`,
	} {
		made := c.must(201, "POST", at, settings)
		secret, id := made["secret"].(string), made["id"].(string)
		program := &client{site: s, tls: true, header: http.Header{"Authorization": {"Bearer " + secret}}}
		if me := program.must(200, "GET", "/me", ""); me["username"] != "ann" {
			t.Errorf("%s proves %v", at, me["username"])
		}
		if list := c.list(at); len(list) != 1 || list[0]["secret"] != nil || list[0]["hash"] != nil || list[0]["last_used"] == nil {
			t.Errorf("%s shows %v", at, list)
		}
		other.must(404, "DELETE", at+"/"+id, "")
		if w := c.do("DELETE", at+"/"+id, ""); w.Code >= 300 {
			t.Errorf("DELETE %s is %d: %s", at, w.Code, w.Body)
		}
		program.must(401, "GET", "/me", "")
	}
	made := c.must(201, "POST", "/me/keys", body("key", authorized(protocoltest.NewKey(t)), "name", "desk"))
	if list := c.list("/me/keys"); len(list) != 2 {
		t.Errorf("the keys are %v", list)
	}
	other.must(404, "DELETE", "/me/keys/"+made["id"].(string), "")
	if w := c.do("DELETE", "/me/keys/"+made["id"].(string), ""); w.Code >= 300 {
		t.Errorf("the key stays: %d", w.Code)
	}
	c.must(422, "POST", "/me/keys", `{"key":"no key"}`)
	c.must(201, "POST", "/me/app-passwords", `{"name":"phone","read_only":true,"folder":"/home/ann/in"}`)
}

// What clients keep in step is no credential: any program of the account changes
// it, but only the client itself says that it has done so.
func TestSyncs(t *testing.T) {
	s := newSite(t)
	ann := s.Add("ann")
	c := s.loggedIn(ann)
	made := c.must(201, "POST", "/me/clients", `{"name":"laptop","device":{"computer":"lap"}}`)
	at := "/me/clients/" + made["id"].(string) + "/syncs"
	reads, _ := s.token("ann", func(c *accounts.Credential) { c.Scope.ReadOnly = true })
	reads.must(403, "POST", at, `{"local_path":"C:\\x","remote_path":"/home/ann/x"}`)
	program, _ := s.token("ann", nil)
	sync := program.must(201, "POST", at, `{"local_path":"C:\\x","remote_path":"/home/ann/x"}`)
	one := at + "/" + sync["id"].(string)
	c.must(200, "PUT", one, `{"local_path":"C:\\y","remote_path":"/home/ann/y"}`)
	c.must(422, "PUT", one, `{"local_path":"C:\\y","remote_path":"home/../.."}`)
	program.must(403, "POST", one+"/done", "")
	laptop := &client{site: s, tls: true, header: http.Header{"Authorization": {"Bearer " + made["secret"].(string)}}}
	if w := laptop.do("POST", one+"/done", ""); w.Code >= 300 {
		t.Fatalf("the client's word is %d: %s", w.Code, w.Body)
	}
	syncs := c.list("/me/clients")[0]["device"].(map[string]any)["syncs"].([]any)
	if y := syncs[0].(map[string]any); y["local_path"] != `C:\y` || y["remote_path"] != "/home/ann/y" || y["last_sync"] == nil {
		t.Errorf("the sync is %v", y)
	}
	if w := c.do("DELETE", one, ""); w.Code >= 300 {
		t.Errorf("the sync stays: %d", w.Code)
	}
	c.must(404, "DELETE", one, "")
}

// What the site keeps for administrators, nobody changes of themselves.
func TestSelfServiceIsSwitchedOff(t *testing.T) {
	s := newSite(t)
	ann := s.Add("ann")
	bot := s.Add("bot", func(a *accounts.Account) { a.Shared = true })
	c, b := s.loggedIn(ann), s.loggedIn(bot)
	for _, op := range []struct{ method, path, body string }{
		{"POST", "/me/tokens", `{"name":"x"}`},
		{"POST", "/me/keys", body("key", authorized(protocoltest.NewKey(t)))},
		{"POST", "/me/totp", ""},
		{"PUT", "/me/password", body("current", bot.Password, "new", "a wholly new passphrase")},
		{"PATCH", "/me/profile", `{"email":"bot@example.org"}`},
		{"PATCH", "/me/profile", `{"time_zone":"Europe/Zurich"}`},
	} {
		if w := b.do(op.method, op.path, op.body); w.Code != 403 {
			t.Errorf("a shared account: %s %s is %d: %s", op.method, op.path, w.Code, w.Body)
		}
	}
	b.must(200, "PATCH", "/me/profile", `{"display_name":"Bot","language":"de"}`)
	set := func(site string) {
		t.Helper()
		s.root().must(200, "PATCH", "/site", site)
	}
	c.must(200, "PATCH", "/me/profile", `{"display_name":"Ann","email":"ann@example.org","time_zone":"Europe/Zurich"}`)
	c.must(422, "PATCH", "/me/profile", `{"role":"admin"}`)
	c.must(422, "PATCH", "/me/profile", `{"time_zone":"Mars/Olympus"}`)
	for site, refused := range map[string][]string{
		`{"lock_profiles":true,"self_service":null}`:                           {`{"display_name":"x"}`, `{"email":"x@example.org"}`},
		`{"lock_profiles":null,"self_service":{"profile":false,"email":true}}`: {`{"display_name":"x"}`, `{"language":"x"}`},
		`{"lock_profiles":null,"self_service":{"profile":null,"email":false}}`: {`{"email":"x@example.org"}`, `{"recovery_email":"x@example.org"}`},
	} {
		set(site)
		for _, patch := range refused {
			if w := c.do("PATCH", "/me/profile", patch); w.Code != 403 {
				t.Errorf("under %s %s is %d: %s", site, patch, w.Code, w.Body)
			}
		}
	}
	set(`{"lock_profiles":null,"self_service":{"profile":null,"email":null,"keys":false}}`)
	c.must(403, "POST", "/me/keys", body("key", authorized(protocoltest.NewKey(t))))
	c.must(403, "POST", "/me/app-passwords", `{"name":"x"}`)
}

// Only managers and administrators set a guest's password.
func TestAGuestChangesNoPassword(t *testing.T) {
	s := newSite(t)
	ann := s.Add("ann")
	guest := s.Add("guest", func(a *accounts.Account) { a.Role, a.ManagedBy = policy.RoleGuest, []string{ann.ID} })
	c := s.loggedIn(guest)
	c.must(403, "PUT", "/me/password", body("current", guest.Password, "new", "a wholly new passphrase"))
}

func TestOnesOwnSessions(t *testing.T) {
	s := newSite(t)
	ann, bob := s.Add("ann"), s.Add("bob")
	c, elsewhere, other := s.loggedIn(ann), s.loggedIn(ann), s.loggedIn(bob)
	list := c.list("/me/sessions")
	if len(list) != 2 {
		t.Fatalf("the sessions are %v", list)
	}
	for _, v := range list {
		other.must(404, "DELETE", "/me/sessions/"+v["id"].(string), "")
		if v["current"] == true {
			continue
		}
		if w := c.do("DELETE", "/me/sessions/"+v["id"].(string), ""); w.Code >= 300 {
			t.Errorf("it does not end: %d %s", w.Code, w.Body)
		}
	}
	elsewhere.must(401, "GET", "/me", "")
	c.must(200, "GET", "/me", "")
}

// What is shown to connect with is the account's own, for the doors that it may
// use, and safe to paste.
func TestConnect(t *testing.T) {
	s := newSite(t)
	const name = "o'neil; reboot@example.org"
	p := s.Add(name, func(a *accounts.Account) { a.Protocols = []policy.Door{policy.SFTP, policy.WebDAV, policy.API} })
	list := s.loggedIn(p).list("/me/connect")
	doors := map[string]map[string]any{}
	for _, v := range list {
		doors[v["door"].(string)] = v
	}
	if len(doors) != 3 || doors["ftp"] != nil {
		t.Fatalf("the doors are %v", list)
	}
	sftp := doors["sftp"]
	if sftp["port"] != 2022.0 || sftp["host"] != "files.example.org" || sftp["host_keys"].([]any)[0] != "SHA256:test (ssh-ed25519)" {
		t.Errorf("SFTP is %v", sftp)
	}
	line := sftp["commands"].([]any)[0].(map[string]any)["line"]
	if want := `sftp -P 2022 -o User='o'\''neil; reboot@example.org' files.example.org`; line != want {
		t.Errorf("the command is\n%s, want\n%s", line, want)
	}
	if url := doors["webdav"]["url"]; url != "https://files.example.org/dav/" {
		t.Errorf("WebDAV is at %v", url)
	}
}

// Of two who accept the same invitation at once, one does.
func TestAnInvitationIsGoodOnce(t *testing.T) {
	s := newSite(t)
	root := s.admin("root")
	made := root.must(201, "POST", "/invitations", `{"email":"new@example.org"}`)
	address := made["url"].(string)
	at, secret, ok := strings.Cut(address, "#")
	if !ok || at != "https://files.example.org/account/invitation" || strings.Contains(s.root().do("GET", "/invitations", "").Body.String(), secret) {
		t.Errorf("the address is %s", address)
	}
	accept := func(name, password string) int {
		c := &client{site: s, tls: true}
		return c.do("POST", "/invitations/accept", body("secret", secret, "username", name, "password", password)).Code
	}
	for what, status := range map[string]int{"root": 422, "../x": 422} {
		if got := accept(what, "a wholly new passphrase"); got != status {
			t.Errorf("the name %q is %d, want %d", what, got, status)
		}
	}
	if got := accept("ann", "x"); got != 422 {
		t.Errorf("a short password is %d", got)
	}
	var wg sync.WaitGroup
	codes := make([]int, 8)
	for i := range codes {
		wg.Go(func() { codes[i] = accept("ann"+string(rune('a'+i)), "a wholly new passphrase") })
	}
	wg.Wait()
	count := map[int]int{}
	for _, code := range codes {
		count[code]++
	}
	if count[201] != 1 || count[201]+count[410] != len(codes) {
		t.Errorf("of %d who accept: %v", len(codes), count)
	}
}

// An invitation gives no more than who made it may still give.
func TestAnInvitationOfWhoIsAdministratorNoMore(t *testing.T) {
	s := newSite(t)
	s.admin("other")
	root := s.admin("root")
	made := root.must(201, "POST", "/invitations", `{"email":"new@example.org","role":"admin"}`)
	_, secret, _ := strings.Cut(made["url"].(string), "#")
	s.Change("root", func(a *accounts.Account) { a.Role = policy.RoleUser })
	c := &client{site: s, tls: true}
	if w := c.do("POST", "/invitations/accept", body("secret", secret, "username", "eve", "password", "a wholly new passphrase")); w.Code < 400 {
		t.Errorf("it is accepted: %d %s", w.Code, w.Body)
	}
	if w := s.root().do("GET", "/accounts/eve", ""); w.Code != 404 {
		t.Errorf("eve is there: %s", w.Body)
	}
}
