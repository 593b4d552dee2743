package admin_test

import (
	"net/url"
	"strings"
	"testing"

	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/locks"
)

// A lock is broken by administrators and by who manages the folder: its owner,
// the managers of the group whose it is, and whoever manages its owner.
func TestWhoBreaksALock(t *testing.T) {
	o := newOffice(t)
	max := o.Add("max")
	o.root().must(201, "POST", "/groups", `{"name":"crew","managers":["max"],"folder":"/shared"}`)
	aud := o.Add("aud", func(a *accounts.Account) { a.Role = policy.RoleAuditor })
	lock := func(at string) string {
		t.Helper()
		l, err := o.Locks.Lock(t.Context(), locks.Request{Path: path.MustParse(at), AccountID: o.zoe.ID, Account: "zoe", Door: "webdav"})
		if err != nil {
			t.Fatal(err)
		}
		return l.Token
	}
	for at, may := range map[string]map[string]bool{
		"/home/ann/f": {"dora": true, "ann": true},
		"/home/zoe/f": {"zoe": true},
		"/shared/f":   {"max": true},
		"/secret/f":   {},
	} {
		token := lock(at)
		for _, p := range []protocoltest.Person{o.dora, o.zoe, max, aud} {
			c := o.login(p)
			sees := strings.Contains(c.do("GET", "/locks", "").Body.String(), token)
			if want := may[p.Name] || p.Name == "aud"; sees != want {
				t.Errorf("%s sees the lock on %s: %v, want %v", p.Name, at, sees, want)
			}
			w := c.do("DELETE", "/locks/"+url.PathEscape(token), "")
			if broke := w.Code == 200; broke != may[p.Name] {
				t.Errorf("%s breaks the lock on %s: %d %s", p.Name, at, w.Code, w.Body)
			} else if broke {
				token = lock(at)
			}
		}
		o.root().must(200, "DELETE", "/locks/"+url.PathEscape(token), "")
	}
}

func TestAGroupIsRenamedAndGetsItsFolder(t *testing.T) {
	s := newSite(t)
	c := s.root()
	s.Add("ann")
	c.must(201, "POST", "/groups", `{"name":"crew","folder":"/crew","folder_quota":{"limit_bytes":100}}`)
	c.must(200, "PUT", "/groups/crew/members/ann", "")
	c.must(422, "POST", "/groups", `{"name":"lost","folder":"/no/such/way"}`)
	c.must(200, "PATCH", "/groups/crew", `{"name":"team"}`)
	c.must(404, "GET", "/groups/crew", "")
	g := c.must(200, "GET", "/groups/team", "")
	if g["folder"] != "/crew" || g["members"].([]any)[0] != "ann" {
		t.Errorf("the group is %v", g)
	}
	eventually(t, func() bool {
		return c.must(200, "GET", "/quotas/at?path=/crew", "")["limit_bytes"] == 100.0
	})
	if q := c.must(200, "GET", "/quotas/at?path=/crew", ""); q["owner"] != "group team" {
		t.Errorf("the quota is %v", q)
	}
}
