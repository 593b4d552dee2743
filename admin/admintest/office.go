package admintest

import (
	"testing"

	"gatehouse/policy"
	"gatehouse/protocols/protocoltest"
	"gatehouse/storage/accounts"
)

// Office is a site with a delegate, dora, who manages users and guests and may
// use SFTP, web and API, and with accounts that she manages and does not.
type Office struct {
	*Site
	Dora, ann, Zoe protocoltest.Person
	Delegate       *Client
}

// NewOffice makes the site with its delegate.
func NewOffice(t *testing.T) *Office {
	s := New(t)
	s.Admin("root")
	o := &Office{Site: s}
	s.Mkdir("/shared")
	s.Mkdir("/secret")
	o.Dora = s.Add("dora", func(a *accounts.Account) {
		a.Manage = policy.Manage{Users: true, Guests: true}
		a.Protocols = []policy.Door{policy.SFTP, policy.Web, policy.API}
		a.Limits.Sessions = 5
	})
	s.Grant("dora", "/shared", policy.ReadOnly, "shared")
	managed := func(a *accounts.Account) {
		a.ManagedBy = []string{o.Dora.ID}
		a.Protocols = []policy.Door{policy.SFTP}
		a.Limits.Sessions = 2
	}
	o.ann = s.Add("ann", managed)
	o.Zoe = s.Add("zoe")
	o.Delegate = s.LoggedIn(o.Dora)
	return o
}
