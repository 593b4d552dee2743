package admin_test

import (
	"testing"

	"gatehouse/admin/admintest"
)

// A delegate asks about an account of theirs and somebody else's files: there or
// not, the answer is the same.
func TestADelegateReadsNoTreeByAsking(t *testing.T) {
	o := admintest.NewOffice(t)
	zoe := o.Zoe.Home.String()
	o.Write(zoe+"/there", "x")
	ask := func(c *admintest.Client, name string) map[string]any {
		return c.Must(200, "POST", "/explain", `{"account":"ann","door":"api","operation":"copy","path":"`+zoe+name+`","to":"/x"}`)
	}
	there, missing := ask(o.Delegate, "/there"), ask(o.Delegate, "/none")
	if there["because"] != missing["because"] || there["obstacle"] != missing["obstacle"] || there["rule"] != missing["rule"] {
		t.Errorf("there: %v\nmissing: %v", there, missing)
	}
}
