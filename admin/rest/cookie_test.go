package rest_test

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/admin/admintest"
)

func TestACookieEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := admintest.New(t)
		root := s.Admin("root")
		open := func() int { return len(s.Sessions.List()) }
		time.Sleep(29 * time.Minute)
		root.Must(200, "GET", "/me", "")
		time.Sleep(29 * time.Minute)
		root.Must(200, "GET", "/me", "")
		time.Sleep(31 * time.Minute)
		synctest.Wait()
		if open() != 0 {
			t.Error("an idle login's session is open still")
		}
		root.Must(401, "GET", "/me", "")
		root = s.Admin("second")
		for range 12*60/20 - 1 {
			time.Sleep(20 * time.Minute)
			root.Must(200, "GET", "/me", "")
		}
		time.Sleep(21 * time.Minute)
		root.Must(401, "GET", "/me", "")
		synctest.Wait()
		if open() != 0 {
			t.Error("the session of a login whose time is up is open still")
		}
	})
}

func TestANewLoginTakesThePlaceOfTheOldOne(t *testing.T) {
	s := admintest.New(t)
	p := s.Add("ann")
	c := &admintest.Client{Site: s, TLS: true}
	for range 3 {
		c.Must(200, "POST", "/login", `{"username":"ann","password":"`+p.Password+`"}`)
	}
	if n := len(s.Sessions.List()); n != 1 {
		t.Errorf("one browser has %d sessions", n)
	}
}

func TestCookieRules(t *testing.T) {
	s := admintest.New(t)
	root := s.Admin("root")
	c := root.Cookie
	if c.Name != "__Host-gatehouse" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode || c.Path != "/" || c.Domain != "" {
		t.Errorf("the cookie is %+v", c)
	}
	if len(c.Value) < 26 {
		t.Errorf("the cookie has only %d characters", len(c.Value))
	}
	root.Must(200, "GET", "/accounts", "")
	root.Must(200, "POST", "/logout", "")
	root.Cookie = c
	root.Must(401, "GET", "/accounts", "")
}
