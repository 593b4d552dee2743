package group_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
)

func TestAChangeOfAGroupThatEndsOnesOwnSessionAsksForConfirmation(t *testing.T) {
	s := admintest.New(t)
	s.Admin("other")
	root := s.Admin("root")
	root.Must(201, "POST", "/groups", `{"name":"crew","protocols":["api","sftp"]}`)
	root.Must(200, "PUT", "/groups/crew/members/root", "")
	root.Must(409, "PATCH", "/groups/crew", `{"protocols":["sftp"]}`)
	root.Must(200, "PATCH", "/groups/crew?confirm=self", `{"protocols":["sftp"]}`)
	admintest.Eventually(t, func() bool { return root.Do("GET", "/me", "").Code == 401 })
}

// Who may make no group must not learn from the answer who has an account here.
func TestMakingAGroupIsNoOracleForNames(t *testing.T) {
	s := admintest.New(t)
	s.Admin("boss")
	s.Add("victim")
	guest := s.LoggedIn(s.Add("eve"))
	for _, body := range []string{
		`{"name":"g","managers":["NAME"]}`, `{"name":"g","kind":"personal","owner":"NAME"}`, `{"name":"g","kind":"personal","managers":["NAME"]}`,
	} {
		known := guest.Do(http.MethodPost, "/groups", strings.ReplaceAll(body, "NAME", "victim"))
		unknown := guest.Do(http.MethodPost, "/groups", strings.ReplaceAll(body, "NAME", "nobody"))
		if known.Code != 403 || unknown.Code != known.Code || unknown.Body.String() != known.Body.String() {
			t.Errorf("%s: %d %s\nand %d %s", body, known.Code, known.Body, unknown.Code, unknown.Body)
		}
	}
}

func TestAGroupIsRenamedAndGetsItsFolder(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Add("ann")
	c.Must(201, "POST", "/groups", `{"name":"crew","folder":"/crew","folder_quota":{"limit_bytes":100}}`)
	c.Must(200, "PUT", "/groups/crew/members/ann", "")
	c.Must(201, "POST", "/groups", `{"name":"deep","folder":"/teams/of/two"}`) // with the folders above it
	c.Must(201, "POST", "/accounts/ann/grants", `{"path":"/teams/of/two","preset":"read-only","at":"two"}`)
	c.Must(200, "PATCH", "/groups/crew", `{"name":"team"}`)
	c.Must(404, "GET", "/groups/crew", "")
	g := c.Must(200, "GET", "/groups/team", "")
	if g["folder"] != "/crew" || g["members"].([]any)[0] != "ann" {
		t.Errorf("the group is %v", g)
	}
	admintest.Eventually(t, func() bool {
		return c.Must(200, "GET", "/quotas/at?path=/crew", "")["limit_bytes"] == 100.0
	})
	if q := c.Must(200, "GET", "/quotas/at?path=/crew", ""); q["owner"] != "group team" {
		t.Errorf("the quota is %v", q)
	}
}
