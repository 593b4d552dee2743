package admin_test

import (
	"net/http"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
)

// A rename and a copy are judged at both ends, and the answer has both paths in
// both forms.
func TestExplainOfARename(t *testing.T) {
	s := admintest.New(t)
	root := s.Root()
	s.Mkdir("/shared")
	s.Add("ann")
	s.Grant("ann", "/shared", policy.ReadOnly, "pub")
	s.Mkdir("/home/ann/mine")
	s.Mkdir("/shared/theirs")
	for name, c := range map[string]struct {
		op, from, to, decision, rule string
	}{
		"within the home":       {"rename", "/mine", "/other", "allow", "home"},
		"into what is shared":   {"rename", "/mine", "/pub/mine", "deny", "no-grant"},
		"out of what is shared": {"rename", "/pub/theirs", "/theirs", "deny", "no-grant"},
		"a copy out of it":      {"copy", "/pub/theirs", "/theirs", "allow", "home"},
	} {
		answer := root.Must(200, http.MethodPost, "/explain", admintest.Body("account", "ann", "door", "sftp", "operation", c.op, "path", c.from, "to", c.to))
		if answer["decision"] != c.decision || answer["rule"] != c.rule || answer["seen_path"] != c.from || answer["transport"] != "ssh" {
			t.Errorf("%s: got %v", name, answer)
		}
		if to, _ := answer["to"].(map[string]any); to["seen_path"] != c.to || to["tree_path"] == nil {
			t.Errorf("%s: the target is %v", name, to)
		}
	}
	answer := root.Must(200, http.MethodPost, "/explain", `{"account":"ann","door":"sftp","operation":"rename","tree_path":"/shared/theirs","to_tree_path":"/home/ann/x"}`)
	if answer["seen_path"] != "/pub/theirs" || answer["tree_path"] != "/shared/theirs" || answer["to"].(map[string]any)["seen_path"] != "/x" {
		t.Errorf("by tree paths: %v", answer)
	}
	if answer := root.Must(200, http.MethodPost, "/explain", `{"account":"ann","door":"sftp","operation":"rename","path":"/missing","to":"/x"}`); answer["obstacle"] == nil {
		t.Errorf("what is not there is renamed: %v", answer)
	}
	for _, bad := range []string{
		`{"account":"ann","door":"sftp","operation":"rename","path":"/a"}`,
		`{"account":"ann","door":"sftp","operation":"read","path":"/a","to":"/b"}`,
		`{"account":"ann","door":"sftp","operation":"read","path":"/a","tree_path":"/home/ann/a"}`,
		`{"account":"ann","door":"sftp","operation":"read","tree_path":"/nowhere"}`,
	} {
		root.Must(422, http.MethodPost, "/explain", bad)
	}
}

// The reference of a refusal tells what was decided then, and what would be now;
// who reads it aloud minds no capitals.
func TestExplainOfAReferenceTellsNow(t *testing.T) {
	s := admintest.New(t)
	root := s.Root()
	p := s.Add("ann")
	root.Must(200, http.MethodPost, "/accounts/ann/disable", "")
	(&admintest.Client{Site: s, TLS: true}).Must(401, http.MethodPost, "/login", admintest.Body("username", "ann", "password", p.Password))
	reference := told(t, s, "login.refused")[0].Reference
	ask := func() map[string]any {
		return root.Must(200, http.MethodGet, "/explain?ref="+strings.ToLower(reference), "")
	}
	if then := ask(); then["rule"] != "status" || then["now"].(map[string]any)["rule"] != "status" || then["transport"] != "tls" {
		t.Errorf("disabled: %v", then)
	}
	root.Must(200, http.MethodPost, "/accounts/ann/enable", "")
	if then := ask(); then["rule"] != "status" || then["decision"] != "deny" || then["now"].(map[string]any)["decision"] != "allow" {
		t.Errorf("enabled again: %v", then)
	}
	root.Must(200, http.MethodDelete, "/accounts/ann?confirm=ann&files=delete", "")
	if then := ask(); then["now"] != nil || then["rule"] != "status" {
		t.Errorf("gone: %v", then)
	}
}

// A wrong password is called that, with what the right one would come to.
func TestExplainOfAWrongPasswordSaysSo(t *testing.T) {
	s := admintest.New(t)
	s.Add("ann")
	(&admintest.Client{Site: s, TLS: true}).Must(401, http.MethodPost, "/login", admintest.Body("username", "ann", "password", "not hers at all"))
	then := s.Root().Must(200, http.MethodGet, "/explain?ref="+told(t, s, "login.refused")[0].Reference, "")
	if then["rule"] != "credential" || then["because"] != "the password is wrong" {
		t.Errorf("it says %v", then)
	}
	if now := then["now"].(map[string]any); now["decision"] != "allow" || now["because"] != "it would be let in with the right one" {
		t.Errorf("now: %v", now)
	}
}
