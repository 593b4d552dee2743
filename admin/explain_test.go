package admin_test

import (
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/locks"
)

func TestExplain(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Add("ann")
	for body, want := range map[string][2]string{
		`{"account":"ann","door":"sftp","from":"203.0.113.7"}`:                                         {"allow", "admitted"},
		`{"account":"ann","door":"ftp","from":"203.0.113.7"}`:                                          {"deny", "plain-ftp"},
		`{"account":"ann","door":"ftp","from":"203.0.113.7","tls":true}`:                               {"allow", "admitted"},
		`{"account":"ann","door":"sftp","from":"203.0.113.7","operation":"write","path":"/x"}`:         {"allow", "home"},
		`{"account":"ann","door":"webdav","tls":true,"from":"1.2.3.4","operation":"stat","path":"/x"}`: {"allow", "home"},
	} {
		a := c.Must(200, "POST", "/explain", body)
		if a["decision"] != want[0] || a["rule"] != want[1] {
			t.Errorf("%s\n gives %v by %v, want %v", body, a["decision"], a["rule"], want)
		}
	}
	c.Must(422, "POST", "/explain", `{"account":"nobody","door":"sftp"}`)
	// The reference of a refusal names its rule.
	web := &admintest.Client{Site: s, TLS: true}
	p := web.Must(401, "POST", "/login", `{"username":"ann","password":"wrong"}`)
	detail, _ := p["detail"].(string)
	_, rest, _ := strings.Cut(detail, "reference ")
	reference := strings.TrimRight(rest, ")")
	if a := c.Must(200, "POST", "/explain", `{"reference":"`+reference+`"}`); a["rule"] != "credential" {
		t.Errorf("the reference %q of %q gives %v", reference, detail, a)
	}
	c.Must(422, "POST", "/explain", `{"reference":"nonsense"}`)
}

func TestExplainKnowsCredentialsAndSecondFactors(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Add("ann")
	s.Enrol("ann")
	id := c.Must(201, "POST", "/accounts/ann/app-passwords", `{"name":"phone","doors":["webdav"],"read_only":true,"allowed_ips":["203.0.113.0/24"]}`)["id"].(string)
	const at = `"account":"ann","from":"203.0.113.7","tls":true,`
	for body, want := range map[string][2]string{
		`{` + at + `"door":"webdav","credential":"password"}`:                                                                         {"deny", "second-factor"},
		`{` + at + `"door":"sftp","credential":"password"}`:                                                                           {"allow", "admitted"},
		`{` + at + `"door":"sftp","credential":"password","second_factor":"missing"}`:                                                 {"deny", "second-factor"},
		`{` + at + `"door":"sftp","credential":"key"}`:                                                                                {"allow", "admitted"},
		`{` + at + `"door":"webdav","credential":"app-password"}`:                                                                     {"allow", "admitted"},
		`{` + at + `"door":"webdav","credential":"app-password","credential_id":"` + id + `"}`:                                        {"allow", "admitted"},
		`{` + at + `"door":"sftp","credential":"app-password","credential_id":"` + id + `"}`:                                          {"deny", "door-credential"},
		`{"account":"ann","from":"198.51.100.1","tls":true,"door":"webdav","credential":"app-password","credential_id":"` + id + `"}`: {"deny", "credential-address"},
		`{` + at + `"door":"webdav","credential":"app-password","credential_id":"` + id + `","operation":"write","path":"/x"}`:        {"deny", "read-only"},
		`{` + at + `"door":"api","credential":"app-password"}`:                                                                        {"deny", "door-credential"},
		`{"account":"ann","from":"203.0.113.7","transport":"clear","door":"webdav","credential":"token"}`:                             {"deny", "door-credential"},
	} {
		a := c.Must(200, "POST", "/explain", body)
		if a["decision"] != want[0] || a["rule"] != want[1] {
			t.Errorf("%s\n gives %v by %v (%v), want %v", body, a["decision"], a["rule"], a["because"], want)
		}
		if a["decision"] == "deny" && (a["remedy"] == "" || a["setting"] == nil) {
			t.Errorf("%s\n has no remedy: %v", body, a)
		}
	}
	c.Must(422, "POST", "/explain", `{"account":"ann","door":"sftp","credential":"key","credential_id":"none"}`)
	c.Must(422, "POST", "/explain", `{"account":"ann","door":"sftp","from":"nowhere"}`)
}

func TestExplainIsAsStrictAsTheTree(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	ann := s.Add("ann")
	bob := s.Add("bob")
	s.Mkdir("/shared")
	s.Write("/shared/f", "x")
	s.Write(ann.Home.String()+"/d/f", "x")
	s.Grant("ann", "/shared", policy.Full, "shared")
	for body, want := range map[string][2]string{
		`"operation":"delete","path":"/"`:       {"deny", "home"},
		`"operation":"delete","path":"/shared"`: {"deny", "home"},
		`"operation":"delete","path":"/d"`:      {"allow", "home"},
		`"operation":"read","path":"/shared/f"`: {"allow", "grant"},
		`"operation":"read","path":"/no/such"`:  {"allow", "home"},
	} {
		a := c.Must(200, "POST", "/explain", `{"account":"ann","door":"sftp",`+body+`}`)
		if a["decision"] != want[0] || a["rule"] != want[1] {
			t.Errorf("%s gives %v by %v (%v), want %v", body, a["decision"], a["rule"], a["because"], want)
		}
	}
	if _, err := s.Locks.Lock(t.Context(), locks.Request{Path: path.MustParse("/shared/f"), AccountID: bob.ID, Account: "bob", Door: "webdav"}); err != nil {
		t.Fatal(err)
	}
	if a := c.Must(200, "POST", "/explain", `{"account":"ann","door":"sftp","operation":"write","path":"/shared/f"}`); a["locked_by"] != "bob" {
		t.Errorf("the lock is not told: %v", a)
	}
	s.SetSite(func(p *policy.Site) { p.Names = policy.NamesPortable })
	if a := c.Must(200, "POST", "/explain", `{"account":"ann","door":"sftp","operation":"create","path":"/con"}`); a["rule"] != "names" {
		t.Errorf("a name that Windows cannot hold gives %v", a)
	}
}

// A write is asked about with its size: quota, largest upload and the bytes of the
// day are asked for as many. Without one the answer says what was supposed.
func TestExplainAnUploadOfSomeSize(t *testing.T) {
	s := admintest.New(t)
	s.Add("ann", func(a *accounts.Account) { a.Limits = policy.Limits{LargestUpload: 3000, BytesPerDay: 2000} })
	s.SetQuota("/home/ann", 1000, -1)
	s.Write("/home/ann/old", strings.Repeat("o", 400))
	if _, err := s.Quotas.Rescan(t.Context(), path.MustParse("/home/ann")); err != nil {
		t.Fatal(err)
	}
	c := s.Root()
	for asked, want := range map[string]struct {
		size, most any
		rule       string
		obstacle   string
	}{
		`"operation":"write","path":"/new"`:              {nil, 600.0, "quota", ""},
		`"operation":"write","path":"/new","size":600`:   {600.0, 600.0, "quota", ""},
		`"operation":"write","path":"/new","size":601`:   {601.0, 600.0, "quota", "quota of /home/ann exceeded: 400 of 1000 bytes"},
		`"operation":"create","path":"/new","size":601`:  {601.0, 600.0, "quota", "quota of /home/ann exceeded: 400 of 1000 bytes"},
		`"operation":"write","path":"/old","size":1000`:  {1000.0, 1000.0, "quota", ""},
		`"operation":"write","path":"/old","size":1001`:  {1001.0, 1000.0, "quota", "quota of /home/ann exceeded: 400 of 1000 bytes"},
		`"operation":"write","path":"/new","size":3001`:  {3001.0, 600.0, "quota", "largest-upload: larger than the largest upload allowed (3000 bytes)"},
		`"operation":"write","path":"/out/f","size":1`:   {nil, nil, "", "there is no folder /out"},
		`"operation":"create","path":"/new"`:             {nil, nil, "", ""},
		`"operation":"read","path":"/old"`:               {nil, nil, "", ""},
		`"operation":"write","path":"/../x/f","size":10`: {nil, nil, "", "there is no folder /x"},
	} {
		a := c.Must(200, "POST", "/explain", `{"account":"ann","door":"sftp",`+asked+`}`)
		u, _ := a["upload"].(map[string]any)
		rule, _ := u["rule"].(string)
		obstacle, _ := a["obstacle"].(string)
		if a["decision"] != "allow" || u["size_bytes"] != want.size || u["most_bytes"] != want.most || rule != want.rule || obstacle != want.obstacle {
			t.Errorf("%s: got %v, obstacle %q, want %+v", asked, u, obstacle, want)
		}
	}
	s.SetQuota("/home/ann", -1, -1)
	a := c.Must(200, "POST", "/explain", `{"account":"ann","door":"sftp","operation":"write","path":"/new","size":2001}`)
	if got, _ := a["obstacle"].(string); !strings.HasPrefix(got, "bytes-per-day: ") || a["upload"].(map[string]any)["rule"] != "bytes-per-day" {
		t.Errorf("more than the day allows: %v, %v", got, a["upload"])
	}
	c.Must(422, "POST", "/explain", `{"account":"ann","door":"sftp","operation":"read","path":"/old","size":1}`)
	c.Must(422, "POST", "/explain", `{"account":"ann","door":"sftp","operation":"write","path":"/old","size":-1}`)
}

// A reference is explained to those with rights over its account, and is nothing
// to others.
func TestWhoseBusinessAReferenceIs(t *testing.T) {
	o := admintest.NewOffice(t)
	web := &admintest.Client{Site: o.Site, TLS: true}
	reference := func(name string) string {
		p := web.Must(401, "POST", "/login", `{"username":"`+name+`","password":"wrong"}`)
		_, rest, _ := strings.Cut(p["detail"].(string), "reference ")
		return strings.TrimRight(rest, ")")
	}
	own, other, nobodys := reference("ann"), reference("zoe"), reference("nobody")
	if a := o.Delegate.Must(200, "GET", "/explain?ref="+own, ""); a["because"] == "" || a["remedy"] == "" || a["decision"] != "deny" {
		t.Errorf("the answer is %v", a)
	}
	o.Delegate.Must(422, "GET", "/explain?ref="+other, "")
	o.Delegate.Must(422, "GET", "/explain?ref="+nobodys, "")
	o.Delegate.Must(422, "POST", "/explain", `{"reference":"`+other+`"}`)
	o.Delegate.Must(422, "POST", "/explain", `{"account":"zoe","door":"sftp"}`)
	o.Delegate.Must(200, "POST", "/explain", `{"account":"ann","door":"sftp"}`)
	for _, ref := range []string{own, other, nobodys} {
		o.Root().Must(200, "GET", "/explain?ref="+ref, "")
	}
	o.LoggedIn(o.Zoe).Must(403, "GET", "/explain?ref="+other, "")
}

func TestEveryRuleHasItsText(t *testing.T) {
	s := admintest.New(t)
	text := s.Root().Do("GET", "/rules", "").Body.String()
	for _, want := range []string{`"second-factor"`, `"plain-ftp"`, `"remedy"`, `"manager"`} {
		if !strings.Contains(text, want) {
			t.Errorf("the rules lack %s: %s", want, text)
		}
	}
}
