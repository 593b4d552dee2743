package rights_test

import (
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
)

// A token of an administrator has leaked. With an authority of its own the thief
// would make a certificate for the administrator, and come in over SSH long after
// the token was revoked.
func TestATokenMakesNoCredentialByWayOfTheSite(t *testing.T) {
	s := admintest.New(t)
	root := s.Admin("root")
	token, _ := s.Token("root", nil)
	authority := strings.TrimSpace(admintest.Authorized(protocoltest.NewKey(t)))
	for _, site := range []string{
		`{"ssh_user_cas":["` + authority + `"]}`, `{"password":{"max_age_days":0}}`, `{"password":{"min_length":1}}`, `{"second_factor":"required"}`,
		`{"language":"de","password":null}`,
	} {
		s.SetSite(func(p *policy.Site) { p.Password.MaxAgeDays = 30 })
		before := root.Do("GET", "/site", "").Body.String()
		if field := token.RefusedField("PATCH", "/site", site); field == "" {
			t.Errorf("PATCH with %s names no field", site)
		}
		document := `{"gatehouse":1,"site":` + site + `}`
		for _, path := range []string{"/apply", "/apply?dry_run=true"} {
			done := token.Must(200, "POST", path, document)
			refused := done["refused"].([]any)
			if len(refused) != 1 || !strings.Contains(refused[0].(map[string]any)["why"].(string), "no token changes the credentials") {
				t.Errorf("%s with %s: %v", path, site, done)
			}
		}
		if after := root.Do("GET", "/site", "").Body.String(); after != before {
			t.Errorf("%s was taken in part:\n%s\n%s", site, before, after)
		}
	}
	token.Must(200, "PATCH", "/site", `{"language":"de","ssh_user_cas":[],"second_factor":"optional"}`) // these are so already
	root.Must(200, "PATCH", "/site", `{"ssh_user_cas":["`+authority+`"]}`)
	s.Root().Must(200, "PATCH", "/site", `{"ssh_user_cas":null}`)
}

// Nor does a token make its owner's password good for ever, or the account one
// that needs no second factor.
func TestATokenDoesNotLengthenItsOwnersPassword(t *testing.T) {
	s := admintest.New(t)
	root := s.Admin("root")
	s.Add("ann")
	token, _ := s.Token("root", nil)
	for _, change := range []string{`{"password_max_age_days":0}`, `{"shared":true}`} {
		token.Must(403, "PATCH", "/accounts/root", change)
		token.Must(200, "PATCH", "/accounts/ann", change)
	}
	root.Must(200, "PATCH", "/accounts/root", `{"password_max_age_days":0}`)
}
