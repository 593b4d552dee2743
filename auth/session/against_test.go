package session

import (
	"errors"
	"net/netip"
	"testing"

	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

func TestSituation(t *testing.T) {
	w := newWorld(t)
	a := w.add("alice", nil)
	s := w.login(sftp("alice"))
	defer s.Close()
	banned, locked, counts, err := w.Situation(t.Context(), a, netip.MustParseAddr("::ffff:198.51.100.7"))
	if err != nil || banned || locked || counts != (policy.Sessions{Account: 1, Address: 1, All: 1}) {
		t.Errorf("got %v %v %+v %v", banned, locked, counts, err)
	}
}

// Who lifts bans and lockouts sees names, and none of an account that is gone.
func TestLockoutsHaveNames(t *testing.T) {
	w := newWorld(t)
	w.changeSite(func(s *accounts.Site) { s.Lockout.Failures = 1 })
	alice, bob := w.add("alice", nil), w.add("bob", nil)
	for _, name := range []string{"alice", "bob"} {
		wrong := sftp(name)
		wrong.Password = "guess"
		w.refusedBy(wrong)
	}
	list, next, err := w.Lockouts(t.Context(), "", 0)
	if err != nil || len(list) != 2 || next != "" {
		t.Fatalf("got %v, then %q, %v, want alice and bob", list, next, err)
	}
	w.must(w.DeleteAccount(t.Context(), "bob", 0, "delete", accounts.Guarded))
	list, _, err = w.Lockouts(t.Context(), "", 0)
	if err != nil || len(list) != 1 || list[0].Account != "alice" || list[0].AccountID != alice.ID || list[0].Until.IsZero() {
		t.Errorf("got %+v %v, want alice's alone", list, err)
	}
	if l, err := w.Lockout(t.Context(), alice.ID); err != nil || l != list[0] {
		t.Errorf("got %+v %v, want the same as in the list", l, err)
	}
	if _, err := w.Lockout(t.Context(), bob.ID); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("got %v, want that there is no such account", err)
	}
	w.must(w.Unlock(t.Context(), "alice"))
	if list, _, err := w.Lockouts(t.Context(), "", 0); err != nil || len(list) != 0 {
		t.Errorf("got %+v %v after the unlock, want none", list, err)
	}
}
