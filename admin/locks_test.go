package admin_test

import (
	"net/url"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/locks"
)

// A lock is broken by administrators and by who manages the folder: its owner,
// the managers of the group whose it is, and whoever manages its owner.
func TestWhoBreaksALock(t *testing.T) {
	o := admintest.NewOffice(t)
	max := o.Add("max")
	o.Root().Must(201, "POST", "/groups", `{"name":"crew","managers":["max"],"folder":"/shared"}`)
	aud := o.Add("aud", func(a *accounts.Account) { a.Role = policy.RoleAuditor })
	lock := func(at string) string {
		t.Helper()
		l, err := o.Locks.Lock(t.Context(), locks.Request{Path: path.MustParse(at), AccountID: o.Zoe.ID, Account: "zoe", Door: "webdav"})
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
		for _, p := range []protocoltest.Person{o.Dora, o.Zoe, max, aud} {
			c := o.LoggedIn(p)
			sees := strings.Contains(c.Do("GET", "/locks", "").Body.String(), token)
			if want := may[p.Name] || p.Name == "aud"; sees != want {
				t.Errorf("%s sees the lock on %s: %v, want %v", p.Name, at, sees, want)
			}
			w := c.Do("DELETE", "/locks/"+url.PathEscape(token), "")
			if broke := w.Code == 200; broke != may[p.Name] {
				t.Errorf("%s breaks the lock on %s: %d %s", p.Name, at, w.Code, w.Body)
			} else if broke {
				token = lock(at)
			}
		}
		o.Root().Must(200, "DELETE", "/locks/"+url.PathEscape(token), "")
	}
}
