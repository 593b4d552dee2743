package local

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"gatehouse/policy/path"
)

// On a file system that several machines have mounted, a name may lead for a moment to
// what another one has removed (ESTALE): it is asked for again, and not for ever.
func TestStaleNamesAreAskedForAgain(t *testing.T) {
	b, _ := temporary(t)
	for _, stale := range []int{0, 1, 5} {
		calls := 0
		do := func() error {
			if calls++; calls <= stale {
				return unix.ESTALE
			}
			return nil
		}
		if err := again(do); err != nil || calls != stale+1 {
			t.Errorf("again: %d times stale: %v after %d calls", stale, err, calls)
		}
		calls = 0
		if err := b.anew(t.Context(), do, path.MustParse("/d/f")); err != nil || calls != stale+1 {
			t.Errorf("anew: %d times stale: %v after %d calls", stale, err, calls)
		}
	}
	calls := 0
	gone := func() error { calls++; return pathError("stat", path.Root, unix.ESTALE) }
	if err := b.anew(t.Context(), gone, path.Root); !errors.Is(err, unix.ESTALE) || calls != attempts {
		t.Errorf("a mount that is gone: %v after %d calls", err, calls)
	}
}
