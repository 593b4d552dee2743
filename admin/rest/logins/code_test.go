package logins_test

import (
	"errors"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/admin/admintest"
	"gatehouse/auth"
	"gatehouse/policy"
)

// Who types the code while the page still asks for it must not be told that the password
// was wrong: a login waits for its code exactly as long as its proof does.
func TestALoginWaitsForItsCodeAsLongAsItsProof(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := admintest.New(t)
		p := s.Add("ann")
		s.Enrol("ann")
		a := auth.Attempt{
			Account: "ann", Password: p.Password, Door: policy.AccountPages, Transport: policy.TLS, Address: netip.MustParseAddr("192.0.2.1"),
		}
		_, err := s.Sessions.Login(t.Context(), a)
		needed, ok := errors.AsType[*auth.CodeNeededError](err)
		if !ok {
			t.Fatalf("got %v, want that a code is asked for", err)
		}
		a.Password, a.Proved = "", needed.Proved
		value, err := s.API.Cookies.Wait(t.Context(), a)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Until(needed.Proved.Resumable()))
		kept, ok, err := s.API.Cookies.Waits(t.Context(), value)
		if !ok || err != nil {
			t.Fatalf("it waits no more: %v", err)
		}
		kept.Code = "000000000"
		_, err = s.Sessions.Login(t.Context(), kept)
		if refused, ok := errors.AsType[*auth.RefusedError](err); !ok || refused.Decision.Rule != policy.RuleSecondFactor {
			t.Errorf("a wrong code at the last moment: got %v", err)
		}
		time.Sleep(time.Second)
		if _, ok, err := s.API.Cookies.Waits(t.Context(), value); ok || err != nil {
			t.Errorf("it waits longer than its proof: %v, %v", ok, err)
		}
	})
}
