package usage_test

import (
	"fmt"
	"strings"
	"testing"

	"gatehouse/admin/admintest"
)

// A quota on a file would bound nothing, one on a folder that is not there may be a
// misspelling: the one is refused, the other told. Both can be taken away.
func TestAQuotaIsOfAFolder(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Mkdir("/crew")
	s.Write("/crew/f", "x")
	if w := c.Do("PUT", "/quotas", `{"path":"/crew/f","limit_bytes":1000}`); w.Code != 422 || !strings.Contains(w.Body.String(), "is a file") {
		t.Errorf("a file: %d %s", w.Code, w.Body)
	}
	for path, warned := range map[string]bool{"/crew": false, "/crwe": true, "/crew/f/g": true} {
		v := c.Must(200, "PUT", "/quotas", `{"path":"`+path+`","limit_bytes":1000}`)
		if got := strings.Contains(fmt.Sprint(v["warnings"]), "there is no folder "+path); got != warned {
			t.Errorf("%s: %v", path, v["warnings"])
		}
		if v := c.Must(200, "PUT", "/quotas", `{"path":"`+path+`"}`); v["warnings"] != nil || v["limit_bytes"] != nil {
			t.Errorf("%s, taken away: %v", path, v)
		}
	}
	c.Must(200, "PUT", "/quotas", `{"path":"/crew/f"}`)
}

func TestAQuotaIsFoundInTheTrailByItsFolder(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Mkdir("/crew")
	c.Must(200, "PUT", "/quotas", `{"path":"/crew","limit_bytes":1000}`)
	c.Must(200, "POST", "/quotas/rescan", `{"path":"/crew"}`)
	for _, kind := range []string{"quota.set", "quota.rescan"} {
		if found := c.Do("GET", "/events?path=/crew&kind="+kind, "").Body.String(); !strings.Contains(found, `"path":"/crew"`) {
			t.Errorf("%s: %s", kind, found)
		}
	}
}
