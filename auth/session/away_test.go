package session

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth"
	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/storage/accounts"
	"gatehouse/storage/nodes"
)

// cutOff runs a test with a node that admits readers, and that is cut off from its
// store once prepare has run.
func cutOff(t *testing.T, prepare func(w *world), test func(t *testing.T, w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := open(t, authtest.Config{Node: "node1", Shares: true}, func(c *Config) { c.AwayReads = true })
		w.Add("ann", nil)
		w.ChangeSite(func(s *accounts.Site) { s.Audit.OnFailure = policy.AuditContinue })
		prepare(w)
		authtest.After(authtest.Lease)
		w.kill()
		authtest.After(2 * authtest.Lease)
		test(t, w)
		w.Store.Heal()
		authtest.After(2 * time.Second)
	})
}

func writes(s *Session) bool {
	return s.Effective().DecideTree(policy.OpCreate, s.Effective().Account().Home).Allowed
}

func TestReadersComeInWhileTheStoreIsAway(t *testing.T) {
	cutOff(t, func(*world) {}, func(t *testing.T, w *world) {
		s := w.login(authtest.SFTP("ann"))
		r, done, err := w.Request(t.Context(), authtest.WebDAV("ann"))
		w.Must(err)
		done()
		for _, one := range []*Session{s, r} {
			if writes(one) {
				t.Error("it may write")
			}
			if !one.Effective().DecideTree(policy.OpList, one.Effective().Account().Home).Allowed {
				t.Error("it may not even read")
			}
			w.judge(one)
			if writes(one) {
				t.Error("it may write once it was judged anew")
			}
		}
		w.Store.Heal()
		authtest.After(2 * time.Second)
		if !writes(s) || !writes(r) || s.Context().Err() != nil {
			t.Error("it may not write though the store is back")
		}
	})
}

// Who came in by the last known accounts must not write by them, once the store is
// back: what was changed meanwhile counts, also where that is heard of late.
func TestReadersWriteByWhatHoldsByThen(t *testing.T) {
	cutOff(t, func(*world) {}, func(t *testing.T, w *world) {
		s := w.login(authtest.SFTP("ann"))
		heard := w.Store.Silence()
		other, err := accounts.Open(t.Context(), w.Memory)
		w.Must(err)
		other.Share()
		_, err = other.Update(t.Context(), "ann", 0, func(a *accounts.Account) error {
			a.Status.Disabled = true
			return nil
		}, accounts.Guarded)
		w.Must(err)
		w.Must(other.Close(t.Context()))
		w.Store.Heal()
		authtest.After(authtest.Lease)
		if writes(s) || s.Context().Err() != nil {
			t.Error("it writes, or was cut, before the node has heard of the change")
		}
		close(heard)
		authtest.After(2 * time.Second)
		if rule := waitCut(t, s); rule != policy.RuleStatus {
			t.Errorf("cut by %s", rule)
		}
	})
}

// Whatever would have to be asked of the store, or be counted there, lets nobody in.
func TestWhoDoesNotComeInWhileTheStoreIsAway(t *testing.T) {
	nothing := func(*world) {}
	public, key := authtest.NewKey(t, 1)
	byKey := authtest.SFTP("ann")
	byKey.Password, byKey.Key = "", public
	tests := []struct {
		name    string
		prepare func(w *world)
		attempt auth.Attempt
	}{
		{"a limit", func(w *world) { w.Change("ann", func(a *accounts.Account) { a.Limits.Sessions = 9 }) }, authtest.SFTP("ann")},
		{"a limit of the site", func(w *world) { w.ChangeSite(func(s *accounts.Site) { s.MaxSessions = 9 }) }, authtest.SFTP("ann")},
		{"a second factor", func(w *world) {
			w.Change("ann", func(a *accounts.Account) { a.Keys = []accounts.Key{key} })
			_, _, s := w.enrol("ann")
			s.Close()
		}, byKey},
		{"the log is insisted on", func(w *world) {
			w.ChangeSite(func(s *accounts.Site) { s.Audit.OnFailure = policy.AuditRefuse })
		}, authtest.SFTP("ann")},
		{"administration", nothing, authtest.API("ann")},
		{"a wrong password", nothing, wrongPassword()},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			cutOff(t, test.prepare, func(t *testing.T, w *world) {
				s, err := w.Login(t.Context(), test.attempt)
				if err == nil {
					t.Fatalf("%s came in", s.Account())
				}
				if n := len(w.List()); n != 0 {
					t.Errorf("%d sessions", n)
				}
			})
		})
	}
}

func wrongPassword() auth.Attempt {
	a := authtest.SFTP("ann")
	a.Password = "wrong"
	return a
}

// Nobody may guess on without end while failures cannot be counted.
func TestGuessingEndsWhileTheStoreIsAway(t *testing.T) {
	cutOff(t, func(*world) {}, func(t *testing.T, w *world) {
		for range awayFailures {
			if _, err := w.Login(t.Context(), wrongPassword()); err == nil {
				t.Fatal("a wrong password came in")
			}
		}
		if _, err := w.Login(t.Context(), authtest.SFTP("ann")); !errors.Is(err, nodes.ErrNotHeld) {
			t.Errorf("got %v for the right one", err)
		}
		if _, _, err := w.Request(t.Context(), authtest.WebDAV("ann")); !errors.Is(err, nodes.ErrNotHeld) {
			t.Errorf("got %v for the right one", err)
		}
		w.Store.Heal()
		authtest.After(2 * time.Second)
		w.login(authtest.SFTP("ann"))
	})
}
