package session

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"gatehouse/storage/accounts"
)

// A node that is late with the home of a deleted account must not take the new
// account's files, which another node put there meanwhile.
func TestLateNodeLeavesTheNewHomeAlone(t *testing.T) {
	all := newNodes(t, 3)
	for range 30 {
		all[0].add("ann", nil)
		for _, w := range all {
			w.must(w.accounts.CatchUpAll(t.Context()))
		}
		_, err := all[0].remove(t.Context(), "ann", 0, accounts.DeleteFiles, accounts.Guarded)
		all[0].must(err)
		all[1].must(all[1].accounts.CatchUpAll(t.Context()))
		var late sync.WaitGroup
		for _, w := range all {
			late.Go(w.finishAll)
		}
		made := all[1].add("ann", nil)
		file := filepath.Join(all[1].dir, made.Home.String(), "new")
		all[1].must(os.WriteFile(file, []byte("mine"), 0o600))
		late.Wait()
		all[2].finishAll()
		if _, err := os.Stat(file); err != nil {
			t.Fatalf("the new account's file is gone: %v", err)
		}
		all[1].must(all[1].DeleteAccount(t.Context(), "ann", 0, "delete", accounts.Guarded))
		for _, w := range all {
			w.must(w.accounts.CatchUpAll(t.Context()))
		}
	}
}

// The node that works on homes has died: another goes on once that is sure.
func TestHomeOfTheDeletedOutlivesANode(t *testing.T) {
	bubble(t, 2, func(t *testing.T, all []*world) {
		a := addKnown(t, all, "ann", nil)
		after(lease)
		left, err := all[0].remove(t.Context(), "ann", 0, accounts.DeleteFiles, accounts.Guarded)
		all[0].must(err)
		all[0].store.failAfter(1) // it takes the work on, and no more
		if err := all[0].finish(t.Context(), left); !errors.Is(err, errAway) {
			t.Fatalf("got %v", err)
		}
		after(20 * lease)
		if _, err := os.Stat(filepath.Join(all[1].dir, a.Home.String())); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the home is still there: %v", err)
		}
		if list, err := all[1].accounts.Leavings(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("got %v, %v", list, err)
		}
		all[0].store.heal()
		after(lease)
	})
}
