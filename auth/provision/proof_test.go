package provision

import (
	"errors"
	"testing"

	"gatehouse/auth/authtest"
	"gatehouse/storage/accounts"
)

// An account that takes the name of a deleted one in the middle of a change must
// not get the password that was meant for the other.
func TestAPasswordIsNotForWhoTookTheName(t *testing.T) {
	w := newWorld(t)
	gone := w.make("alice", nil)
	made, err := w.Auth.NewPassword(t.Context(), gone, "battery staple")
	w.Must(err)
	w.Must(w.Delete(t.Context(), "alice", 0, "delete", accounts.Guarded))
	w.make("alice", nil)
	if _, err := w.setPassword(t.Context(), gone, 0, made); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("got %v", err)
	}
	s, err := w.door.Login(t.Context(), authtest.SFTP("alice"))
	w.Must(err)
	s.Close()
}

// Whoever has stolen a password, or the second factor, is out before the
// administrator who takes it away is answered.
func TestWhatAnAdministratorTakesAwayIsOutAtOnce(t *testing.T) {
	w := newWorld(t)
	w.make("alice", nil)
	old, err := w.door.Login(t.Context(), authtest.SFTP("alice"))
	w.Must(err)
	_, err = w.SetPassword(t.Context(), "alice", 0, "battery staple", true)
	w.Must(err)
	if old.Context().Err() == nil {
		t.Error("the session of the old password is open after SetPassword has returned")
	}
	a, err := w.Accounts.Account(t.Context(), "alice")
	w.Must(err)
	if !a.Password.MustChange {
		t.Error("the new password need not be changed")
	}
}
