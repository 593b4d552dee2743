package trail_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"gatehouse/admin/admintest"
	"gatehouse/admin/rest"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/events"
)

// Who follows the events on one node hears of the others' within about a second;
// and no more, at once, when the login is ended on another node.
func TestFollowersHearOfAllNodes(t *testing.T) {
	for name, n := range map[string]protocoltest.Nodes{
		"memory": {Count: 2}, "redis": {Count: 2, Store: protocoltest.Redis(t)},
	} {
		t.Run(name, func(t *testing.T) {
			nodes := admintest.Several(t, n)
			here, there := nodes[0], nodes[1]
			root := there.Admin("root")
			server := httptest.NewTLSServer(here.Web)
			t.Cleanup(server.Close)
			ctx, leave := context.WithTimeout(t.Context(), 30*time.Second)
			defer leave()
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+rest.Prefix+"/events/live?path=/a", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.AddCookie(root.Cookie)
			resp, err := server.Client().Do(r)
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatal(resp, err)
			}
			t.Cleanup(func() { _ = resp.Body.Close() })
			lines := bufio.NewScanner(resp.Body)
			lines.Scan() // it follows
			for _, at := range []*admintest.Site{there, here, there} {
				if err := at.Events.Record(t.Context(), events.Event{Kind: events.Upload, Outcome: events.OK, Path: "/a/file"}); err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				for lines.Scan() && !strings.HasPrefix(lines.Text(), "data: ") {
				}
				if !strings.Contains(lines.Text(), `"/a/file"`) {
					t.Fatalf("got %q, %v", lines.Text(), lines.Err())
				}
				if took := time.Since(began); took > 10*time.Second { // a busy machine; half a second on another
					t.Errorf("it took %v", took)
				}
			}
			root.Must(200, "POST", "/logout", "")
			for lines.Scan() {
			}
			if err := ctx.Err(); err != nil {
				t.Errorf("the stream goes on after the logout: %v", err)
			}
		})
	}
}
