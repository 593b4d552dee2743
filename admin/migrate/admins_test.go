package migrate

import (
	"strings"
	"testing"
)

const bcrypted = "$2a$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"

// Who had every right becomes an administrator, who could look at everything an
// auditor, and nobody else gets anything.
func TestAdministrators(t *testing.T) {
	i, err := SFTPGo(strings.NewReader(`{"users":[{"username":"both","permissions":{"/":["*"]}}],"admins":[
	  {"username":"root","status":1,"email":"r@example.org","password":"`+bcrypted+`","permissions":["*"],"filters":{"allow_list":["192.0.2.0/24"],"require_password_change":true}},
	  {"username":"looks","permissions":["view_users","view_events","view_status","close_conns"],"password":"`+bcrypted+`"},
	  {"username":"some","permissions":["add_users","view_users"],"password":"x"},
	  {"username":"gone","status":0,"permissions":["*"]},
	  {"username":"scoped","permissions":["*"],"role":"north"},
	  {"username":"none"},
	  {"username":"BOTH","permissions":["*"],"password":"`+bcrypted+`"}
	]}`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	root := account(t, i, "root")
	if root.Role != "admin" || root.Email != "r@example.org" || root.Secrets.Password.Hash != bcrypted || !root.Secrets.Password.MustChange ||
		len(root.AllowedIPs) != 1 || strings.Join(*root.Protocols, " ") != "web api" {
		t.Errorf("%+v", root)
	}
	if looks := account(t, i, "looks"); looks.Role != "auditor" || !remarked(i, "looks", "changes nothing") {
		t.Errorf("%+v", looks)
	}
	if both := account(t, i, "both"); both.Role != "" || both.Secrets != nil {
		t.Errorf("a user got an administrator's rights: %+v", both)
	}
	if len(i.Document.Accounts) != 3 {
		t.Errorf("%+v", i.Document.Accounts)
	}
	for name, what := range map[string]string{
		"root": "becomes an admin", "some": "add_users", "gone": "inactive", "scoped": "north", "none": "some rights", "BOTH": "the user counts",
	} {
		if !remarked(i, name, what) {
			t.Errorf("%s is not told of %s: %+v", what, name, i.Remarks)
		}
	}
}

// A second factor whose secret stands in the dump goes on; nobody whose does not
// comes in with the password alone.
func TestSecondFactors(t *testing.T) {
	user := func(name, factor string) string {
		return `{"username":"` + name + `","permissions":{"/":["*"]},"password":"` + bcrypted + `","filters":{"totp_config":` + factor + `}}`
	}
	i, err := SFTPGo(strings.NewReader(`{"users":[`+strings.Join([]string{
		user("plain", `{"enabled":true,"config_name":"Default","secret":{"status":"Plain","payload":"JBSWY3DPEHPK3PXP"}}`),
		user("sealed", `{"enabled":true,"config_name":"Default","secret":{"status":"Secretbox","payload":"AAAA","key":"k","additional_data":"a","mode":1}}`),
		user("other", `{"enabled":true,"config_name":"sha512","secret":{"status":"Plain","payload":"JBSWY3DPEHPK3PXP"}}`),
		user("off", `{"enabled":false,"secret":{"status":"Plain","payload":"JBSWY3DPEHPK3PXP"}}`),
	}, ",")+`]}`), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][2]string{
		"plain": {"required", "JBSWY3DPEHPK3PXP"}, "sealed": {"required", ""}, "other": {"required", ""}, "off": {"", ""},
	} {
		x := account(t, i, name)
		if x.SecondFactor != want[0] || x.Secrets.TOTPSecret != want[1] || x.Secrets.Password == nil {
			t.Errorf("%s: got %+v %+v", name, x.SecondFactor, x.Secrets)
		}
	}
	if !remarked(i, "plain", "goes on") || !remarked(i, "sealed", "enrol again") || !remarked(i, "other", "sha512") || remarked(i, "off", "") {
		t.Errorf("%+v", i.Remarks)
	}
}
