package logins_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/admin/admintest"
	"gatehouse/admin/rest"
	"gatehouse/storage/state"
)

// between runs do once, when the next login was read from the store by a node and
// before that node has it.
func between(s *admintest.Site, do func()) {
	s.Store.Got(func(scope, name string) {
		if scope == "logins" && strings.HasPrefix(name, "login/") {
			s.Store.Got(nil)
			do()
		}
	})
}

// Somebody logs out on one node in the very moment in which another goes on with the
// login: no session lives on there, whether that node follows logins already or not.
func TestALogoutWhileAnotherNodeGoesOn(t *testing.T) {
	for _, follows := range []bool{true, false} {
		t.Run(fmt.Sprint("follows ", follows), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				nodes := admintest.Several(t, two)
				a, b := nodes[0], nodes[1]
				others := 0
				if follows {
					b.Admin("root")
					others = 1
				}
				c := a.LoggedIn(a.Add("ann"))
				synctest.Wait()
				between(b, func() {
					at(c, a).Must(200, "POST", "/logout", "")
					synctest.Wait()
				})
				code := at(c, b).Do("GET", "/me", "").Code
				synctest.Wait()
				if n := len(b.Sessions.List()); n != others || follows && code != 401 {
					t.Errorf("the answer is %d, and %d sessions live on", code, n-others)
				}
			})
		})
	}
}

// The same on one node: the session that has just ended is not made anew.
func TestALogoutWhileItsNodeIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := admintest.New(t)
		c := s.Admin("root")
		synctest.Wait() // else what looks at logins at first may be who reads it
		between(s, func() { at(c, s).Must(200, "POST", "/logout", "") })
		at(c, s).Must(401, "GET", "/me", "")
		synctest.Wait()
		if n := len(s.Sessions.List()); n != 0 {
			t.Errorf("%d sessions live on", n)
		}
	})
}

// A thief with a stolen cookie sends a change of the password but for its end, and
// waits until the person steps up: what is proved then is not proved to the thief.
func TestAStepUpIsWorthNothingToTheOldCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := admintest.New(t)
		p := s.Add("ann")
		c := s.LoggedIn(p)
		time.Sleep(15 * time.Minute)
		body, thief := io.Pipe()
		stolen := *c.Cookie
		done := make(chan int)
		go func() {
			r := httptest.NewRequestWithContext(t.Context(), "PUT", rest.Prefix+"/me/password", body)
			r.Host, r.TLS = "localhost", &tls.ConnectionState{}
			r.Header.Set("Content-Type", "application/json")
			r.AddCookie(&stolen)
			w := httptest.NewRecorder()
			s.Web.ServeHTTP(w, r)
			done <- w.Code
		}()
		_, _ = io.WriteString(thief, `{"new":"a sentence of`)
		c.Must(200, "POST", "/login/step-up", admintest.Body("password", p.Password))
		_, _ = io.WriteString(thief, ` the thief"}`)
		_ = thief.Close()
		if code := <-done; code < 400 {
			t.Errorf("the thief has set the password: %d", code)
		}
		if me := c.Must(200, "GET", "/me", ""); me["fresh"] != true {
			t.Error("the person's own login is not fresh")
		}
		c.Must(200, "PUT", "/me/password", admintest.Body("new", "a wholly new sentence"))
	})
}

// The store goes away between a change of the password and the new cookie: the old
// one is good nowhere, and not on this node alone.
func TestAChangeWithoutItsNewCookie(t *testing.T) {
	nodes := admintest.Several(t, two)
	a, b := nodes[0], nodes[1]
	p := a.Add("ann")
	c := a.LoggedIn(p)
	a.Store.Applying(func(batch state.Batch) error {
		if batch.Scope == "logins" {
			return state.ErrAway
		}
		return nil
	})
	old := at(c, a)
	c.Must(503, "PUT", "/me/password", admintest.Body("current", p.Password, "new", "a wholly new sentence"))
	a.Store.Applying(nil)
	at(old, a).Must(401, "GET", "/me", "")
	at(old, b).Must(401, "GET", "/me", "")
	admintest.Eventually(t, func() bool { return len(a.Sessions.List()) == 0 })
}

// A step-up whose new cookie cannot be kept leaves the old one as it was.
func TestAStepUpWithoutItsNewCookie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := admintest.New(t)
		p := s.Add("ann")
		c := s.LoggedIn(p)
		time.Sleep(15 * time.Minute)
		c.Must(200, "GET", "/me", "")
		synctest.Wait()
		s.Store.Applying(func(batch state.Batch) error {
			if batch.Scope == "logins" {
				return state.ErrAway
			}
			return nil
		})
		c.Must(503, "POST", "/login/step-up", admintest.Body("password", p.Password))
		s.Store.Applying(nil)
		if me := c.Must(200, "GET", "/me", ""); me["fresh"] != false {
			t.Error("the old cookie is fresh")
		}
		c.Must(403, "PUT", "/me/password", admintest.Body("new", "a wholly new sentence"))
	})
}

// An account that is disabled and enabled again in the second in which it logged in
// stays logged out, whichever clocks the nodes have.
func TestDisabledInTheSecondOfItsLogin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := admintest.Several(t, two)
		a, b := nodes[0], nodes[1]
		p := a.Add("ann")
		synctest.Wait()
		time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
		time.Sleep(100 * time.Millisecond)
		c := a.LoggedIn(p)
		b.Root().Must(200, "POST", "/accounts/ann/disable", "{}")
		b.Root().Must(200, "POST", "/accounts/ann/enable", "{}")
		at(c, b).Must(401, "GET", "/me", "")
	})
}

// However long ago a login began, neither use nor a restart nor a step-up makes it
// last longer than half a day.
func TestHalfADayIsTheMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := admintest.Several(t, two)
		a, b := nodes[0], nodes[1]
		p := a.Add("ann")
		c := a.LoggedIn(p)
		synctest.Wait()
		began := time.Now()
		for i := 0; time.Since(began) < 12*time.Hour-20*time.Minute; i++ {
			time.Sleep(20 * time.Minute)
			if c.Site = nodes[i%2]; i == 9 {
				c.Must(200, "POST", "/login/step-up", admintest.Body("password", p.Password))
			}
			if i == 20 {
				a.API.Close()
			}
			if i >= 20 {
				c.Site = b
			}
			c.Must(200, "GET", "/me", "")
		}
		time.Sleep(time.Until(began.Add(12 * time.Hour)))
		at(c, b).Must(401, "GET", "/me", "")
		synctest.Wait()
		if n := len(b.Sessions.List()); n != 0 {
			t.Errorf("%d sessions live on", n)
		}
	})
}
