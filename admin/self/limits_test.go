package self_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/storage/accounts"
)

func stranger(s *admintest.Site) *admintest.Client { return &admintest.Client{Site: s, TLS: true} }

// Logins over the API count like those at any door: many at once get in as far
// as the limit goes, and a lowered one refuses new ones and ends none.
func TestLoginsCountAsSessions(t *testing.T) {
	const limit, tries = 3, 12
	s := admintest.New(t)
	ann := s.Add("ann", func(a *accounts.Account) { a.Limits.Sessions = limit })
	body := fmt.Sprintf(`{"username":%q,"password":%q}`, ann.Name, ann.Password)
	var in, out atomic.Int64
	var all sync.WaitGroup
	for range tries {
		all.Go(func() {
			switch w := stranger(s).Do("POST", "/login", body); w.Code {
			case http.StatusOK:
				in.Add(1)
			case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
				out.Add(1)
			default:
				t.Errorf("a login is %d: %s", w.Code, w.Body)
			}
		})
	}
	all.Wait()
	if in.Load() != limit || in.Load()+out.Load() != tries {
		t.Errorf("%d logins of %d came in, %d were refused", in.Load(), limit, out.Load())
	}
	s.Change("ann", func(a *accounts.Account) { a.Limits.Sessions = 1 })
	if w := stranger(s).Do("POST", "/login", body); w.Code == http.StatusOK {
		t.Error("a lowered limit let one more in")
	}
	if n := len(s.Sessions.List()); n != limit {
		t.Errorf("%d sessions are open, a lowered limit ends none", n)
	}
}
