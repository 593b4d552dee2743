package document_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// A file of another program's users has a "boss" too, with a password of its own:
// importing it hands the administrator's account to nobody.
func TestAnImportLeavesWhoIsThereAlone(t *testing.T) {
	s := admintest.New(t)
	s.Admin("boss")
	before, err := s.Accounts.Account(t.Context(), "boss")
	if err != nil {
		t.Fatal(err)
	}
	doc := `{"gatehouse":1,"accounts":[
	  {"username":"boss","role":"user","email":"eve@example.org","disabled":true,"display_name":"B","keys":[{"public_key":"` + admintest.AKey + `"}],"secrets":{"password":{"hash":"` + hash + `"}}},
	  {"username":"fresh","secrets":{"password":{"hash":"` + hash + `"}}}]}`
	for _, query := range []string{"?existing=keep&dry_run=true", "?existing=keep", "?existing=keep"} {
		answer := textOf(t, s.Root().Must(200, http.MethodPost, "/apply"+query, doc))
		if !strings.Contains(answer, "left alone, and keeps its own disabled, display_name, email, keys, password, role") {
			t.Errorf("%s: what is left out is not told: %s", query, answer)
		}
	}
	after, err := s.Accounts.Account(t.Context(), "boss")
	if err != nil || after.Role != policy.RoleAdmin || after.Password.Hash != before.Password.Hash || len(after.Keys) != len(before.Keys) ||
		after.Email != before.Email || after.Status.Disabled || after.DisplayName != "" || after.Revision != before.Revision {
		t.Errorf("the administrator is now %+v, %v", after, err)
	}
	if fresh, err := s.Accounts.Account(t.Context(), "fresh"); err != nil || fresh.Password.Hash != hash {
		t.Errorf("who was not there: %+v, %v", fresh, err)
	}
}

// An import must not set somebody's account free: end its expiry, exempt it from the
// second factor and the site's addresses, or move it to another's folder.
func TestAnImportSetsNobodyFree(t *testing.T) {
	s := admintest.New(t)
	s.Mkdir("/srv/imp")
	root := s.Root()
	root.Must(201, http.MethodPost, "/accounts", `{"username":"imp","expires":"2020-01-01","password":"a long passphrase"}`)
	before, err := s.Accounts.Account(t.Context(), "imp")
	if err != nil {
		t.Fatal(err)
	}
	doc := `{"gatehouse":1,"accounts":[{"username":"imp","expires":null,"shared":true,"bypass_site_allowed_ips":true,"plain_ftp":"allow","home":"/srv/imp","adopt_home":true,
	  "root":"/","uid":0,"protocols":["sftp"],"grants":[{"path":"/srv","preset":"full","at":"srv"}]}]}`
	for _, query := range []string{"?existing=keep&dry_run=true", "?existing=keep"} {
		got := root.Must(200, http.MethodPost, "/apply"+query, doc)
		if !strings.Contains(textOf(t, got), "keeps its own bypass_site_allowed_ips, expires, grants, home, plain_ftp, protocols, root, shared, uid") {
			t.Errorf("%s: it tells %v", query, got)
		}
	}
	if after, err := s.Accounts.Account(t.Context(), "imp"); err != nil || after.Revision != before.Revision || after.Home != before.Home {
		t.Errorf("it is now %+v, %v", after, err)
	}
}

// A dump has a group staff, too, and a user in it: those here get nothing of the
// dump's folders, and the dump's user nothing of theirs.
func TestAnImportMixesNoGroups(t *testing.T) {
	s := admintest.New(t)
	s.Mkdir("/payroll")
	s.Mkdir("/plans")
	root := s.Root()
	root.Must(201, http.MethodPost, "/groups", `{"name":"staff"}`)
	root.Must(200, http.MethodPost, "/groups/staff/grants", `{"path":"/plans","preset":"full","at":"plans"}`)
	root.Must(201, http.MethodPost, "/groups", `{"name":"plain"}`)
	for _, dump := range []struct{ groups, name, note string }{
		{`{"name":"staff","grants":[{"path":"/payroll","preset":"full","at":"pay"}]}`, "one", "is not made a member of staff"},
		{`{"name":"staff"}`, "two", "is not made a member of staff"},
		{``, "three", "is not made a member of staff"},
		{`{"name":"staff","grants":[{"path":"/plans","preset":"full","at":"plans"}]}`, "four", "becomes a member of staff, which is there already"},
	} {
		doc := `{"gatehouse":1,"groups":[` + dump.groups + `],"accounts":[{"username":"` + dump.name + `","groups":["staff","plain"]}]}`
		for _, query := range []string{"?existing=keep&dry_run=true", "?existing=keep"} {
			if got := textOf(t, root.Must(200, http.MethodPost, "/apply"+query, doc)); !strings.Contains(got, dump.note) || !strings.Contains(got, "is not made a member of plain") {
				t.Errorf("%s%s: it tells %s", dump.name, query, got)
			}
		}
	}
	staff := root.Must(200, http.MethodGet, "/groups/staff", "")
	if text := textOf(t, staff); strings.Contains(text, "payroll") || textOf(t, staff["members"]) != `["four"]` {
		t.Errorf("staff is now %s", text)
	}
}

// What an import makes is one: groups and members, also where the accounts come in
// several pieces.
func TestAnImportIntoAnEmptyGateway(t *testing.T) {
	s := admintest.New(t)
	s.Mkdir("/b")
	s.Mkdir("/a")
	group := `{"name":"crew","grants":[{"path":"/b","preset":"read-only","at":"b"},{"path":"/a","permissions":["list","read","create"],"at":"a"}]}`
	for _, name := range []string{"one", "two"} {
		got := s.Root().Must(200, http.MethodPost, "/apply?existing=keep", `{"gatehouse":1,"groups":[`+group+`],"accounts":[{"username":"`+name+`","groups":["crew"]}]}`)
		if refused, _ := got["refused"].([]any); len(refused) != 0 || strings.Contains(textOf(t, got), "is not made") {
			t.Errorf("%s: %v", name, got)
		}
	}
	if crew := s.Root().Must(200, http.MethodGet, "/groups/crew", ""); textOf(t, crew["members"]) != `["one","two"]` {
		t.Errorf("crew is %v", crew)
	}
}

// The quota that a folder has is not that of a file from elsewhere.
func TestAnImportLeavesQuotasAlone(t *testing.T) {
	s := admintest.New(t)
	s.Mkdir("/shared")
	s.Root().Must(200, http.MethodPut, "/quotas", `{"path":"/shared","limit_bytes":100}`)
	got := s.Root().Must(200, http.MethodPost, "/apply?existing=keep", `{"gatehouse":1,"quotas":[{"path":"/shared","limit_bytes":1}]}`)
	if v := s.Root().Must(200, http.MethodGet, "/quotas/at?path=/shared", ""); v["limit_bytes"] != 100.0 || !strings.Contains(textOf(t, got), "left alone") {
		t.Errorf("got %v, told %v", v, got)
	}
}

// A home that is there may be somebody's: it is taken where the document says so,
// at creation and afterwards, and the dry run knows.
func TestADocumentMovesNoHomeOntoAnotherFolder(t *testing.T) {
	s := admintest.New(t)
	s.Mkdir("/carol/private")
	s.Add("bob")
	for _, name := range []string{"bob", "new"} {
		for _, query := range []string{"?dry_run=true", ""} {
			got := s.Root().Must(200, http.MethodPost, "/apply"+query, `{"gatehouse":1,"accounts":[{"username":"`+name+`","home":"/carol"}]}`)
			if refused, _ := got["refused"].([]any); len(refused) != 1 || !strings.Contains(textOf(t, refused), "exists already") {
				t.Errorf("%s%s: %v", name, query, got)
			}
		}
	}
	for _, query := range []string{"?dry_run=true", ""} {
		got := s.Root().Must(200, http.MethodPost, "/apply"+query, `{"gatehouse":1,"accounts":[{"username":"bob","home":"/carol","adopt_home":true}]}`)
		if changes, _ := got["changes"].([]any); len(changes) != 1 {
			t.Errorf("adopted%s: %v", query, got)
		}
	}
}

// What becomes of a secret is told by its field, in the dry run and in the event,
// and nothing of the secret.
func TestSecretsAreToldByField(t *testing.T) {
	s := admintest.New(t)
	s.Add("anna")
	doc := `{"gatehouse":1,"accounts":[{"username":"anna","secrets":{"password":{"hash":"` + hash + `","must_change":true}}},
	  {"username":"bert","secrets":{"password":{"hash":"` + hash + `"}}}]}`
	for _, query := range []string{"?dry_run=true", ""} {
		answer := textOf(t, s.Root().Must(200, http.MethodPost, "/apply"+query, doc))
		for _, want := range []string{`"password":"set (argon2id)"`, `"password":"replaced (sha512-crypt)"`, `"password":"set (sha512-crypt)"`, `"must_change":true`} {
			if !strings.Contains(answer, want) {
				t.Errorf("%s: %s is missing in %s", query, want, answer)
			}
		}
	}
	changed := eventsOf(t, s, "account.change")
	if len(changed) != 1 || changed[0].Before["password"] != "set (argon2id)" || changed[0].After["password"] != "replaced (sha512-crypt)" || changed[0].After["must_change"] != true {
		t.Errorf("the event tells %+v", changed)
	}
	if made := eventsOf(t, s, "account.create"); len(made) != 1 || made[0].After["password"] != "set (sha512-crypt)" {
		t.Errorf("the event tells %+v", made)
	}
	again := s.Root().Must(200, http.MethodPost, "/apply", doc)
	if again["unchanged"] != 2.0 {
		t.Errorf("the same again: %v", again)
	}
	s.Root().Must(200, http.MethodPut, "/accounts/anna/password", `{"password":"another one entirely"}`)
	set := eventsOf(t, s, "account.password")
	if len(set) != 1 || set[0].Before["password"] != "set (sha512-crypt)" || set[0].After["password"] != "replaced (argon2id)" {
		t.Errorf("the event tells %+v", set)
	}
	for _, e := range append(append(changed, set...), eventsOf(t, s, "account.create")...) {
		if strings.Contains(textOf(t, e), "$6$") || strings.Contains(textOf(t, e), "$argon2id$") {
			t.Errorf("the trail has a hash: %+v", e)
		}
	}
}

// A second factor that is brought in the clear counts here, and no enrolment that
// was only begun is taken for one.
func TestSecondFactorsAreBrought(t *testing.T) {
	s := admintest.New(t)
	doc := `{"gatehouse":1,"accounts":[{"username":"eve","second_factor":"required","secrets":{"totp_secret":"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"}}]}`
	answer := textOf(t, s.Root().Must(200, http.MethodPost, "/apply", doc))
	x, err := s.Accounts.Account(t.Context(), "eve")
	if err != nil || !x.HasCode() || !s.Auth.OpensFactor(x) || !strings.Contains(answer, `"totp":"set"`) || strings.Contains(answer, "JBSWY3DP") {
		t.Errorf("%+v, %v, %s", x.TOTP, err, answer)
	}
	if again := s.Root().Must(200, http.MethodPost, "/apply", doc); again["unchanged"] != 1.0 {
		t.Errorf("the same again: %v", again)
	}
	s.Root().Must(200, http.MethodPost, "/apply", `{"gatehouse":1,"accounts":[{"username":"bad","secrets":{"totp_secret":"AAAA"}}]}`)
	if _, err := s.Accounts.Account(t.Context(), "bad"); err == nil {
		t.Error("a secret of three bytes is taken")
	}
	s.Add("half", func(x *accounts.Account) { x.TOTP = &accounts.TOTP{ID: "f", Sealed: []byte{1}, Added: x.Created} })
	export := s.Root().Do(http.MethodGet, "/export?secrets=true", "").Body.String()
	if strings.Count(export, `"totp"`) != 1 {
		t.Errorf("an enrolment that was only begun is exported: %s", export)
	}
}

// The quotas of folders that are nobody's setting travel with the document.
func TestQuotasOfFoldersTravel(t *testing.T) {
	s, other := admintest.New(t), admintest.New(t)
	s.Mkdir("/shared")
	s.Root().Must(200, http.MethodPut, "/quotas", `{"path":"/shared","limit_bytes":100}`)
	export := s.Root().Do(http.MethodGet, "/export", "").Body.String()
	for i, want := range []string{`"action":"create"`, `"unchanged":2`} {
		if got := other.Root().Do(http.MethodPost, "/apply", export).Body.String(); !strings.Contains(got, want) {
			t.Errorf("%d: %s is missing in %s", i, want, got)
		}
	}
	if v := other.Root().Must(200, http.MethodGet, "/quotas/at?path=/shared", ""); v["limit_bytes"] != 100.0 {
		t.Errorf("got %v", v)
	}
	refused := other.Root().Must(200, http.MethodPost, "/apply", `{"gatehouse":1,"quotas":[{"path":"/x","limit":1}]}`)
	if list, _ := refused["refused"].([]any); len(list) != 1 {
		t.Errorf("a field that is none: %v", refused)
	}
}

// Who may not carry secrets hears how it may, and not of something else.
func TestWhoMayCarrySecretsIsTold(t *testing.T) {
	s := admintest.New(t)
	s.Admin("boss")
	token := &admintest.Client{Site: s, TLS: true, Header: http.Header{"Authorization": {"Bearer " + secretOf(t, s, "boss")}}}
	w := token.Do(http.MethodGet, "/export?secrets=true", "")
	if w.Code != 403 || !strings.Contains(w.Body.String(), "over the local socket") || !strings.Contains(w.Body.String(), "never with a token") {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
	if told := eventsOf(t, s, events.Kind("export")); len(told) != 0 {
		t.Errorf("%+v", told)
	}
}
