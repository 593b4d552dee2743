package admin_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"gatehouse/admin/admintest"
	"gatehouse/admin/record"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/locks"
)

// The list says what is locked, how, by whom and until when; breaking is an event.
func TestLocksAreListedAndBroken(t *testing.T) {
	s := admintest.New(t)
	ann := s.Add("ann")
	l, err := s.Locks.Lock(t.Context(), locks.Request{
		Path: path.MustParse("/home/ann/d"), Deep: true, AccountID: ann.ID, Account: "ann", Door: "webdav", Owner: "<owner>phone</owner>",
	})
	if err != nil {
		t.Fatal(err)
	}
	var list []record.LockView
	if err := json.Unmarshal(s.Root().Do("GET", "/locks", "").Body.Bytes(), &list); err != nil || len(list) != 1 {
		t.Fatalf("got %v, %v", list, err)
	}
	got := list[0]
	if left := time.Until(got.Expires); left < 50*time.Minute || left > time.Hour {
		t.Errorf("it holds for %v more", left)
	}
	got.Expires = time.Time{}
	want := record.LockView{
		Token: l.Token, Path: "/home/ann/d", Depth: "infinity", Scope: "exclusive", AccountID: ann.ID, Account: "ann",
		Door: "webdav", Owner: "phone", TimeoutSeconds: 3600,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	s.Root().Must(200, "DELETE", "/locks/"+url.PathEscape(l.Token), "")
	s.Root().Must(404, "DELETE", "/locks/"+url.PathEscape(l.Token), "")
	broken := s.Root().Do("GET", "/events?kind=lock.break", "").Body.String()
	if !strings.Contains(broken, "/home/ann/d") || !strings.Contains(broken, l.Token) {
		t.Errorf("the event: %s", broken)
	}
	if found := s.Root().Do("GET", "/events?kind=lock.break&path=/home/ann", "").Body.String(); !strings.Contains(found, `"path":"/home/ann/d"`) {
		t.Errorf("it is not found by its path: %s", found)
	}
}

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
