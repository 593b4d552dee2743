package rights_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func TestADelegateSeesWhatItManagesAndNothingElse(t *testing.T) {
	o := admintest.NewOffice(t)
	c := o.Delegate
	page := c.Must(200, "GET", "/accounts", "")
	items := page["items"].([]any)
	if len(items) != 1 || items[0].(map[string]any)["username"] != "ann" {
		t.Errorf("the list has %v", items)
	}
	for _, name := range []string{"zoe", "root", "dora", "nobody"} {
		for _, path := range []string{"", "/grants", "/keys", "/app-passwords", "/tokens", "/clients", "/sessions", "/usage", "/access"} {
			if w := c.Do("GET", "/accounts/"+name+path, ""); w.Code != 404 {
				t.Errorf("it reads %s%s: %d", name, path, w.Code)
			}
		}
		for method, path := range map[string]string{
			"PATCH": "", "DELETE": "?files=delete&confirm=" + name, "POST": "/disable", "PUT": "/password",
		} {
			body := map[string]string{"PATCH": `{"display_name":"x"}`, "PUT": `{"password":"a long enough one"}`}[method]
			if w := c.Do(method, "/accounts/"+name+path, body); w.Code != 404 {
				t.Errorf("it does %s %s%s: %d %s", method, name, path, w.Code, w.Body)
			}
		}
	}
	c.Must(200, "GET", "/accounts/ann", "")
	c.Must(200, "GET", "/accounts/ann/access", "")
	for _, path := range []string{"/site", "/quotas", "/doctor", "/accounts.csv"} {
		if w := c.Do("GET", path, ""); w.Code != 403 {
			t.Errorf("it reads %s: %d", path, w.Code)
		}
	}
}

// Whoever manages accounts must not get, through them, what it has not itself.
func TestADelegateWidensNothing(t *testing.T) {
	o := admintest.NewOffice(t)
	c := o.Delegate
	root := o.Root()
	root.Must(201, "POST", "/groups", `{"name":"bosses"}`)
	root.Must(200, "POST", "/groups/bosses/grants", `{"path":"/secret","preset":"full"}`)
	root.Must(200, "PATCH", "/accounts/ann", `{"plain_ftp":"deny","roots":{"sftp":"/shared"}}`)
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
		if got := c.RefusedField("PATCH", "/accounts/ann", body); got != field && field != "" {
			t.Errorf("%s is refused for the field %q, want %q", body, got, field)
		}
	}
	for _, body := range []string{
		`{"path":"/secret","preset":"read-only"}`, `{"path":"/","preset":"full"}`, `{"path":"/shared","preset":"full"}`,
		`{"path":"/no/such/folder","preset":"full"}`, `{"path":"/home/dora/../zoe","preset":"full"}`,
	} {
		if w := c.Do("POST", "/accounts/ann/grants", body); w.Code != 403 && !strings.Contains(body, "..") || w.Code < 400 {
			t.Errorf("it grants %s: %d %s", body, w.Code, w.Body)
		}
	}
	if w := c.Do("PUT", "/groups/bosses/members/ann", ""); w.Code != 404 {
		t.Errorf("it adds a member to a group that it does not manage: %d", w.Code)
	}
	if w := c.Do("PUT", "/groups/bosses/members/dora", ""); w.Code != 404 {
		t.Errorf("it adds itself: %d", w.Code)
	}
	c.Must(403, "POST", "/groups", `{"name":"mine","kind":"personal"}`)
	c.Must(403, "POST", "/groups", `{"name":"mine"}`)
	c.Must(403, "PATCH", "/site", `{"plain_ftp":"allow"}`)
	c.Must(403, "PUT", "/quotas", `{"path":"/home/dora"}`)
	c.Must(403, "DELETE", "/accounts/ann/totp", "")
	c.Must(403, "POST", "/accounts/ann/unlock", "")
	c.Must(403, "DELETE", "/accounts/ann?files=keep&confirm=ann", "")
}

func TestADelegateGivesWhatItHas(t *testing.T) {
	o := admintest.NewOffice(t)
	c := o.Delegate
	c.Must(200, "PATCH", "/accounts/ann", `{"display_name":"Ann","protocols":["sftp","web"],"limits":{"sessions":5}}`)
	c.Must(201, "POST", "/accounts/ann/grants", `{"path":"/shared","preset":"read-only","at":"shared"}`)
	c.Must(200, "PUT", "/accounts/ann/password", `{"password":"another long passphrase"}`)
	c.Must(201, "POST", "/accounts/ann/app-passwords", `{"name":"phone"}`)
	c.Must(200, "POST", "/accounts/ann/disable", `{"why":"left"}`)
	c.Must(200, "POST", "/accounts/ann/enable", "")
	c.Must(200, "DELETE", "/accounts/ann?files=delete&confirm=ann", "")
}

// What a delegate makes, by hand, from a copy or by invitation, is its own to
// manage and has no more than it has itself, also where nothing was said.
func TestAccountsThatADelegateMakesHaveNoMoreThanItHas(t *testing.T) {
	o := admintest.NewOffice(t)
	c := o.Delegate
	made := c.Must(201, "POST", "/accounts", `{"username":"new","password":"a long passphrase"}`)
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
		if got := c.RefusedField("POST", "/accounts", body); got != field && field != "manage_users" {
			t.Errorf("%s is refused for the field %q, want %q", body, got, field)
		}
	}
	// A copy of what others gave to an account that the delegate manages.
	o.Grant("ann", "/secret", policy.Full, "")
	if got := c.RefusedField("POST", "/accounts/ann/clone", `{"username":"copy"}`); got != "grants" {
		t.Errorf("the copy is refused for the field %q", got)
	}
	if w := c.Do("POST", "/accounts/zoe/clone", `{"username":"copy"}`); w.Code != 404 {
		t.Errorf("it copies what it does not see: %d", w.Code)
	}
	for _, body := range []string{`{"email":"x@example.org","role":"admin"}`, `{"email":"x@example.org","managed_by":{"accounts":["root"]}}`} {
		c.Must(403, "POST", "/invitations", body)
	}
}

// An invitation was good when it was made: that counts for nothing once its
// maker has lost the right to it.
func TestAnInvitationIsWorthWhatItsMakerMayStillGive(t *testing.T) {
	o := admintest.NewOffice(t)
	invited := o.Delegate.Must(201, "POST", "/invitations", `{"email":"x@example.org"}`)
	address := invited["url"].(string)
	_, secret, _ := strings.Cut(address, "#")
	if secret == "" || strings.Contains(o.Root().Do("GET", "/invitations", "").Body.String(), secret) {
		t.Fatalf("the address is %q, or its secret is shown again", address)
	}
	o.Change("dora", func(a *accounts.Account) { a.Manage = policy.Manage{} })
	accept := `{"secret":"` + secret + `","username":"x","password":"a long passphrase"}`
	(&admintest.Client{Site: o.Site, TLS: true}).Must(403, "POST", "/invitations/accept", accept)
	o.Change("dora", func(a *accounts.Account) { a.Manage = policy.Manage{Users: true} })
	(&admintest.Client{Site: o.Site, TLS: true}).Must(201, "POST", "/invitations/accept", accept)
	x := o.Root().Must(200, "GET", "/accounts/x", "")
	if managers := x["managed_by"].(map[string]any)["accounts"].([]any); len(managers) != 1 || managers[0] != "dora" {
		t.Errorf("the invited account is managed by %v", managers)
	}
}

// A delegate that loses its right has none from then on, in the session that is
// open, too.
func TestADelegateThatIsNoneAnyMoreIsRefusedAtOnce(t *testing.T) {
	o := admintest.NewOffice(t)
	o.Delegate.Must(200, "GET", "/accounts/ann", "")
	o.Change("dora", func(a *accounts.Account) { a.Manage = policy.Manage{} })
	admintest.Eventually(t, func() bool { return o.Delegate.Do("GET", "/accounts/ann", "").Code == 403 })
	if w := o.Delegate.Do("PATCH", "/accounts/ann", `{"display_name":"x"}`); w.Code != 403 {
		t.Errorf("it changes an account: %d", w.Code)
	}
}

func TestGuestsMakeAndChangeNothingOfOthers(t *testing.T) {
	o := admintest.NewOffice(t)
	guest := o.Add("gus", func(a *accounts.Account) { a.Role, a.ManagedBy = policy.RoleGuest, []string{o.Dora.ID} })
	c := o.LoggedIn(guest)
	for _, ask := range [][3]string{
		{"POST", "/accounts", `{"username":"x","role":"guest"}`}, {"POST", "/groups", `{"name":"x","kind":"personal"}`},
		{"POST", "/invitations", `{"email":"x@example.org","role":"guest"}`}, {"GET", "/accounts", ""},
		{"PATCH", "/accounts/gus", `{"role":"user"}`}, {"POST", "/accounts/gus/clone", `{"username":"x"}`},
	} {
		if w := c.Do(ask[0], ask[1], ask[2]); w.Code != 403 && w.Code != 404 {
			t.Errorf("a guest does %v: %d %s", ask, w.Code, w.Body)
		}
	}
}

func TestManagersOfAGroupAddAndRemoveMembersAndNoMore(t *testing.T) {
	o := admintest.NewOffice(t)
	root := o.Root()
	max := o.Add("max")
	root.Must(201, "POST", "/groups", `{"name":"crew","managers":["max"]}`)
	root.Must(200, "POST", "/groups/crew/grants", `{"path":"/secret","preset":"full"}`)
	c := o.LoggedIn(max)
	if g := c.Must(200, "GET", "/groups/crew", ""); g["managers"].([]any)[0] != "max" {
		t.Errorf("the group is %v", g)
	}
	c.Must(200, "PUT", "/groups/crew/members/zoe", "")
	c.Must(200, "DELETE", "/groups/crew/members/zoe", "")
	if w := c.Do("PUT", "/groups/crew/members/max", ""); w.Code != 403 {
		t.Errorf("it gets what the group has by adding itself: %d", w.Code)
	}
	if w := c.Do("PUT", "/groups/crew/members/root", ""); w.Code != 403 {
		t.Errorf("it puts an administrator into its group: %d", w.Code)
	}
	c.Must(403, "PATCH", "/groups/crew", `{"protocols":["sftp"]}`)
	c.Must(403, "POST", "/groups/crew/grants", `{"path":"/shared","preset":"full"}`)
	c.Must(403, "DELETE", "/groups/crew", "")
	o.LoggedIn(o.Zoe).Must(404, "GET", "/groups/crew", "")
}

func TestPersonalGroupsGiveWhatTheirOwnerHas(t *testing.T) {
	o := admintest.NewOffice(t)
	pat := o.Add("pat", func(a *accounts.Account) { a.Manage.PersonalGroups = true })
	c := o.LoggedIn(pat)
	made := c.Must(201, "POST", "/groups", `{"name":"friends","kind":"personal"}`)
	if made["owner"] != "pat" {
		t.Errorf("made %v", made)
	}
	c.Must(200, "POST", "/groups/friends/grants", `{"path":"/home/pat","preset":"read-only"}`)
	if got := c.RefusedField("POST", "/groups/friends/grants", `{"path":"/secret","preset":"read-only"}`); got != "grants" {
		t.Errorf("it is refused for the field %q", got)
	}
	c.Must(403, "POST", "/groups", `{"name":"others","kind":"personal","owner":"zoe"}`)
	stranger, nobody := c.Do("PUT", "/groups/friends/members/zoe", ""), c.Do("PUT", "/groups/friends/members/nobody", "")
	if stranger.Code != 404 || stranger.Body.String() != nobody.Body.String() {
		t.Errorf("somebody that it does not know: %d %s; nobody: %d %s", stranger.Code, stranger.Body, nobody.Code, nobody.Body)
	}
	o.Root().Must(201, "POST", "/groups", `{"name":"floor"}`)
	for _, name := range []string{"pat", "zoe"} {
		o.Root().Must(200, "PUT", "/groups/floor/members/"+name, "")
	}
	c.Must(200, "PUT", "/groups/friends/members/zoe", "")
	if access := o.Root().Do("GET", "/accounts/zoe/access", "").Body.String(); !strings.Contains(access, "/home/pat") {
		t.Errorf("zoe has not got it: %s", access)
	}
	// Nobody has asked zoe: she leaves when she likes, and takes nobody else out.
	zoe := o.LoggedIn(o.Zoe)
	zoe.Must(404, "DELETE", "/groups/friends/members/pat", "")
	if left := zoe.Must(200, "DELETE", "/groups/friends/members/zoe", ""); len(left["members"].([]any))+len(left["grants"].([]any)) != 0 {
		t.Errorf("who leaves is shown %v", left)
	}
	zoe.Must(404, "DELETE", "/groups/friends/members/zoe", "")
	if w := c.Do("PATCH", "/groups/friends", `{"protocols":["ftp"]}`); w.Code != 403 && w.Code != 422 {
		t.Errorf("a personal group gets defaults: %d", w.Code)
	}
	c.Must(200, "DELETE", "/groups/friends", "")
}

// Beside the site's list an account's own addresses open: for a delegate they
// would be the bypass that it may not give.
func TestADelegateOpensNoAddressThatTheSiteKeepsOut(t *testing.T) {
	o := admintest.NewOffice(t)
	everywhere := `{"allowed_ips":["0.0.0.0/0"]}`
	o.Delegate.Must(200, http.MethodPatch, "/accounts/ann", everywhere) // without the site's list it keeps out nobody else
	o.Root().Must(200, http.MethodPatch, "/accounts/ann", `{"allowed_ips":null}`)
	o.Root().Must(200, http.MethodPatch, "/site", `{"allowed_ips":["192.0.2.0/24"]}`)
	if f := o.Delegate.RefusedField(http.MethodPatch, "/accounts/ann", everywhere); f != "allowed_ips" {
		t.Errorf("the problem names %q", f)
	}
	body := `{"username":"new","password":"a-new-password-1","allowed_ips":["198.51.100.0/24"]}`
	if f := o.Delegate.RefusedField(http.MethodPost, "/accounts", body); f != "allowed_ips" {
		t.Errorf("the problem names %q", f)
	}
	o.Delegate.Must(200, http.MethodPatch, "/accounts/ann", `{"allowed_ips":["192.0.2.7"]}`)
	o.Root().Must(200, http.MethodPatch, "/accounts/ann", everywhere)
	o.Delegate.Must(200, http.MethodPatch, "/accounts/ann", `{"display_name":"Ann"}`) // what an administrator gave stays
}

// The names of groups and accounts that are nothing to a delegate get the answer
// that names of nobody get.
func TestADelegateHearsOfNoStrangers(t *testing.T) {
	o := admintest.NewOffice(t)
	o.Root().Must(201, "POST", "/groups", `{"name":"bosses"}`)
	for _, body := range []string{
		`{"groups":["NAME"]}`, `{"managed_by":{"groups":["NAME"]}}`,
	} {
		there := o.Delegate.Do("PATCH", "/accounts/ann", strings.ReplaceAll(body, "NAME", "bosses"))
		not := o.Delegate.Do("PATCH", "/accounts/ann", strings.ReplaceAll(body, "NAME", "nobody"))
		if there.Code != 403 || not.Code != 403 || strings.ReplaceAll(there.Body.String(), "bosses", "nobody") != not.Body.String() {
			t.Errorf("%s: %d %s\nand %d %s", body, there.Code, there.Body, not.Code, not.Body)
		}
	}
	there := o.Delegate.Do("PATCH", "/accounts/ann", `{"managed_by":{"accounts":["zoe"]}}`)
	not := o.Delegate.Do("PATCH", "/accounts/ann", `{"managed_by":{"accounts":["who"]}}`)
	if there.Code != 403 || strings.ReplaceAll(there.Body.String(), "zoe", "who") != not.Body.String() {
		t.Errorf("%d %s\nand %d %s", there.Code, there.Body, not.Code, not.Body)
	}
	if own := o.Delegate.Do("PATCH", "/accounts/ann", `{"managed_by":{"accounts":["dora"]}}`); own.Code != 200 {
		t.Errorf("what stands there already is refused: %d %s", own.Code, own.Body)
	}
}
