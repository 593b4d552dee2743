package locks_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"gatehouse/storage/locks"
	"gatehouse/storage/state/memory"
)

// A client refreshes or releases its lock after that has run out, over the node which
// knew it: the lock is gone, whatever the node remembers. Made anew that way it would hold
// what others may have changed meanwhile.
func TestTooLateALockIsGone(t *testing.T) {
	for name, late := range map[string]func(t *testing.T, table *locks.Table, token string) error{
		"refreshed": func(t *testing.T, table *locks.Table, token string) error {
			_, err := table.Refresh(t.Context(), p("/a"), "1", token, time.Hour)
			return err
		},
		"released": func(t *testing.T, table *locks.Table, token string) error {
			return table.Unlock(t.Context(), p("/a"), "1", token)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				table := locks.New(memory.New(), one)
				l := lock(t, table, locks.Request{Path: p("/a"), AccountID: "1", Timeout: time.Minute})
				time.Sleep(2 * time.Minute)
				if err := late(t, table, l.Token); !errors.Is(err, locks.ErrNoLock) {
					t.Errorf("got %v", err)
				}
				lock(t, table, locks.Request{Path: p("/a"), AccountID: "2"})
			})
		})
	}
}
