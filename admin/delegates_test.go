package admin_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
)

// login returns a client that is logged in.
func (s *site) login(p protocoltest.Person) *client {
	s.t.Helper()
	c := &client{site: s, tls: true}
	c.must(200, http.MethodPost, "/login", `{"username":"`+p.Name+`","password":"`+p.Password+`"}`)
	return c
}

// refusedField asks, demands 403, and returns the field that the problem names.
func (c *client) refusedField(method, path, body string) string {
	c.t.Helper()
	w := c.do(method, path, body)
	var problem struct {
		Errors []struct{ Location string }
	}
	_ = json.Unmarshal(w.Body.Bytes(), &problem)
	if w.Code != 403 {
		c.t.Errorf("%s %s %s is %d, want 403: %s", method, path, body, w.Code, w.Body)
		return ""
	}
	if len(problem.Errors) == 0 {
		return ""
	}
	return strings.TrimPrefix(problem.Errors[0].Location, "body.")
}

// office is a site with a delegate, dora, who manages users and guests and may
// use SFTP, web and API, and with accounts that she manages and does not.
type office struct {
	*site
	dora, ann, zoe protocoltest.Person
	delegate       *client
}

func newOffice(t *testing.T) *office {
	s := newSite(t)
	s.admin("root")
	o := &office{site: s}
	s.Mkdir("/shared")
	s.Mkdir("/secret")
	o.dora = s.Add("dora", func(a *accounts.Account) {
		a.Manage = policy.Manage{Users: true, Guests: true}
		a.Protocols = []policy.Door{policy.SFTP, policy.Web, policy.API}
		a.Limits.Sessions = 5
	})
	s.Grant("dora", "/shared", policy.ReadOnly, "shared")
	managed := func(a *accounts.Account) {
		a.ManagedBy = []string{o.dora.ID}
		a.Protocols = []policy.Door{policy.SFTP}
		a.Limits.Sessions = 2
	}
	o.ann = s.Add("ann", managed)
	o.zoe = s.Add("zoe")
	o.delegate = s.login(o.dora)
	return o
}

func TestADelegateSeesWhatItManagesAndNothingElse(t *testing.T) {
	o := newOffice(t)
	c := o.delegate
	page := c.must(200, "GET", "/accounts", "")
	items := page["items"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["username"] != "ann" {
		t.Errorf("the list has %v", items)
	}
	for _, name := range []string{"zoe", "root", "dora", "nobody"} {
		for _, path := range []string{"", "/grants", "/keys", "/app-passwords", "/tokens", "/clients", "/sessions", "/usage", "/access"} {
			if w := c.do("GET", "/accounts/"+name+path, ""); w.Code != 404 {
				t.Errorf("it reads %s%s: %d", name, path, w.Code)
			}
		}
		for method, path := range map[string]string{
			"PATCH": "", "DELETE": "?files=delete&confirm=" + name, "POST": "/disable", "PUT": "/password",
		} {
			body := map[string]string{"PATCH": `{"display_name":"x"}`, "PUT": `{"password":"a long enough one"}`}[method]
			if w := c.do(method, "/accounts/"+name+path, body); w.Code != 404 {
				t.Errorf("it does %s %s%s: %d %s", method, name, path, w.Code, w.Body)
			}
		}
	}
	c.must(200, "GET", "/accounts/ann", "")
	c.must(200, "GET", "/accounts/ann/access", "")
	for _, path := range []string{"/site", "/quotas", "/doctor", "/accounts.csv"} {
		if w := c.do("GET", path, ""); w.Code != 403 {
			t.Errorf("it reads %s: %d", path, w.Code)
		}
	}
}

// Whoever manages accounts must not get, through them, what it has not itself.
func TestADelegateWidensNothing(t *testing.T) {
	o := newOffice(t)
	c := o.delegate
	root := o.root()
	root.must(201, "POST", "/groups", `{"name":"bosses"}`)
	root.must(200, "POST", "/groups/bosses/grants", `{"path":"/secret","preset":"full"}`)
	root.must(200, "PATCH", "/accounts/ann", `{"plain_ftp":"deny","roots":{"sftp":"/shared"}}`)
	for body, field := range map[string]string{
		`{"bypass_site_allowed_ips":true}`:    "bypass_site_allowed_ips",
		`{"plain_ftp":"allow"}`:               "plain_ftp",
		`{"root":"/"}`:                        "root",
		`{"roots":{"sftp":"/secret"}}`:        "roots",
		`{"roots":{"ftp":"/secret"}}`:         "roots",
		`{"home":"/secret"}`:                  "home",
		`{"role":"admin"}`:                    "role",
		`{"role":"auditor"}`:                  "role",
		`{"role":"guest"}`:                    "role",
		`{"manage_users":true}`:               "manage_users",
		`{"manage_personal_groups":true}`:     "manage_users",
		`{"managed_by":null}`:                 "managed_by",
		`{"managed_by":{"accounts":["zoe"]}}`: "managed_by",
		`{"groups":["bosses"]}`:               "groups",
		`{"protocols":["ftp"]}`:               "protocols",
		`{"protocols":["sftp","webdav"]}`:     "protocols",
		`{"protocols":null}`:                  "protocols",
		`{"limits":{"sessions":6}}`:           "limits.sessions",
		`{"limits":null}`:                     "limits.sessions",
		`{"uid":0}`:                           "uid",
		`{"notes":"x"}`:                       "notes",
		`{"shared":true}`:                     "shared",
		`{"second_factor":"exempt"}`:          "",
		`{"display_name":"fine","bypass_site_allowed_ips":true}`: "bypass_site_allowed_ips",
	} {
		if got := c.refusedField("PATCH", "/accounts/ann", body); got != field && field != "" {
			t.Errorf("%s is refused for the field %q, want %q", body, got, field)
		}
	}
	for _, body := range []string{
		`{"path":"/secret","preset":"read-only"}`, `{"path":"/","preset":"full"}`, `{"path":"/shared","preset":"full"}`,
		`{"path":"/no/such/folder","preset":"full"}`, `{"path":"/home/dora/../zoe","preset":"full"}`,
	} {
		if w := c.do("POST", "/accounts/ann/grants", body); w.Code != 403 && !strings.Contains(body, "..") || w.Code < 400 {
			t.Errorf("it grants %s: %d %s", body, w.Code, w.Body)
		}
	}
	if w := c.do("PUT", "/groups/bosses/members/ann", ""); w.Code != 404 {
		t.Errorf("it adds a member to a group that it does not manage: %d", w.Code)
	}
	if w := c.do("PUT", "/groups/bosses/members/dora", ""); w.Code != 404 {
		t.Errorf("it adds itself: %d", w.Code)
	}
	c.must(403, "POST", "/groups", `{"name":"mine","kind":"personal"}`)
	c.must(403, "POST", "/groups", `{"name":"mine"}`)
	c.must(403, "PATCH", "/site", `{"plain_ftp":"allow"}`)
	c.must(403, "PUT", "/quotas", `{"path":"/home/dora"}`)
	c.must(403, "DELETE", "/accounts/ann/totp", "")
	c.must(403, "POST", "/accounts/ann/unlock", "")
	c.must(403, "DELETE", "/accounts/ann?files=keep&confirm=ann", "")
}

func TestADelegateGivesWhatItHas(t *testing.T) {
	o := newOffice(t)
	c := o.delegate
	c.must(200, "PATCH", "/accounts/ann", `{"display_name":"Ann","protocols":["sftp","web"],"limits":{"sessions":5}}`)
	c.must(201, "POST", "/accounts/ann/grants", `{"path":"/shared","preset":"read-only","at":"shared"}`)
	c.must(200, "PUT", "/accounts/ann/password", `{"password":"another long passphrase"}`)
	c.must(201, "POST", "/accounts/ann/app-passwords", `{"name":"phone"}`)
	c.must(200, "POST", "/accounts/ann/disable", `{"why":"left"}`)
	c.must(200, "POST", "/accounts/ann/enable", "")
	c.must(200, "DELETE", "/accounts/ann?files=delete&confirm=ann", "")
}

// What a delegate makes, by hand, from a copy or by invitation, is its own to
// manage and has no more than it has itself, also where nothing was said.
func TestAccountsThatADelegateMakesHaveNoMoreThanItHas(t *testing.T) {
	o := newOffice(t)
	c := o.delegate
	made := c.must(201, "POST", "/accounts", `{"username":"new","password":"a long passphrase"}`)
	text, _ := json.Marshal(made)
	if managers := made["managed_by"].(map[string]any)["accounts"].([]any); len(managers) != 1 || managers[0] != "dora" {
		t.Errorf("it is managed by %v", managers)
	}
	if strings.Contains(string(text), `"ftp"`) || !strings.Contains(string(text), `"sessions":5`) {
		t.Errorf("it has more than its maker: %s", text)
	}
	for body, field := range map[string]string{
		`{"username":"x","role":"admin"}`:                       "role",
		`{"username":"x","role":"auditor"}`:                     "role",
		`{"username":"x","manage_users":true}`:                  "manage_users",
		`{"username":"x","home":"/home/zoe"}`:                   "home",
		`{"username":"x","home":"/home/zoe","adopt_home":true}`: "adopt_home",
		`{"username":"x","root":"/"}`:                           "root",
		`{"username":"x","bypass_site_allowed_ips":true}`:       "bypass_site_allowed_ips",
		`{"username":"x","plain_ftp":"allow"}`:                  "plain_ftp",
		`{"username":"x","protocols":["ftp"]}`:                  "protocols",
		`{"username":"x","limits":{"sessions":100}}`:            "limits.sessions",
		`{"username":"x","managed_by":{"accounts":["zoe"]}}`:    "managed_by",
	} {
		if got := c.refusedField("POST", "/accounts", body); got != field && field != "manage_users" {
			t.Errorf("%s is refused for the field %q, want %q", body, got, field)
		}
	}
	// A copy of what others gave to an account that the delegate manages.
	o.Grant("ann", "/secret", policy.Full, "")
	if got := c.refusedField("POST", "/accounts/ann/clone", `{"username":"copy"}`); got != "grants" {
		t.Errorf("the copy is refused for the field %q", got)
	}
	if w := c.do("POST", "/accounts/zoe/clone", `{"username":"copy"}`); w.Code != 404 {
		t.Errorf("it copies what it does not see: %d", w.Code)
	}
	for _, body := range []string{`{"email":"x@example.org","role":"admin"}`, `{"email":"x@example.org","managed_by":{"accounts":["root"]}}`} {
		c.must(403, "POST", "/invitations", body)
	}
}

// An invitation was good when it was made: that counts for nothing once its
// maker has lost the right to it.
func TestAnInvitationIsWorthWhatItsMakerMayStillGive(t *testing.T) {
	o := newOffice(t)
	invited := o.delegate.must(201, "POST", "/invitations", `{"email":"x@example.org"}`)
	address := invited["url"].(string)
	_, secret, _ := strings.Cut(address, "#")
	if secret == "" || strings.Contains(o.root().do("GET", "/invitations", "").Body.String(), secret) {
		t.Fatalf("the address is %q, or its secret is shown again", address)
	}
	o.Change("dora", func(a *accounts.Account) { a.Manage = policy.Manage{} })
	accept := `{"secret":"` + secret + `","username":"x","password":"a long passphrase"}`
	(&client{site: o.site, tls: true}).must(403, "POST", "/invitations/accept", accept)
	o.Change("dora", func(a *accounts.Account) { a.Manage = policy.Manage{Users: true} })
	(&client{site: o.site, tls: true}).must(201, "POST", "/invitations/accept", accept)
	x := o.root().must(200, "GET", "/accounts/x", "")
	if managers := x["managed_by"].(map[string]any)["accounts"].([]any); len(managers) != 1 || managers[0] != "dora" {
		t.Errorf("the invited account is managed by %v", managers)
	}
}

// A delegate that loses its right has none from then on, in the session that is
// open, too.
func TestADelegateThatIsNoneAnyMoreIsRefusedAtOnce(t *testing.T) {
	o := newOffice(t)
	o.delegate.must(200, "GET", "/accounts/ann", "")
	o.Change("dora", func(a *accounts.Account) { a.Manage = policy.Manage{} })
	eventually(t, func() bool { return o.delegate.do("GET", "/accounts/ann", "").Code == 403 })
	if w := o.delegate.do("PATCH", "/accounts/ann", `{"display_name":"x"}`); w.Code != 403 {
		t.Errorf("it changes an account: %d", w.Code)
	}
}

func TestGuestsMakeAndChangeNothingOfOthers(t *testing.T) {
	o := newOffice(t)
	guest := o.Add("gus", func(a *accounts.Account) { a.Role, a.ManagedBy = policy.RoleGuest, []string{o.dora.ID} })
	c := o.login(guest)
	for _, ask := range [][3]string{
		{"POST", "/accounts", `{"username":"x","role":"guest"}`}, {"POST", "/groups", `{"name":"x","kind":"personal"}`},
		{"POST", "/invitations", `{"email":"x@example.org","role":"guest"}`}, {"GET", "/accounts", ""},
		{"PATCH", "/accounts/gus", `{"role":"user"}`}, {"POST", "/accounts/gus/clone", `{"username":"x"}`},
	} {
		if w := c.do(ask[0], ask[1], ask[2]); w.Code != 403 && w.Code != 404 {
			t.Errorf("a guest does %v: %d %s", ask, w.Code, w.Body)
		}
	}
}

func TestManagersOfAGroupAddAndRemoveMembersAndNoMore(t *testing.T) {
	o := newOffice(t)
	root := o.root()
	max := o.Add("max")
	root.must(201, "POST", "/groups", `{"name":"crew","managers":["max"]}`)
	root.must(200, "POST", "/groups/crew/grants", `{"path":"/secret","preset":"full"}`)
	c := o.login(max)
	if g := c.must(200, "GET", "/groups/crew", ""); g["managers"].([]any)[0] != "max" {
		t.Errorf("the group is %v", g)
	}
	c.must(200, "PUT", "/groups/crew/members/zoe", "")
	c.must(200, "DELETE", "/groups/crew/members/zoe", "")
	if w := c.do("PUT", "/groups/crew/members/max", ""); w.Code != 403 {
		t.Errorf("it gets what the group has by adding itself: %d", w.Code)
	}
	if w := c.do("PUT", "/groups/crew/members/root", ""); w.Code != 403 {
		t.Errorf("it puts an administrator into its group: %d", w.Code)
	}
	c.must(403, "PATCH", "/groups/crew", `{"protocols":["sftp"]}`)
	c.must(403, "POST", "/groups/crew/grants", `{"path":"/shared","preset":"full"}`)
	c.must(403, "DELETE", "/groups/crew", "")
	o.login(o.zoe).must(404, "GET", "/groups/crew", "")
}

func TestPersonalGroupsGiveWhatTheirOwnerHas(t *testing.T) {
	o := newOffice(t)
	pat := o.Add("pat", func(a *accounts.Account) { a.Manage.PersonalGroups = true })
	c := o.login(pat)
	made := c.must(201, "POST", "/groups", `{"name":"friends","kind":"personal"}`)
	if made["owner"] != "pat" {
		t.Errorf("made %v", made)
	}
	c.must(200, "POST", "/groups/friends/grants", `{"path":"/home/pat","preset":"read-only"}`)
	if got := c.refusedField("POST", "/groups/friends/grants", `{"path":"/secret","preset":"read-only"}`); got != "grants" {
		t.Errorf("it is refused for the field %q", got)
	}
	c.must(403, "POST", "/groups", `{"name":"others","kind":"personal","owner":"zoe"}`)
	c.must(200, "PUT", "/groups/friends/members/zoe", "")
	if access := o.root().do("GET", "/accounts/zoe/access", "").Body.String(); !strings.Contains(access, "/home/pat") {
		t.Errorf("zoe has not got it: %s", access)
	}
	if w := c.do("PATCH", "/groups/friends", `{"protocols":["ftp"]}`); w.Code != 403 && w.Code != 422 {
		t.Errorf("a personal group gets defaults: %d", w.Code)
	}
	c.must(200, "DELETE", "/groups/friends", "")
}
