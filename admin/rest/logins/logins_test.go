package logins_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
	"gatehouse/storage/state"
)

// two are two nodes on one store.
var two = protocoltest.Nodes{Count: 2}

// at is the same browser, which asks another node.
func at(c *admintest.Client, s *admintest.Site) *admintest.Client {
	return &admintest.Client{Site: s, TLS: true, Cookie: c.Cookie}
}

// eachStore runs a test over two nodes on one store in memory, and on a Redis.
func eachStore(t *testing.T, run func(t *testing.T, a, b *admintest.Site)) {
	t.Helper()
	t.Run("memory", func(t *testing.T) {
		nodes := admintest.Several(t, two)
		run(t, nodes[0], nodes[1])
	})
	t.Run("redis", func(t *testing.T) {
		nodes := admintest.Several(t, protocoltest.Nodes{Count: 2, Store: protocoltest.Redis(t)})
		run(t, nodes[0], nodes[1])
	})
}

// A load balancer sends each request of a browser to another node: it is one
// login, whose session is the same everywhere, and which ends everywhere.
func TestALoginIsOneOnEveryNode(t *testing.T) {
	eachStore(t, func(t *testing.T, a, b *admintest.Site) {
		here := a.Admin("root")
		there := at(here, b)
		for range 3 {
			here.Must(200, "GET", "/me", "")
			there.Must(200, "GET", "/me", "")
		}
		mine, theirs := a.Sessions.List(), b.Sessions.List()
		if len(mine) != 1 || len(theirs) != 1 || mine[0].ID != theirs[0].ID || !mine[0].Since.Equal(theirs[0].Since) {
			t.Errorf("the login is %+v here and %+v there", mine, theirs)
		}
		there.Must(200, "POST", "/logout", "")
		at(here, a).Must(401, "GET", "/me", "")
		admintest.Eventually(t, func() bool { return len(a.Sessions.List())+len(b.Sessions.List()) == 0 })
		ends := 0
		for _, e := range here.Site.Root().Must(200, "GET", "/events?kind=logout", "")["items"].([]any) {
			if e.(map[string]any)["session"] == mine[0].ID {
				ends++
			}
		}
		if ends > 1 {
			t.Errorf("the trail has %d ends of one session", ends)
		}
	})
}

// A step-up on one node makes the login fresh on the other, under the new value
// alone.
func TestAStepUpHoldsOnEveryNode(t *testing.T) {
	eachStore(t, func(t *testing.T, a, b *admintest.Site) {
		p := a.Add("ann")
		if _, err := b.Accounts.ByID(t.Context(), p.ID); err != nil {
			t.Fatal(err)
		}
		here := a.LoggedIn(p)
		old := at(here, b)
		old.Must(200, "GET", "/me", "")
		here.Must(200, "POST", "/login/step-up", admintest.Body("password", p.Password))
		there := at(here, b)
		if me := there.Must(200, "GET", "/me", ""); me["fresh"] != true {
			t.Errorf("on the other node the login is %v", me)
		}
		for _, s := range []*admintest.Site{a, b} {
			at(old, s).Must(401, "GET", "/me", "")
		}
		there.Must(200, "GET", "/me", "")
	})
}

// Whoever knows the old password, or has a browser that is logged in with it, is
// out on every node; the browser that set the new one is in on every node.
func TestANewPasswordEndsTheOthersOnEveryNode(t *testing.T) {
	eachStore(t, func(t *testing.T, a, b *admintest.Site) {
		p := a.Add("ann")
		here, other := a.LoggedIn(p), b.LoggedIn(p)
		sleeping := a.LoggedIn(p) // b has never heard of it
		at(here, b).Must(200, "GET", "/me", "")
		at(other, a).Must(200, "GET", "/me", "")
		old := at(here, b)
		here.Must(200, "PUT", "/me/password", admintest.Body("current", p.Password, "new", "a wholly new sentence"))
		for range 3 {
			at(here, b).Must(200, "GET", "/me", "")
			at(here, a).Must(200, "GET", "/me", "")
		}
		admintest.Eventually(t, func() bool { return at(other, b).Do("GET", "/me", "").Code == 401 })
		for _, s := range []*admintest.Site{a, b} {
			for name, c := range map[string]*admintest.Client{"old value": old, "other": other, "sleeping": sleeping} {
				if w := at(c, s).Do("GET", "/me", ""); w.Code != 401 {
					t.Errorf("%s: %d %s", name, w.Code, w.Body)
				}
			}
		}
	})
}

// A second factor is begun on one node and confirmed on another, and taken away on
// a third time: the login that does it goes on everywhere.
func TestASecondFactorOverSeveralNodes(t *testing.T) {
	eachStore(t, func(t *testing.T, a, b *admintest.Site) {
		p := a.Add("ann")
		c := a.LoggedIn(p)
		begun := c.Must(200, "POST", "/me/totp", "")
		there := at(c, b)
		admintest.Eventually(t, func() bool {
			x, err := b.Accounts.ByID(t.Context(), p.ID)
			return err == nil && x.TOTP != nil
		})
		there.Must(200, "POST", "/me/totp/confirm", admintest.Body("code", admintest.TOTP(t, begun["secret"].(string), time.Now())))
		for range 2 {
			at(there, a).Must(200, "GET", "/me", "")
			at(there, b).Must(200, "GET", "/me", "")
		}
		here := at(there, a)
		here.Must(200, "DELETE", "/me/totp", "")
		for range 2 {
			at(here, b).Must(200, "GET", "/me", "")
			at(here, a).Must(200, "GET", "/me", "")
		}
	})
}

// An administrator who ends a session ends the login that it came of: it does not
// come back with the browser's next request, on whichever node.
func TestAnEndedSessionIsAnEndedLogin(t *testing.T) {
	nodes := admintest.Several(t, two)
	a, b := nodes[0], nodes[1]
	p := a.Add("ann")
	c := a.LoggedIn(p)
	id := a.Sessions.List()[0].ID
	a.Root().Must(200, "DELETE", "/sessions/"+id, "")
	admintest.Eventually(t, func() bool { return at(c, b).Do("GET", "/me", "").Code == 401 })
	at(c, a).Must(401, "GET", "/me", "")
}

// A restart logs nobody out; who was disabled meanwhile stays out, and does not
// come back in with an old cookie when the account is enabled again.
func TestALoginOutlivesItsNode(t *testing.T) {
	nodes := admintest.Several(t, two)
	a, b := nodes[0], nodes[1]
	p, q := a.Add("ann"), a.Add("bob")
	c, d := a.LoggedIn(p), a.LoggedIn(q)
	a.API.Close()
	at(c, b).Must(200, "GET", "/me", "")
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second))) // a status has whole seconds
	b.Root().Must(200, "POST", "/accounts/bob/disable", "{}")
	at(d, b).Must(401, "GET", "/me", "")
	b.Root().Must(200, "POST", "/accounts/bob/enable", "{}")
	at(d, b).Must(401, "GET", "/me", "")
	if got := at(c, b).Must(200, "GET", "/me", "")["username"]; got != "ann" {
		t.Errorf("the cookie is now %v's", got)
	}
}

// What is in the store opens nothing: neither the cookie nor what proved it can be
// found in it, and a record under another's name is nobody's.
func TestTheStoreHoldsNoCookie(t *testing.T) {
	s := admintest.New(t)
	p := s.Add("ann", func(a *accounts.Account) { a.Role = policy.RoleAdmin })
	c := s.LoggedIn(p)
	d := s.LoggedIn(s.Add("bob"))
	page, err := s.State.List(t.Context(), "logins", "", "", 0)
	if err != nil || len(page.Records) != 2 {
		t.Fatalf("got %d records, %v", len(page.Records), err)
	}
	for item := range s.State.Dump(t.Context()) {
		if item.Scope != "logins" {
			continue
		}
		for _, secret := range []string{c.Cookie.Value, p.Password, "ann", p.ID} {
			if bytes.Contains(item.Value, []byte(secret)) || strings.Contains(item.Name, secret) {
				t.Errorf("%q is in %q", secret, item.Name)
			}
		}
	}
	_, err = s.State.Apply(t.Context(), state.Batch{Scope: "logins", Puts: []state.Put{
		{Name: page.Records[0].Name, Value: page.Records[1].Value}, {Name: page.Records[1].Name, Value: page.Records[0].Value},
	}})
	if err != nil {
		t.Fatal(err)
	}
	c.Must(401, "GET", "/me", "")
	d.Must(401, "GET", "/me", "")
}

// Where the store is away nobody is taken for logged out: 503, and the cookie is as
// good as ever when the store is back.
func TestAStoreThatIsAwayLogsNobodyOut(t *testing.T) {
	s := admintest.New(t)
	c := s.Admin("root")
	cookie := c.Cookie
	s.Store.Away(true)
	for _, ask := range []struct{ method, path, body string }{
		{"GET", "/me", ""}, {"GET", "/accounts", ""}, {"POST", "/logout", ""}, {"POST", "/login", admintest.Body("username", "root", "password", "x")},
	} {
		w := c.Do(ask.method, ask.path, ask.body)
		var problem struct{ Detail string }
		if err := json.Unmarshal(w.Body.Bytes(), &problem); err != nil || w.Code != http.StatusServiceUnavailable ||
			w.Header().Get("Retry-After") == "" || !strings.Contains(problem.Detail, "store") || w.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s %s is %d: %v %s", ask.method, ask.path, w.Code, w.Header(), w.Body)
		}
	}
	s.Store.Away(false)
	c.Cookie = cookie
	c.Must(200, "GET", "/me", "")
}

// A login that is used on one node is not idle because another was not asked.
func TestALoginInUseElsewhereGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := admintest.Several(t, two)
		a, b := nodes[0], nodes[1]
		c := a.Admin("root")
		admintest.Eventually(t, func() bool { return at(c, b).Do("GET", "/me", "").Code == 200 })
		for range 5 {
			time.Sleep(20 * time.Minute)
			at(c, b).Must(200, "GET", "/me", "")
		}
		synctest.Wait()
		if n := len(a.Sessions.List()); n != 0 {
			t.Errorf("a node that was not asked for long has %d sessions", n)
		}
		at(c, a).Must(200, "GET", "/me", "")
		time.Sleep(31 * time.Minute)
		synctest.Wait()
		if n := len(a.Sessions.List()) + len(b.Sessions.List()); n != 0 {
			t.Errorf("of an idle login %d sessions are left", n)
		}
		at(c, b).Must(401, "GET", "/me", "")
	})
}

// A request costs one look at the store, however many there are at once.
func TestARequestCostsOneCall(t *testing.T) {
	s := admintest.New(t)
	c := s.Admin("root")
	c.Must(200, "GET", "/me", "")
	before := s.Store.Calls()
	const times = 20
	for range times {
		c.Must(200, "GET", "/me", "")
	}
	if n := s.Store.Calls() - before; n > times+2 { // two are of who watches, from the first login on
		t.Errorf("%d requests took %d calls of the store", times, n)
	}
}
