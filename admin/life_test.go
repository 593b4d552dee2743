package admin_test

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

// Whoever may choose a display name must not run a program on the machine of
// the administrator who opens the list.
func TestCellsThatASpreadsheetWouldRunAreNeutralised(t *testing.T) {
	s := newSite(t)
	c := s.root()
	evil := []string{"=cmd|'/c calc'!A1", "+1+1", "-2+3", "@SUM(A1)", "\u00a0=1", " =1", "\uff1d1", "|x", "%x", `"=1`}
	for i, name := range evil {
		body, _ := json.Marshal(map[string]string{"username": "u" + string(rune('a'+i)), "display_name": name})
		c.must(201, "POST", "/accounts", string(body))
	}
	c.must(201, "POST", "/accounts", `{"username":"plain","display_name":"Ann, \"the\" Plain","email":"ann@example.org"}`)
	w := c.do("GET", "/accounts.csv?sort=username", "")
	if kind := w.Header().Get("Content-Type"); w.Code != 200 || !strings.HasPrefix(kind, "text/csv") {
		t.Fatalf("the list is %d, %s: %s", w.Code, kind, w.Body)
	}
	rows, err := csv.NewReader(w.Body).ReadAll()
	if err != nil || len(rows) != len(evil)+2 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, row := range rows[1:] {
		for i, cell := range row {
			if trimmed := strings.TrimLeft(cell, " \t\r\n\u00a0\""); trimmed != "" && strings.ContainsAny(trimmed[:1], "=+-@|%") {
				t.Errorf("the cell %s of %s reads %q", rows[0][i], row[0], cell)
			}
		}
	}
	if row := rows[1]; row[0] != "plain" || row[1] != `Ann, "the" Plain` || row[2] != "ann@example.org" {
		t.Errorf("the row reads %q", row)
	}
	c.must(422, "GET", "/accounts.csv?group=nobody", "")
}

func TestACopyTakesRightsAndNoIdentity(t *testing.T) {
	s := newSite(t)
	c := s.root()
	s.Mkdir("/shared")
	ann := s.Add("ann")
	s.Write(ann.Home.String()+"/in/x", "x")
	c.must(201, "POST", "/groups", `{"name":"crew"}`)
	c.must(200, "PATCH", "/accounts/ann", `{"groups":["crew"],"protocols":["sftp"],"allowed_ips":["192.0.2.0/24"],"limits":{"sessions":3},"root":"/home/ann/in","notes":"n","email":"ann@example.org","role":"auditor","manage_personal_groups":false}`)
	c.must(201, "POST", "/accounts/ann/grants", `{"path":"/shared","preset":"full","at":"shared"}`)
	c.must(201, "POST", "/accounts/ann/grants", `{"path":"/home/ann/in","preset":"full"}`)
	made := c.must(201, "POST", "/accounts/ann/clone", `{"username":"bea","display_name":"Bea"}`)
	text, _ := json.Marshal(made)
	for _, want := range []string{`"crew"`, `"/shared"`, `"192.0.2.0/24"`, `"sessions":3`, `"root":"/home/bea/in"`, `"role":"user"`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the copy lacks %s: %s", want, text)
		}
	}
	for _, no := range []string{"ann", `"notes"`, `"password":{`, "SHA256:"} {
		if strings.Contains(string(text), no) {
			t.Errorf("the copy has %s: %s", no, text)
		}
	}
	c.must(409, "POST", "/accounts/ann/clone", `{"username":"bea"}`)
}

func TestManyInvitationsEachWithItsResult(t *testing.T) {
	s := newSite(t)
	c := s.root()
	c.must(201, "POST", "/groups", `{"name":"crew"}`)
	body, _ := json.Marshal(map[string]string{"csv": "\ufeffemail,display_name,role,groups,expires\r\n" +
		"a@example.org,\"A, B\",user,crew,2031-02-03\r\n" +
		"no address,,,,\r\n" +
		"c@example.org,,emperor,,\r\n" +
		"d@example.org,,,nobody,\r\n" +
		"e@example.org,,,,\r\n"})
	w := c.do("POST", "/invitations/bulk", string(body))
	var rows []struct {
		Row, Status  int
		Email, Error string
		Invitation   *struct{ URL string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &rows); err != nil || len(rows) != 5 {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	for i, want := range []int{201, 422, 422, 422, 201} {
		if r := rows[i]; r.Status != want || r.Row != i+2 || (r.Invitation != nil) != (want == 201) || (r.Error == "") != (want == 201) {
			t.Errorf("row %d is %+v", i, r)
		}
	}
	if list := c.do("GET", "/invitations", "").Body.String(); strings.Count(list, "@example.org") != 2 {
		t.Errorf("the invitations are %s", list)
	}
	for _, bad := range []string{"", "mail\nx@example.org\n", "email,password\nx@example.org,x\n", "email\n\"x\n"} {
		body, _ := json.Marshal(map[string]string{"csv": bad})
		c.must(422, "POST", "/invitations/bulk", string(body))
	}
}

func TestARevokedInvitationIsGoodNoMore(t *testing.T) {
	s := newSite(t)
	c := s.root()
	made := c.must(201, "POST", "/invitations", `{"email":"x@example.org"}`)
	_, secret, _ := strings.Cut(made["url"].(string), "#")
	c.must(200, "DELETE", "/invitations/"+made["id"].(string), "")
	c.must(404, "DELETE", "/invitations/"+made["id"].(string), "")
	(&client{site: s, tls: true}).must(410, "POST", "/invitations/accept", `{"secret":"`+secret+`","username":"x","password":"a long passphrase"}`)
}

func TestAResetLinkIsForOthers(t *testing.T) {
	s := newSite(t)
	s.admin("other")
	root := s.admin("root")
	s.Add("ann")
	if v := root.must(201, "POST", "/accounts/ann/reset-link", ""); !strings.Contains(v["url"].(string), "#") {
		t.Errorf("made %v", v)
	}
	root.must(409, "POST", "/accounts/root/reset-link", "")
	root.must(404, "POST", "/accounts/nobody/reset-link", "")
	s.root().must(200, "PATCH", "/accounts/ann", `{"shared":true}`)
	root.must(422, "POST", "/accounts/ann/reset-link", "")
}

// Whoever read a record and changes it later must hear that it has changed
// meanwhile, whichever operation it is.
func TestALostUpdateIsRefusedEverywhere(t *testing.T) {
	s := newSite(t)
	c := s.root()
	s.Mkdir("/shared")
	s.Add("ann")
	c.must(201, "POST", "/groups", `{"name":"crew"}`)
	key := c.must(200, "GET", "/accounts/ann", "")["keys"].([]any)[0].(map[string]any)["id"].(string)
	g := c.must(201, "POST", "/accounts/ann/grants", `{"path":"/shared","preset":"full","at":"s"}`)["id"].(string)
	c.header = http.Header{"If-Match": {`"1"`}}
	for _, ask := range [][3]string{
		{"PATCH", "/accounts/ann", `{"display_name":"x"}`}, {"DELETE", "/accounts/ann?files=delete&confirm=ann", ""},
		{"POST", "/accounts/ann/disable", `{}`}, {"POST", "/accounts/ann/enable", ""},
		{"POST", "/accounts/ann/grants", `{"path":"/home/ann","preset":"full"}`}, {"DELETE", "/accounts/ann/grants/" + g, ""},
		{"POST", "/accounts/ann/keys", `{"key":"` + authorized(s.Add("bea").Key) + `"}`},
		{"DELETE", "/accounts/ann/keys/" + key, ""},
		{"PATCH", "/groups/crew", `{"protocols":["sftp"]}`}, {"DELETE", "/groups/crew", ""},
		{"POST", "/groups/crew/grants", `{"path":"/shared","preset":"full"}`}, {"PATCH", "/site", `{"language":"de"}`},
	} {
		if w := c.do(ask[0], ask[1], ask[2]); w.Code != 412 {
			t.Errorf("%v is %d: %s", ask, w.Code, w.Body)
		}
	}
	c.header = http.Header{"If-Match": {`W/"1"`}}
	c.must(412, "PATCH", "/accounts/ann", `{"display_name":"x"}`)
}

func TestWhatMayNotBeMeantIsSaidAndDone(t *testing.T) {
	s := newSite(t)
	c := s.root()
	s.Mkdir("/shared")
	s.Add("ann")
	warned := func(v map[string]any) string {
		text, _ := json.Marshal(v["warnings"])
		return string(text)
	}
	made := c.must(201, "POST", "/accounts", `{"username":"bea","home":"/home/ann/bea"}`)
	if w := warned(made); !strings.Contains(w, "overlaps the home of ann") {
		t.Errorf("nothing is said of homes in one another: %s", w)
	}
	if v := c.must(200, "PATCH", "/accounts/bea", `{"display_name":"Bea"}`); v["warnings"] != nil {
		t.Errorf("what did not change is told again: %v", v["warnings"])
	}
	g := c.must(201, "POST", "/accounts/ann/grants", `{"path":"/shared","preset":"full"}`)
	if w := warned(g); !strings.Contains(w, "outside the root") {
		t.Errorf("nothing is said of a grant that no door shows: %s", w)
	}
	if g := c.must(201, "POST", "/accounts/ann/grants", `{"path":"/shared","preset":"read-only","at":"shared"}`); g["warnings"] != nil {
		t.Errorf("a grant with a name is warned of: %v", g["warnings"])
	}
}

// The quota of a home is a setting of its account: one that was set on the folder
// must not be undone at the next start.
func TestTheQuotaOfAHomeIsItsAccounts(t *testing.T) {
	s := newSite(t)
	c := s.root()
	s.Add("ann")
	s.Mkdir("/crew")
	c.must(200, "PUT", "/quotas", `{"path":"/home/ann","limit_bytes":1000}`)
	if v := c.must(200, "GET", "/accounts/ann", ""); v["quota"].(map[string]any)["limit_bytes"] != 1000.0 {
		t.Errorf("the account says %v", v["quota"])
	}
	c.must(200, "PATCH", "/accounts/ann", `{"quota":null}`)
	if v := c.must(200, "GET", "/quotas/at?path=/home/ann", ""); v["limit_bytes"] != nil {
		t.Errorf("the folder says %v", v)
	}
	c.must(201, "POST", "/groups", `{"name":"crew","folder":"/crew"}`)
	c.must(200, "PUT", "/quotas", `{"path":"/crew","limit_bytes":2000}`)
	if v := c.must(200, "GET", "/groups/crew", ""); v["folder_quota"].(map[string]any)["limit_bytes"] != 2000.0 {
		t.Errorf("the group says %v", v["folder_quota"])
	}
	c.must(200, "POST", "/accounts/ann/usage/rescan", "")
}

func TestEndingOnesOwnSessionByItsIDAsksForConfirmation(t *testing.T) {
	s := newSite(t)
	root := s.admin("root")
	list := root.do("GET", "/accounts/root/sessions", "")
	var open []struct{ ID string }
	if err := json.Unmarshal(list.Body.Bytes(), &open); err != nil || len(open) != 1 {
		t.Fatalf("the sessions are %s", list.Body)
	}
	root.must(409, "DELETE", "/sessions/"+open[0].ID, "")
	root.must(409, "DELETE", "/accounts/root/sessions/"+open[0].ID, "")
	root.must(404, "DELETE", "/accounts/root/sessions/none", "")
	root.must(200, "DELETE", "/sessions/"+open[0].ID+"?confirm=self", "")
	root.must(401, "GET", "/me", "")
}
