package usage_test

import (
	"testing"

	"gatehouse/admin/admintest"
)

// The quota of a home is a setting of its account: one that was set on the folder
// must not be undone at the next start.
func TestTheQuotaOfAHomeIsItsAccounts(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	s.Add("ann")
	s.Mkdir("/crew")
	c.Must(200, "PUT", "/quotas", `{"path":"/home/ann","limit_bytes":1000}`)
	if v := c.Must(200, "GET", "/accounts/ann", ""); v["quota"].(map[string]any)["limit_bytes"] != 1000.0 {
		t.Errorf("the account says %v", v["quota"])
	}
	c.Must(200, "PATCH", "/accounts/ann", `{"quota":null}`)
	if v := c.Must(200, "GET", "/quotas/at?path=/home/ann", ""); v["limit_bytes"] != nil {
		t.Errorf("the folder says %v", v)
	}
	c.Must(201, "POST", "/groups", `{"name":"crew","folder":"/crew"}`)
	c.Must(200, "PUT", "/quotas", `{"path":"/crew","limit_bytes":2000}`)
	if v := c.Must(200, "GET", "/groups/crew", ""); v["folder_quota"].(map[string]any)["limit_bytes"] != 2000.0 {
		t.Errorf("the group says %v", v["folder_quota"])
	}
	c.Must(200, "POST", "/accounts/ann/usage/rescan", "")
}

func TestUseOfAFolderWithoutQuota(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	ann := s.Add("ann")
	s.Write(ann.Home.String()+"/f", "12345")
	u := c.Must(200, "GET", "/accounts/ann/usage", "")
	if u["used_bytes"] != 5.0 || u["used_files"] != 1.0 || u["limit_bytes"] != nil {
		t.Errorf("the use is %v", u)
	}
}
