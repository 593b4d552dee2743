package provision

import (
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
)

// Who is in is not inactive, however long ago the login was; who is not is
// disabled within the hour, and an administrator never.
func TestInactiveAccountsAreDisabled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.make("alice", nil)
		w.make("bob", nil)
		w.make("root", func(a *accounts.Account) { a.Role = policy.RoleAdmin })
		w.ChangeSite(func(s *accounts.Site) { s.Inactive = 2 })
		s, err := w.door.Login(t.Context(), authtest.SFTP("alice"))
		w.Must(err)
		disabled := func(name string) bool {
			a, err := w.Accounts.Account(t.Context(), name)
			w.Must(err)
			return a.Status.Disabled
		}
		time.Sleep(46 * time.Hour)
		synctest.Wait()
		if disabled("bob") {
			t.Error("an account was disabled before its time")
		}
		time.Sleep(4 * time.Hour)
		synctest.Wait()
		if !disabled("bob") || disabled("alice") || disabled("root") {
			t.Errorf("disabled: bob %v, alice %v, root %v", disabled("bob"), disabled("alice"), disabled("root"))
		}
		if s.Context().Err() != nil {
			t.Error("an open session was cut")
		}
		if list := w.EventsOf(kindDisabled); len(list) != 1 || list[0].Account != "bob" || list[0].Actor == "" {
			t.Errorf("got events %+v", list)
		}
		s.Close()
	})
}
