package admin_test

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestACookieEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSite(t)
		root := s.admin("root")
		open := func() int { return len(s.Sessions.List()) }
		time.Sleep(29 * time.Minute)
		root.must(200, "GET", "/me", "")
		time.Sleep(29 * time.Minute)
		root.must(200, "GET", "/me", "")
		time.Sleep(31 * time.Minute)
		synctest.Wait()
		if open() != 0 {
			t.Error("an idle login's session is open still")
		}
		root.must(401, "GET", "/me", "")
		root = s.admin("second")
		for range 12*60/20 - 1 {
			time.Sleep(20 * time.Minute)
			root.must(200, "GET", "/me", "")
		}
		time.Sleep(21 * time.Minute)
		root.must(401, "GET", "/me", "")
		synctest.Wait()
		if open() != 0 {
			t.Error("the session of a login whose time is up is open still")
		}
	})
}

func TestANewLoginTakesThePlaceOfTheOldOne(t *testing.T) {
	s := newSite(t)
	p := s.Add("ann")
	c := &client{site: s, tls: true}
	for range 3 {
		c.must(200, "POST", "/login", `{"username":"ann","password":"`+p.Password+`"}`)
	}
	if n := len(s.Sessions.List()); n != 1 {
		t.Errorf("one browser has %d sessions", n)
	}
}
