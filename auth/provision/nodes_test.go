package provision

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"

	"gatehouse/auth/authtest"
	"gatehouse/storage/accounts"
)

// A node that is late with the home of a deleted account must not take the new
// account's files, which another node put there meanwhile.
func TestLateNodeLeavesTheNewHomeAlone(t *testing.T) {
	all := newNodes(t, 3)
	for range 30 {
		all[0].make("ann", nil)
		for _, w := range all {
			w.Must(w.Accounts.CatchUpAll(t.Context()))
		}
		_, err := all[0].remove(t.Context(), "ann", 0, accounts.DeleteFiles, accounts.Guarded)
		all[0].Must(err)
		all[1].Must(all[1].Accounts.CatchUpAll(t.Context()))
		var late sync.WaitGroup
		for _, w := range all {
			late.Go(w.finishAll)
		}
		made := all[1].make("ann", nil)
		file := filepath.Join(all[1].Dir, made.Home.String(), "new")
		all[1].Must(os.WriteFile(file, []byte("mine"), 0o600))
		late.Wait()
		all[2].finishAll()
		if _, err := os.Stat(file); err != nil {
			t.Fatalf("the new account's file is gone: %v", err)
		}
		all[1].Must(all[1].Delete(t.Context(), "ann", 0, "delete", accounts.Guarded))
		for _, w := range all {
			w.Must(w.Accounts.CatchUpAll(t.Context()))
		}
	}
}

// The node that works on homes has died: another goes on once that is sure.
func TestHomeOfTheDeletedOutlivesANode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := newNodes(t, 2)
		a := all[0].make("ann", nil)
		all[1].Must(all[1].Accounts.CatchUpAll(t.Context()))
		authtest.After(authtest.Lease)
		left, err := all[0].remove(t.Context(), "ann", 0, accounts.DeleteFiles, accounts.Guarded)
		all[0].Must(err)
		all[0].Store.FailAfter(1) // it takes the work on, and no more
		if err := all[0].finish(t.Context(), left); !errors.Is(err, authtest.ErrAway) {
			t.Fatalf("got %v", err)
		}
		authtest.After(20 * authtest.Lease)
		if _, err := os.Stat(filepath.Join(all[1].Dir, a.Home.String())); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the home is still there: %v", err)
		}
		if list, err := all[1].Accounts.Leavings(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("got %v, %v", list, err)
		}
		all[0].Store.Heal()
		authtest.After(authtest.Lease)
	})
}
