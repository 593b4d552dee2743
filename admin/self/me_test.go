package self_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
)

func TestWhatAnAccountSeesOfItself(t *testing.T) {
	s := admintest.New(t)
	s.Root().Must(201, "POST", "/groups", `{"name":"crew"}`)
	ann := s.Add("ann")
	s.Root().Must(200, "PUT", "/groups/crew/members/ann", "")
	s.Root().Must(200, "PATCH", "/accounts/ann", `{"notes":"owes us money","display_name":"Ann"}`)
	c := s.LoggedIn(ann)
	me := c.Must(200, "GET", "/me", "")
	if me["id"] != ann.ID || me["role"] != "user" || me["fresh"] != true || me["groups"].([]any)[0] != "crew" || len(me["grants"].([]any)) == 0 {
		t.Errorf("me is %v", me)
	}
	if v := c.Must(200, "GET", "/me/profile", ""); v["display_name"] != "Ann" || v["notes"] != nil {
		t.Errorf("the profile is %v", v)
	}
	if w := c.Do("GET", "/me/events", ""); w.Code != 200 || strings.Contains(w.Body.String(), "owes us money") || !strings.Contains(w.Body.String(), "account.change") {
		t.Errorf("the history is %d: %s", w.Code, w.Body)
	}
	(&admintest.Client{Site: s, TLS: true}).Must(401, "POST", "/login", admintest.Body("username", "ann", "password", "wrong"))
	logins := c.Must(200, "GET", "/me/logins", "")
	if len(logins["logins"].([]any)) != 2 || len(logins["addresses"].([]any)) != 1 {
		t.Errorf("the logins are %v", logins)
	}
	if u := c.Must(200, "GET", "/me/usage", ""); u["path"] != "/home/ann" {
		t.Errorf("the use is %v", u)
	}
	if g := c.List("/me/groups"); len(g) != 1 || g[0]["member"] != true {
		t.Errorf("the groups are %v", g)
	}
	if p := c.Must(200, "GET", "/me/password", ""); p["set"] != true || p["must_change"] != false {
		t.Errorf("the password is %v", p)
	}
	s.Add("guest", func(a *accounts.Account) { a.Role, a.ManagedBy = policy.RoleGuest, []string{ann.ID} })
	s.Add("not ann's")
	if g := c.List("/me/guests"); len(g) != 1 || g[0]["username"] != "guest" {
		t.Errorf("the guests are %v", g)
	}
	root := s.Root()
	root.Must(403, "GET", "/me/keys", "")
	root.Must(403, "PUT", "/me/password", `{"new":"a wholly new passphrase"}`)
	root.Must(403, "POST", "/me/totp", "")
	root.Must(403, "GET", "/me/totp", "")
	root.Must(403, "POST", "/logout", "")
}

// The credentials that one makes oneself prove the account at once, and no more
// once they are revoked.
func TestOnesOwnCredentials(t *testing.T) {
	s := admintest.New(t)
	ann, bob := s.Add("ann"), s.Add("bob")
	c, other := s.LoggedIn(ann), s.LoggedIn(bob)
	for at, settings := range map[string]string{
		"/me/tokens":  `{"name":"script"}`,
		"/me/clients": `{"name":"laptop","device":{"computer":"lap","os":"Linux"}}`,
	} {
		made := c.Must(201, "POST", at, settings)
		secret, id := made["secret"].(string), made["id"].(string)
		program := &admintest.Client{Site: s, TLS: true, Header: http.Header{"Authorization": {"Bearer " + secret}}}
		if me := program.Must(200, "GET", "/me", ""); me["username"] != "ann" {
			t.Errorf("%s proves %v", at, me["username"])
		}
		if list := c.List(at); len(list) != 1 || list[0]["secret"] != nil || list[0]["hash"] != nil || list[0]["last_used"] == nil {
			t.Errorf("%s shows %v", at, list)
		}
		other.Must(404, "DELETE", at+"/"+id, "")
		if w := c.Do("DELETE", at+"/"+id, ""); w.Code >= 300 {
			t.Errorf("DELETE %s is %d: %s", at, w.Code, w.Body)
		}
		program.Must(401, "GET", "/me", "")
	}
	made := c.Must(201, "POST", "/me/keys", admintest.Body("key", admintest.Authorized(protocoltest.NewKey(t)), "name", "desk"))
	if list := c.List("/me/keys"); len(list) != 2 {
		t.Errorf("the keys are %v", list)
	}
	other.Must(404, "DELETE", "/me/keys/"+made["id"].(string), "")
	if w := c.Do("DELETE", "/me/keys/"+made["id"].(string), ""); w.Code >= 300 {
		t.Errorf("the key stays: %d", w.Code)
	}
	c.Must(422, "POST", "/me/keys", `{"key":"no key"}`)
	c.Must(201, "POST", "/me/app-passwords", `{"name":"phone","read_only":true,"folder":"/home/ann/in"}`)
}

// What clients keep in step is no credential: any program of the account changes
// it, but only the client itself says that it has done so.
func TestSyncs(t *testing.T) {
	s := admintest.New(t)
	ann := s.Add("ann")
	c := s.LoggedIn(ann)
	made := c.Must(201, "POST", "/me/clients", `{"name":"laptop","device":{"computer":"lap"}}`)
	at := "/me/clients/" + made["id"].(string) + "/syncs"
	reads, _ := s.Token("ann", func(c *accounts.Credential) { c.Scope.ReadOnly = true })
	reads.Must(403, "POST", at, `{"local_path":"C:\\x","remote_path":"/home/ann/x"}`)
	program, _ := s.Token("ann", nil)
	sync := program.Must(201, "POST", at, `{"local_path":"C:\\x","remote_path":"/home/ann/x"}`)
	one := at + "/" + sync["id"].(string)
	c.Must(200, "PUT", one, `{"local_path":"C:\\y","remote_path":"/home/ann/y"}`)
	c.Must(422, "PUT", one, `{"local_path":"C:\\y","remote_path":"home/../.."}`)
	program.Must(403, "POST", one+"/done", "")
	laptop := &admintest.Client{Site: s, TLS: true, Header: http.Header{"Authorization": {"Bearer " + made["secret"].(string)}}}
	if w := laptop.Do("POST", one+"/done", ""); w.Code >= 300 {
		t.Fatalf("the client's word is %d: %s", w.Code, w.Body)
	}
	syncs := c.List("/me/clients")[0]["device"].(map[string]any)["syncs"].([]any)
	if y := syncs[0].(map[string]any); y["local_path"] != `C:\y` || y["remote_path"] != "/home/ann/y" || y["last_sync"] == nil {
		t.Errorf("the sync is %v", y)
	}
	if w := c.Do("DELETE", one, ""); w.Code >= 300 {
		t.Errorf("the sync stays: %d", w.Code)
	}
	c.Must(404, "DELETE", one, "")
}

// What the site keeps for administrators, nobody changes of themselves.
func TestSelfServiceIsSwitchedOff(t *testing.T) {
	s := admintest.New(t)
	ann := s.Add("ann")
	bot := s.Add("bot", func(a *accounts.Account) { a.Shared = true })
	c, b := s.LoggedIn(ann), s.LoggedIn(bot)
	for _, op := range []struct{ method, path, body string }{
		{"POST", "/me/tokens", `{"name":"x"}`},
		{"POST", "/me/keys", admintest.Body("key", admintest.Authorized(protocoltest.NewKey(t)))},
		{"POST", "/me/totp", ""},
		{"PUT", "/me/password", admintest.Body("current", bot.Password, "new", "a wholly new passphrase")},
		{"PATCH", "/me/profile", `{"email":"bot@example.org"}`},
		{"PATCH", "/me/profile", `{"time_zone":"Europe/Zurich"}`},
	} {
		if w := b.Do(op.method, op.path, op.body); w.Code != 403 {
			t.Errorf("a shared account: %s %s is %d: %s", op.method, op.path, w.Code, w.Body)
		}
	}
	b.Must(200, "PATCH", "/me/profile", `{"display_name":"Bot","language":"de"}`)
	set := func(site string) {
		t.Helper()
		s.Root().Must(200, "PATCH", "/site", site)
	}
	c.Must(200, "PATCH", "/me/profile", `{"display_name":"Ann","email":"ann@example.org","time_zone":"Europe/Zurich"}`)
	c.Must(422, "PATCH", "/me/profile", `{"role":"admin"}`)
	c.Must(422, "PATCH", "/me/profile", `{"time_zone":"Mars/Olympus"}`)
	for site, refused := range map[string][]string{
		`{"lock_profiles":true,"self_service":null}`:                           {`{"display_name":"x"}`, `{"email":"x@example.org"}`},
		`{"lock_profiles":null,"self_service":{"profile":false,"email":true}}`: {`{"display_name":"x"}`, `{"language":"x"}`},
		`{"lock_profiles":null,"self_service":{"profile":null,"email":false}}`: {`{"email":"x@example.org"}`, `{"recovery_email":"x@example.org"}`},
	} {
		set(site)
		for _, patch := range refused {
			if w := c.Do("PATCH", "/me/profile", patch); w.Code != 403 {
				t.Errorf("under %s %s is %d: %s", site, patch, w.Code, w.Body)
			}
		}
	}
	set(`{"lock_profiles":null,"self_service":{"profile":null,"email":null,"keys":false}}`)
	c.Must(403, "POST", "/me/keys", admintest.Body("key", admintest.Authorized(protocoltest.NewKey(t))))
	c.Must(403, "POST", "/me/app-passwords", `{"name":"x"}`)
}

// Only managers and administrators set a guest's password.
func TestAGuestChangesNoPassword(t *testing.T) {
	s := admintest.New(t)
	ann := s.Add("ann")
	guest := s.Add("guest", func(a *accounts.Account) { a.Role, a.ManagedBy = policy.RoleGuest, []string{ann.ID} })
	c := s.LoggedIn(guest)
	c.Must(403, "PUT", "/me/password", admintest.Body("current", guest.Password, "new", "a wholly new passphrase"))
}

func TestOnesOwnSessions(t *testing.T) {
	s := admintest.New(t)
	ann, bob := s.Add("ann"), s.Add("bob")
	c, elsewhere, other := s.LoggedIn(ann), s.LoggedIn(ann), s.LoggedIn(bob)
	list := c.List("/me/sessions")
	if len(list) != 2 {
		t.Fatalf("the sessions are %v", list)
	}
	for _, v := range list {
		other.Must(404, "DELETE", "/me/sessions/"+v["id"].(string), "")
		if v["current"] == true {
			continue
		}
		if w := c.Do("DELETE", "/me/sessions/"+v["id"].(string), ""); w.Code >= 300 {
			t.Errorf("it does not end: %d %s", w.Code, w.Body)
		}
	}
	elsewhere.Must(401, "GET", "/me", "")
	c.Must(200, "GET", "/me", "")
}

// What is shown to connect with is the account's own, for the doors that it may
// use, and safe to paste.
func TestConnect(t *testing.T) {
	s := admintest.New(t)
	const name = "o'neil; reboot@example.org"
	p := s.Add(name, func(a *accounts.Account) { a.Protocols = []policy.Door{policy.SFTP, policy.WebDAV, policy.API} })
	list := s.LoggedIn(p).List("/me/connect")
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

// While no authority vouches for the gateway's key, what is pasted names the key,
// so that nobody in between is taken for it. The command line is for those who
// oversee others.
func TestConnectNamesTheKey(t *testing.T) {
	s := admintest.New(t)
	ann, root := s.LoggedIn(s.Add("ann")), s.Admin("root")
	lines := func(c *admintest.Client) string { return c.Do("GET", "/me/connect", "").Body.String() }
	if text := lines(root); strings.Contains(text, "pin") || !strings.Contains(text, "account list") {
		t.Errorf("a key that is vouched for: %s", text)
	}
	s.Pin = "sha256:AAAA+BBBB="
	if text := lines(root); !strings.Contains(text, "--pin 'sha256:AAAA+BBBB=' account list") {
		t.Errorf("the command line: %s", text)
	}
	text := lines(ann)
	if strings.Contains(text, "account list") || strings.Count(text, "curl -k --pinnedpubkey 'sha256//AAAA+BBBB='") != 2 {
		t.Errorf("a user's lines: %s", text)
	}
}
