package rest_test

import (
	"encoding/json"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
)

func TestMergePatches(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	const most = "9223372036854775807"
	c.Must(201, "POST", "/accounts", `{"username":"alice","quota":{"limit_bytes":`+most+`}}`)
	c.Must(200, "PATCH", "/accounts/alice", `{"email":"a@example.org"}`)
	if text := c.Do("GET", "/accounts/alice", "").Body.String(); !strings.Contains(text, most) {
		t.Errorf("the limit is rounded: %s", text)
	}
	for body, field := range map[string]string{
		`null`: "body", `[]`: "body", `"x"`: "body",
		`{"EMAIL":"b@example.org"}`:            "body.EMAIL",
		`{"":1}`:                               "body.",
		`{"status":{"state":"disabled"}}`:      "body.status",
		`{"display_name":5}`:                   "body.display_name",
		`{"quota":5}`:                          "body.quota",
		`{"quota":{"limit_bytes":"x"}}`:        "body.quota.limit_bytes",
		`{"quota":{"Limit_Bytes":1}}`:          "body.quota.Limit_Bytes",
		`{"limits":{"nothing":{"such":null}}}`: "body.limits.nothing",
	} {
		w := c.Do("PATCH", "/accounts/alice", body)
		var problem struct{ Errors []struct{ Location string } }
		_ = json.Unmarshal(w.Body.Bytes(), &problem)
		if w.Code != 422 || len(problem.Errors) != 1 || problem.Errors[0].Location != field || strings.Contains(w.Body.String(), "Go struct") {
			t.Errorf("%s is %d, want 422 about %s: %s", body, w.Code, field, w.Body)
		}
	}
}
