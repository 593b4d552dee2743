package rest_test

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"gatehouse/admin/admintest"
	"gatehouse/admin/rest"
	"gatehouse/auth/session"
)

// A problem names the field as the API calls it, whoever found it.
func TestProblemsNameTheFieldOfTheAPI(t *testing.T) {
	s := admintest.New(t)
	boss := s.Admin("boss")
	s.Add("ann")
	boss.Must(201, http.MethodPost, "/groups", `{"name":"staff"}`)
	for _, c := range []struct{ path, body, want string }{
		{"/accounts/ann", `{"quota":{"limit_bytes":-5}}`, `"body.quota.limit_bytes"`},
		{"/accounts/ann", `{"quota":{"limit_files":-5}}`, `"body.quota.limit_files"`},
		{"/groups/staff", `{"folder":"/f","folder_quota":{"limit_bytes":-5}}`, `"body.folder_quota.limit_bytes"`},
		{"/accounts/ann", `[]`, `"body"`},
	} {
		if w := boss.Do(http.MethodPatch, c.path, c.body); w.Code != 422 || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s, want %s", c.body, w.Code, w.Body, c.want)
		}
	}
}

// A tag that no record has matches none, also where it reads like a revision.
func TestATagOfNoRecordMatchesNone(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Add("ann")
	for _, tag := range []string{`"0"`, `"00"`, `W/"1"`, `"abc"`, `1`, `"-1"`} {
		c.Header = http.Header{"If-Match": {tag}}
		c.Must(412, http.MethodPatch, "/accounts/ann", `{"display_name":"lost"}`)
	}
	c.Header = http.Header{"If-Match": {"*"}}
	c.Must(200, http.MethodPatch, "/accounts/ann", `{"display_name":"Ann"}`)
}

// A login that cannot be recorded is refused where the site says so: for want of
// room on a disk, not for a fault that nobody can name.
func TestALoginThatCannotBeRecordedIsToldSo(t *testing.T) {
	api := &rest.API{Log: slog.New(slog.DiscardHandler)}
	err := api.Problem(fmt.Errorf("record a login: %w: %w", session.ErrUnrecorded, io.ErrShortWrite))
	told, ok := errors.AsType[*huma.ErrorModel](err)
	if !ok || told.Status != http.StatusServiceUnavailable || !strings.Contains(told.Detail, "audit.on_failure") {
		t.Errorf("it is told as %v", err)
	}
}
