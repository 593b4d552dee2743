package accounts

import (
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/state/memory"
)

// The sessions of addresses are counted for as long as anybody's limits bound them.
func TestLimitsOfAddressesAreKnown(t *testing.T) {
	s := open(t, memory.New())
	want := func(when string, want bool) {
		t.Helper()
		if got := s.LimitsAddresses(); got != want {
			t.Errorf("%s: got %v, want %v", when, got, want)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	limits := policy.Limits{AddressSession: 2}
	want("at first", false)
	for _, name := range []string{"ann", "bob"} {
		_, err := s.Create(t.Context(), Account{Account: policy.Account{Name: name, Limits: limits}})
		must(err)
	}
	want("two accounts", true)
	_, err := s.Update(t.Context(), "ann", 0, func(a *Account) error { a.Limits.AddressSession = 0; return nil }, Guarded)
	must(err)
	want("one account", true)
	_, err = s.Delete(t.Context(), "bob", 0, Guarded)
	must(err)
	want("no account", false)
	_, err = s.CreateGroup(t.Context(), Group{Group: policy.Group{Name: "team", Limits: limits}})
	must(err)
	want("a group", true)
	must(s.DeleteGroup(t.Context(), "team", 0, Guarded))
	want("no group", false)
	_, err = s.UpdateSite(t.Context(), 0, func(site *Site) error { site.Limits = limits; return nil }, Guarded)
	must(err)
	want("the site", true)
}
