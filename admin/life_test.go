package admin_test

import (
	"encoding/csv"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
)

// Whoever may choose a display name must not run a program on the machine of
// the administrator who opens the list.
func TestCellsThatASpreadsheetWouldRunAreNeutralised(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	evil := []string{"=cmd|'/c calc'!A1", "+1+1", "-2+3", "@SUM(A1)", "\u00a0=1", " =1", "\uff1d1", "|x", "%x", `"=1`}
	for i, name := range evil {
		body, _ := json.Marshal(map[string]string{"username": "u" + string(rune('a'+i)), "display_name": name})
		c.Must(201, "POST", "/accounts", string(body))
	}
	c.Must(201, "POST", "/accounts", `{"username":"plain","display_name":"Ann, \"the\" Plain","email":"ann@example.org"}`)
	w := c.Do("GET", "/accounts.csv?sort=username", "")
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
	c.Must(422, "GET", "/accounts.csv?group=nobody", "")
}

func TestACopyTakesRightsAndNoIdentity(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Mkdir("/shared")
	ann := s.Add("ann")
	s.Write(ann.Home.String()+"/in/x", "x")
	c.Must(201, "POST", "/groups", `{"name":"crew"}`)
	c.Must(200, "PATCH", "/accounts/ann", `{"groups":["crew"],"protocols":["sftp"],"allowed_ips":["192.0.2.0/24"],"limits":{"sessions":3},"root":"/home/ann/in","notes":"n","email":"ann@example.org","role":"auditor","manage_personal_groups":false}`)
	c.Must(201, "POST", "/accounts/ann/grants", `{"path":"/shared","preset":"full","at":"shared"}`)
	c.Must(201, "POST", "/accounts/ann/grants", `{"path":"/home/ann/in","preset":"full"}`)
	made := c.Must(201, "POST", "/accounts/ann/clone", `{"username":"bea","display_name":"Bea"}`)
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
	c.Must(409, "POST", "/accounts/ann/clone", `{"username":"bea"}`)
}

// Whoever read a record and changes it later must hear that it has changed
// meanwhile, whichever operation it is.
func TestALostUpdateIsRefusedEverywhere(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Mkdir("/shared")
	s.Add("ann")
	c.Must(201, "POST", "/groups", `{"name":"crew"}`)
	key := c.Must(200, "GET", "/accounts/ann", "")["keys"].([]any)[0].(map[string]any)["id"].(string)
	g := c.Must(201, "POST", "/accounts/ann/grants", `{"path":"/shared","preset":"full","at":"s"}`)["id"].(string)
	c.Header = http.Header{"If-Match": {`"1"`}}
	for _, ask := range [][3]string{
		{"PATCH", "/accounts/ann", `{"display_name":"x"}`}, {"DELETE", "/accounts/ann?files=delete&confirm=ann", ""},
		{"POST", "/accounts/ann/disable", `{}`}, {"POST", "/accounts/ann/enable", ""},
		{"POST", "/accounts/ann/grants", `{"path":"/home/ann","preset":"full"}`}, {"DELETE", "/accounts/ann/grants/" + g, ""},
		{"POST", "/accounts/ann/keys", `{"key":"` + admintest.Authorized(s.Add("bea").Key) + `"}`},
		{"DELETE", "/accounts/ann/keys/" + key, ""},
		{"PATCH", "/groups/crew", `{"protocols":["sftp"]}`}, {"DELETE", "/groups/crew", ""},
		{"POST", "/groups/crew/grants", `{"path":"/shared","preset":"full"}`}, {"PATCH", "/site", `{"language":"de"}`},
	} {
		if w := c.Do(ask[0], ask[1], ask[2]); w.Code != 412 {
			t.Errorf("%v is %d: %s", ask, w.Code, w.Body)
		}
	}
	c.Header = http.Header{"If-Match": {`W/"1"`}}
	c.Must(412, "PATCH", "/accounts/ann", `{"display_name":"x"}`)
}

func TestWhatMayNotBeMeantIsSaidAndDone(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Mkdir("/shared")
	s.Add("ann")
	warned := func(v map[string]any) string {
		text, _ := json.Marshal(v["warnings"])
		return string(text)
	}
	made := c.Must(201, "POST", "/accounts", `{"username":"bea","home":"/home/ann/bea"}`)
	if w := warned(made); !strings.Contains(w, "overlaps the home of ann") {
		t.Errorf("nothing is said of homes in one another: %s", w)
	}
	c.Must(201, "POST", "/accounts", `{"username":"apart","home":"/home/zoe/apart"}`)
	if w := warned(c.Must(201, "POST", "/accounts", `{"username":"zoe","adopt_home":true}`)); !strings.Contains(w, "overlaps the home of apart") {
		t.Errorf("nothing is said of another's home in the usual one: %s", w)
	}
	if v := c.Must(201, "POST", "/accounts", `{"username":"yan"}`); v["warnings"] != nil {
		t.Errorf("of a home beside others is said %v", v["warnings"])
	}
	if v := c.Must(200, "PATCH", "/accounts/bea", `{"display_name":"Bea"}`); v["warnings"] != nil {
		t.Errorf("what did not change is told again: %v", v["warnings"])
	}
	g := c.Must(201, "POST", "/accounts/ann/grants", `{"path":"/shared","preset":"full"}`)
	if w := warned(g); !strings.Contains(w, "outside the root") {
		t.Errorf("nothing is said of a grant that no door shows: %s", w)
	}
	if g := c.Must(201, "POST", "/accounts/ann/grants", `{"path":"/shared","preset":"read-only","at":"shared"}`); g["warnings"] != nil {
		t.Errorf("a grant with a name is warned of: %v", g["warnings"])
	}
}

func TestEndingOnesOwnSessionByItsIDAsksForConfirmation(t *testing.T) {
	s := admintest.New(t)
	root := s.Admin("root")
	list := root.Do("GET", "/accounts/root/sessions", "")
	var open []struct{ ID string }
	if err := json.Unmarshal(list.Body.Bytes(), &open); err != nil || len(open) != 1 {
		t.Fatalf("the sessions are %s", list.Body)
	}
	root.Must(409, "DELETE", "/sessions/"+open[0].ID, "")
	root.Must(409, "DELETE", "/accounts/root/sessions/"+open[0].ID, "")
	root.Must(404, "DELETE", "/accounts/root/sessions/none", "")
	root.Must(200, "DELETE", "/sessions/"+open[0].ID+"?confirm=self", "")
	root.Must(401, "GET", "/me", "")
}
