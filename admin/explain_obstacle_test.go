package admin_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gatehouse/admin/admintest"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/locks"
)

// A folder is not renamed while something in it is locked: which file that is, and
// how long it lasts, is told to who has to find it.
func TestExplainNamesWhatIsLocked(t *testing.T) {
	s := admintest.New(t)
	ann := s.Add("ann")
	s.Write("/home/ann/d/e/f", "x")
	l, err := s.Locks.Lock(t.Context(), locks.Request{Path: path.MustParse("/home/ann/d/e/f"), AccountID: ann.ID, Account: "ann", Door: "webdav"})
	if err != nil {
		t.Fatal(err)
	}
	for _, asked := range []string{`"rename","path":"/d","to":"/g"`, `"delete","path":"/d"`, `"write","path":"/d/e/f"`} {
		a := s.Root().Must(200, "POST", "/explain", `{"account":"ann","door":"sftp","operation":`+asked+`}`)
		lock, _ := a["lock"].(map[string]any)
		if a["locked_by"] != "ann" || lock["path"] != "/home/ann/d/e/f" || lock["expires"] != l.Expires.Format(time.RFC3339Nano) {
			t.Errorf("%s: %v, %v", asked, a["locked_by"], lock)
		}
	}
}

// Which quota is full, of what, and how much it holds: in the tree's paths for who
// sees all of it, else in the account's.
func TestExplainSaysWhatOfAQuotaIsFull(t *testing.T) {
	o := admintest.NewOffice(t)
	ask := func(c *admintest.Client) string {
		a := c.Must(200, "POST", "/explain", `{"account":"ann","door":"sftp","operation":"write","path":"/new","size":9}`)
		return fmt.Sprint(a["obstacle"])
	}
	o.Write("/home/ann/old", "1234")
	held := o.Root().Must(200, "GET", "/accounts/ann/usage", "")
	bytes, files := int64(held["used_bytes"].(float64)), int64(held["used_files"].(float64))
	for name, limit := range map[string]struct {
		bytes, files int64
		says         string
	}{
		"files": {-1, files, fmt.Sprintf("%d of %d files", files, files)},
		"bytes": {bytes + 8, -1, fmt.Sprintf("%d of %d bytes", bytes, bytes+8)},
		"both":  {bytes + 900, files, fmt.Sprintf("%d of %d bytes, %d of %d files", bytes, bytes+900, files, files)},
	} {
		o.SetQuota("/home/ann", limit.bytes, limit.files)
		if _, err := o.Quotas.Rescan(t.Context(), path.MustParse("/home/ann")); err != nil {
			t.Fatal(err)
		}
		if got := ask(o.Root()); got != "quota of /home/ann exceeded: "+limit.says {
			t.Errorf("%s: an administrator hears %q", name, got)
		}
		if got := ask(o.Delegate); got != "quota of / exceeded: "+limit.says {
			t.Errorf("%s: who sees what the account sees hears %q", name, got)
		}
	}
}

// A shared folder's name in the root is the grant's: changing the home helps nobody.
func TestExplainSaysHowASharedFolderIsNamed(t *testing.T) {
	s := admintest.New(t)
	s.Add("ann")
	s.Mkdir("/shared")
	s.Mkdir("/shared/in")
	s.Grant("ann", "/shared", policy.Full, "crew")
	for asked, shared := range map[string]bool{
		`"rename","path":"/crew","to":"/crew3"`: true,
		`"delete","path":"/crew"`:               true,
		`"delete","path":"/"`:                   false,
	} {
		a := s.Root().Must(200, "POST", "/explain", `{"account":"ann","door":"sftp","operation":`+asked+`}`)
		if got := strings.Contains(fmt.Sprint(a["remedy"]), "--at"); a["rule"] != "home" || got != shared {
			t.Errorf("%s: %v, remedy %v", asked, a["rule"], a["remedy"])
		}
	}
}

// What is not there is named: the uppermost folder that is missing, or what was to
// be read.
func TestExplainNamesWhatIsMissing(t *testing.T) {
	s := admintest.New(t)
	s.Add("ann")
	s.Write("/home/ann/f", "x")
	s.Mkdir("/home/ann/d")
	for asked, want := range map[string]string{
		`"write","path":"/nope/x"`:                 "there is no folder /nope",
		`"create","path":"/d/nope/deeper/x"`:       "there is no folder /d/nope",
		`"read","path":"/nope"`:                    "there is nothing at /nope",
		`"rename","path":"/none","to":"/x"`:        "there is nothing at /none",
		`"rename","path":"/f","to":"/d/nope/f"`:    "there is no folder /d/nope",
		`"copy","path":"/f","to":"/d/nope/more/f"`: "there is no folder /d/nope",
	} {
		a := s.Root().Must(200, "POST", "/explain", `{"account":"ann","door":"sftp","operation":`+asked+`}`)
		if a["obstacle"] != want {
			t.Errorf("%s: %v, want %q", asked, a["obstacle"], want)
		}
	}
}
