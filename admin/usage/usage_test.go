package usage_test

import (
	"fmt"
	"io"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gatehouse/admin/admintest"
	"gatehouse/auth"
	"gatehouse/auth/session"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/state"
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

// What was moved of a day and month shows to administrators and to the account,
// and is null where it is unlimited; explain tells when it is spent.
func TestWhatIsMovedShows(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	ann := s.Add("ann")
	s.Write(ann.Home.String()+"/f", strings.Repeat("x", 1000))
	if u := c.Must(200, "GET", "/accounts/ann/usage", ""); u["day"] != nil || u["month"] != nil {
		t.Errorf("without limits: %v", u)
	}
	c.Must(200, "PATCH", "/accounts/ann", `{"limits":{"bytes_per_day":1000}}`)
	explain := `{"account":"ann","door":"sftp","operation":"read","path":"/f"}`
	if x := c.Must(200, "POST", "/explain", explain); x["obstacle"] != nil {
		t.Errorf("before anything was moved: %v", x["obstacle"])
	}
	me := s.LoggedIn(ann)
	f := open(t, s, ann, session.Open{Read: true})
	if _, err := f.CopyTo(io.Discard, 0, -1); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	for who, u := range map[string]map[string]any{
		"the administrator": c.Must(200, "GET", "/accounts/ann/usage", ""),
		"the account":       me.Must(200, "GET", "/me/usage", ""),
	} {
		day, ok := u["day"].(map[string]any)
		if !ok || day["limit_bytes"] != 1000.0 || day["used_bytes"] != 1000.0 || u["month"] != nil {
			t.Errorf("%s: %v, %v", who, u["day"], u["month"])
		}
		if until, err := time.Parse(time.RFC3339, fmt.Sprint(day["until"])); err != nil || time.Until(until) <= 0 || time.Until(until) > 25*time.Hour {
			t.Errorf("%s: anew at %v, %v", who, day["until"], err)
		}
	}
	for operation, spent := range map[string]bool{"read": true, "write": true, "create": true, "stat": false, "delete": false} {
		question := strings.Replace(explain, "read", operation, 1)
		if operation == "create" {
			question = strings.Replace(question, "/f", "/new", 1)
		}
		x := c.Must(200, "POST", "/explain", question)
		if got := strings.HasPrefix(fmt.Sprint(x["obstacle"]), "bytes-per-day: "); got != spent {
			t.Errorf("%s: %v", operation, x["obstacle"])
		}
	}
	c.Must(200, "PATCH", "/accounts/ann", `{"limits":{"bytes_per_day":2000}}`)
	if x := c.Must(200, "POST", "/explain", explain); x["obstacle"] != nil {
		t.Errorf("a raised limit: %v", x["obstacle"])
	}
}

// A deleted account's counters go with it, and one of the same name begins anew.
func TestADeletedAccountsCountersGo(t *testing.T) {
	s := admintest.New(t)
	c := s.Root()
	ann := s.Add("ann")
	c.Must(200, "PATCH", "/accounts/ann", `{"limits":{"bytes_per_day":1000,"bytes_per_month":5000}}`)
	f := open(t, s, ann, session.Open{Write: true, Create: true})
	if _, err := f.WriteAt(make([]byte, 600), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n := counters(t, s); n == 0 {
		t.Error("nothing was counted")
	}
	c.Must(200, "DELETE", "/accounts/ann?files=delete&confirm=ann", "")
	if n := counters(t, s); n != 0 {
		t.Errorf("%d records and counters are left", n)
	}
}

// open opens /f in a session of its own.
func open(t *testing.T, s *admintest.Site, p protocoltest.Person, how session.Open) *session.File {
	t.Helper()
	in, err := s.Sessions.Login(t.Context(), auth.Attempt{
		Account: p.Name, Password: p.Password, Door: policy.SFTP, Transport: policy.SSH, Address: netip.MustParseAddr("127.0.0.1"),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(in.Close)
	f, err := in.FS().Open(t.Context(), path.MustParse("/f"), how)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func counters(t *testing.T, s *admintest.Site) (n int) {
	t.Helper()
	for item, err := range s.State.Dump(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(item.Scope, "traffic/") && item.Kind != state.ItemScope {
			n++
		}
	}
	return n
}
