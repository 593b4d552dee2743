package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/admin/admintest"
	"gatehouse/admin/rest"
	"gatehouse/policy"
)

// left sends a request whose client has gone already, and returns the status that
// nobody reads.
func left(t *testing.T, h http.Handler, method, path, body string) int {
	t.Helper()
	ctx, gone := context.WithCancel(t.Context())
	gone()
	r := httptest.NewRequestWithContext(ctx, method, rest.Prefix+path, strings.NewReader(body))
	r.Host = "localhost"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

// Whoever hangs up in the middle of a change must not make it one that nobody can
// trace, whether the site insists on its log or not.
func TestAChangeWhoseClientHasGoneIsWholeAndRecorded(t *testing.T) {
	for _, insists := range []string{policy.AuditRefuse, policy.AuditContinue} {
		t.Run(insists, func(t *testing.T) {
			s := admintest.New(t)
			s.SetSite(func(p *policy.Site) { p.Audit.OnFailure = insists })
			c := s.Root()
			s.Add("ann")
			s.Add("bob")
			c.Must(201, "POST", "/groups", `{"name":"crew"}`)
			for _, change := range [][4]string{
				{"PATCH", "/accounts/ann", `{"display_name":"Ann","quota":{"limit_bytes":1000}}`, "account.change"},
				{"PUT", "/groups/crew/members/ann", "", "group.member.add"},
				{"PUT", "/quotas", `{"path":"/home/bob","limit_bytes":5}`, "quota.set"},
				{"POST", "/apply", `{"gatehouse":1,"accounts":[{"username":"cid"}]}`, "document.apply"},
				{"DELETE", "/accounts/bob?files=delete&confirm=bob", "", "account.delete"},
			} {
				if code := left(t, s.Socket, change[0], change[1], change[2]); code != 200 {
					t.Errorf("%v is %d", change, code)
				}
				if list := c.Must(200, "GET", "/events?kind="+change[3], "")["items"].([]any); len(list) != 1 {
					t.Errorf("%v leaves the events %v", change, list)
				}
			}
			ann := c.Must(200, "GET", "/accounts/ann", "")
			if ann["display_name"] != "Ann" || c.Must(200, "GET", "/quotas/at?path=/home/ann", "")["limit_bytes"] != 1000.0 {
				t.Errorf("ann is %v", ann)
			}
			c.Must(200, "GET", "/accounts/cid", "")
			c.Must(404, "GET", "/accounts/bob", "")
		})
	}
}

// Who does not wait for an answer to a question is no trouble of the gateway's.
func TestAQuestionWhoseClientHasGoneIsGivenUp(t *testing.T) {
	s := admintest.New(t)
	s.Add("ann")
	if code := left(t, s.Socket, "GET", "/events", ""); code != http.StatusServiceUnavailable {
		t.Errorf("it is %d", code)
	}
}

// What a client has left behind ends some minutes later, however long the store is
// away; that of one who waits does not.
func TestWhatIsLeftBehindEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, gone := context.WithCancel(t.Context())
		began := time.Now()
		rest.Lasting(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Hour)
			if r.Context().Err() != nil {
				t.Error("the change of a client who waits is given up")
			}
			gone()
			time.Sleep(time.Minute)
			if r.Context().Err() != nil {
				t.Error("the change is given up at once")
			}
			<-r.Context().Done()
		})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, "PATCH", "/", nil))
		if took := time.Since(began); took != time.Hour+10*time.Minute {
			t.Errorf("it went on for %v", took)
		}
	})
}
