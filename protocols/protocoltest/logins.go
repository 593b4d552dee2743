package protocoltest

import (
	"fmt"
	"sync"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// loginCases are ways around a login that have worked elsewhere.
var loginCases = []testCase{
	{name: "login/many at once at the limit", run: atTheLimit},
	{name: "login/wrong passwords against a key", needs: hasKeys, run: keyBesideGuesses},
	{name: "login/a name made anew", run: recreated},
}

// However many come at once, no more sessions are open than the limit says.
func atTheLimit(s *suite) {
	const limit, crowd = 2, 12
	a := s.Add("ann", func(a *accounts.Account) { a.Limits.Sessions = limit })
	var all sync.WaitGroup
	var mu sync.Mutex
	entered := 0
	begin := make(chan struct{})
	for range crowd {
		all.Go(func() {
			<-begin
			c, err := s.dial(Login{Person: a})
			if err != nil {
				return
			}
			s.T.Cleanup(func() { _ = c.Close() })
			if _, err := c.List("/"); err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			entered++
		})
	}
	close(begin)
	all.Wait()
	if n := len(s.of("ann")); n == 0 || n > limit || entered == 0 {
		s.T.Errorf("%d sessions are open, %d logins went well; the limit is %d", n, entered, limit)
	}
}

// Whoever guesses at the password of an account whose work is done with a key
// locks out passwords, and not the work.
func keyBesideGuesses(s *suite) {
	s.SetSite(func(p *policy.Site) { p.Lockout.Failures, p.Ban.Failures = 3, 0 })
	a := s.Add("ann")
	for i := range 5 {
		wrong := a
		wrong.Password = fmt.Sprint("guess ", i)
		if _, err := s.dial(Login{Person: wrong}); err == nil {
			s.T.Fatal("a guess led in")
		}
	}
	if _, err := s.dial(Login{Person: a}); err == nil {
		s.T.Error("the password is not locked out")
	}
	s.enterWith(Login{Person: a, WithKey: true}).mustPut("/f", "content")
}

// An account that gets the name of one that is gone is another one: it has
// nothing of the old one's, and the old one's secrets open nothing of it.
func recreated(s *suite) {
	old := s.Add("ann")
	app := s.Issue("ann", accounts.Credential{Kind: policy.KindAppPassword})
	s.Write("/pub/f", "public")
	s.Grant("ann", "/pub", policy.Full, "pub")
	before := s.enter(old)
	before.lists("/", "pub/")
	_, err := s.Accounts.Delete(s.T.Context(), "ann", 0, accounts.Forced)
	s.must(err)
	s.within(patience, "the old session is gone", func() bool { return len(s.of("ann")) == 0 })
	now := s.Add("ann")
	changed, err := s.Auth.NewPassword(s.T.Context(), accounts.Account{}, "another password")
	s.must(err)
	s.Change("ann", func(a *accounts.Account) { a.Password = changed })
	if now.ID == old.ID {
		s.T.Error("both have one id")
	}
	if _, err := before.names("/"); err == nil {
		s.T.Error("the old session goes on")
	}
	for _, secret := range []string{old.Password, app} {
		p := old
		p.Password = secret
		c, err := s.dial(Login{Person: p})
		if err == nil {
			_, err = c.List("/")
			_ = c.Close()
		}
		if err == nil {
			s.T.Error("a secret of the old account opens the new one")
		}
	}
	now.Password = "another password"
	s.enter(now).lists("/")
}
