package admin_test

import (
	"testing"

	"gatehouse/admin/admintest"
	"gatehouse/storage/accounts"
)

// A home gives every right on it: one that is there already may be somebody's, and
// is taken by who says so, and is an administrator.
func TestAHomeIsMovedOntoNoFolderUnasked(t *testing.T) {
	s := admintest.New(t)
	s.Mkdir("/carol/private")
	c := s.Root()
	s.Add("bob")
	c.Must(409, "PATCH", "/accounts/bob", `{"home":"/carol"}`)
	c.Must(422, "PATCH", "/accounts/bob", `{"home":"/carrol","adopt_home":true}`)
	c.Must(422, "PATCH", "/accounts/bob", `{"adopt_home":true}`)
	if v := c.Must(200, "PATCH", "/accounts/bob", `{"home":"/carol","adopt_home":true}`); v["home"] != "/carol" {
		t.Errorf("bob is %v", v)
	}
	if v := c.Must(200, "PATCH", "/accounts/bob", `{"home":"/fresh"}`); v["home"] != "/fresh" {
		t.Errorf("bob is %v", v)
	}
	dora := s.Add("dora", func(x *accounts.Account) { x.Manage.Users = true })
	s.Add("max", func(x *accounts.Account) { x.ManagedBy = []string{dora.ID} })
	s.LoggedIn(dora).Must(403, "PATCH", "/accounts/max", `{"home":"/carol","adopt_home":true}`)
}

// Whether there is a group is no delegate's business: the filter answers the same
// for one of strangers and for none.
func TestAFilterTellsNoDelegateWhichGroupsThereAre(t *testing.T) {
	s := admintest.New(t)
	dora := s.Add("dora", func(x *accounts.Account) { x.Manage.Users = true })
	s.Add("max", func(x *accounts.Account) { x.ManagedBy = []string{dora.ID} })
	s.Root().Must(201, "POST", "/groups", `{"name":"strangers"}`)
	c := s.LoggedIn(dora)
	for _, where := range []string{"/accounts?group=", "/accounts?status=enabled&group="} {
		there, none := c.Do("GET", where+"strangers", ""), c.Do("GET", where+"nobodys", "")
		if there.Code != 200 || none.Code != there.Code || none.Body.String() != there.Body.String() {
			t.Errorf("%s: %d %s, and of none %d %s", where, there.Code, there.Body, none.Code, none.Body)
		}
	}
	s.Root().Must(422, "GET", "/accounts?group=nobodys", "")
}
