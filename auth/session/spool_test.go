package session

import (
	"errors"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
	"gatehouse/storage/events"
)

// spooling runs a test with a node whose events are kept on its machine while its store
// is away, at a site that insists on its trail, once prepare has run.
func spooling(t *testing.T, test func(t *testing.T, w *world)) {
	t.Helper()
	spool := filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		w := open(t, authtest.Config{Node: "node1", Shares: true, Spool: spool}, func(c *Config) { c.AwayReads = true })
		w.Add("ann", nil)
		authtest.After(authtest.Lease)
		test(t, w)
	})
}

// Where its login is durable on this machine a reader comes in, though the site insists
// on its trail, and though nobody else hears of it: it is there when the store is back.
func TestReadersComeInWithTheLogOnThisMachine(t *testing.T) {
	spooling(t, func(t *testing.T, w *world) {
		w.kill()
		authtest.After(2 * authtest.Lease)
		began := time.Now()
		s := w.login(authtest.SFTP("ann"))
		if took := time.Since(began); took > time.Second {
			t.Errorf("it took %v", took)
		}
		if writes(s) {
			t.Error("it may write")
		}
		w.Store.Heal()
		authtest.After(5 * time.Second)
		if logins := w.EventsOf(events.Login); len(logins) != 1 || !logins[0].Time.Equal(began) {
			t.Errorf("the trail has %+v", logins)
		}
		if !writes(s) {
			t.Error("it may not write though the store is back")
		}
	})
}

// Nobody comes in with all its rights while the log is on this machine alone, though the
// node holds what it has; who is in goes on.
func TestNobodyComesInByTheLogOnThisMachine(t *testing.T) {
	for on, refused := range map[string]bool{policy.AuditRefuse: true, policy.AuditContinue: false} {
		spooling(t, func(t *testing.T, w *world) {
			w.ChangeSite(func(s *accounts.Site) { s.Audit.OnFailure = on })
			s := w.login(authtest.SFTP("ann"))
			w.Store.RefuseEvents()
			for range 2 { // it is found out with the first
				if _, err := w.Login(t.Context(), authtest.SFTP("ann")); errors.Is(err, ErrUnrecorded) != refused {
					t.Errorf("%s: %v", on, err)
				}
			}
			authtest.After(3 * time.Second)
			p, err := path.Parse("/made")
			w.Must(err)
			w.Must(s.FS().Mkdir(t.Context(), p, 0o750))
			w.Store.Heal()
			authtest.After(3 * time.Second)
			if n := len(w.EventsOf(events.Mkdir)); n != 1 {
				t.Errorf("%s: %d events of a folder that was made", on, n)
			}
			w.login(authtest.SFTP("ann"))
		})
	}
}
