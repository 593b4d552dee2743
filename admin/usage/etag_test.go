package usage_test

import (
	"net/http"
	"testing"

	"gatehouse/admin/admintest"
)

// Of two who set a quota after the same look the second hears of the first.
func TestNoUpdateOfAQuotaIsLost(t *testing.T) {
	s := admintest.New(t)
	root := s.Root()
	tag := func() string { return root.Do(http.MethodGet, "/quotas/at?path=/shared", "").Header().Get("ETag") }
	free := tag()
	root.Header = http.Header{"If-Match": {free}}
	set := root.Do(http.MethodPut, "/quotas", `{"path":"/shared","limit_bytes":100}`)
	if set.Code != 200 || set.Header().Get("ETag") == free || set.Header().Get("ETag") != tag() {
		t.Fatalf("got %d %v", set.Code, set.Header())
	}
	root.Must(412, http.MethodPut, "/quotas", `{"path":"/shared","limit_bytes":200}`)
	root.Header = http.Header{"If-Match": {`"nonsense"`}}
	root.Must(412, http.MethodPut, "/quotas", `{"path":"/shared","limit_bytes":200}`)
	root.Header = nil
	if v := root.List("/quotas"); len(v) != 1 || v[0]["etag"] != set.Header().Get("ETag") || v[0]["limit_bytes"] != 100.0 {
		t.Errorf("the list is %v", v)
	}
	root.Must(200, http.MethodPut, "/quotas", `{"path":"/shared","limit_bytes":300}`)
}
