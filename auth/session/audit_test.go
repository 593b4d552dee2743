package session

import (
	"errors"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/auth/authtest"
	"gatehouse/policy"
	"gatehouse/policy/path"
	"gatehouse/storage/accounts"
)

// The disk of the log is full: what would leave no trace is not done, unless the
// site says that work goes on without one; and it goes on when there is room.
func TestFileOperationsWithoutTheLog(t *testing.T) {
	for on, refused := range map[string]bool{policy.AuditRefuse: true, policy.AuditContinue: false} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.Add("alice", nil)
			w.ChangeSite(func(s *accounts.Site) { s.Audit.OnFailure = on })
			s := w.login(authtest.SFTP("alice"))
			mkdir := func(name string) error {
				p, err := path.Parse("/" + name)
				w.Must(err)
				return s.FS().Mkdir(t.Context(), p, 0o750)
			}
			w.Must(mkdir("before"))
			w.Store.RefuseEvents()
			w.Must(mkdir("as the disk fills"))
			time.Sleep(3 * time.Second)
			if err := mkdir("full"); errors.Is(err, fs.ErrPermission) != refused {
				t.Errorf("%s: with the log full: %v", on, err)
			}
			w.Store.Heal()
			time.Sleep(3 * time.Second)
			w.Must(mkdir("after"))
			s.Close()
			synctest.Wait()
		})
	}
}
