package guard_test

import (
	"slices"
	"sync"
	"testing"

	"gatehouse/policy/guard"
)

// Many make, replace, break off and remove one name at once, through sessions of
// their own: the quota is what stands there in the end, and nobody who was told that
// an upload is whole finds half of one.
func TestManyMakeOneName(t *testing.T) {
	w := newWorld(t)
	w.folder("/home/ann")
	w.limit("/home/ann", 64, 8)
	whole := guard.Open{Write: true, Create: true, Truncate: true, Atomic: true}
	var wg sync.WaitGroup
	for _, how := range []guard.Open{newFile, whole, tentative, {Write: true, Create: true, Exclusive: true, Tentative: true}} {
		u := w.user("ann")
		for _, broken := range []bool{false, true} {
			wg.Go(func() {
				for range 60 {
					f, err := u.Open(t.Context(), tp("/f"), how)
					if err != nil {
						continue
					}
					if broken {
						f.Abort(errBrokeOff)
					} else {
						_, _ = f.WriteAt([]byte("content"), 0)
					}
					_ = f.Close()
				}
			})
		}
		wg.Go(func() {
			for range 60 {
				_ = u.Remove(t.Context(), tp("/f"))
			}
		})
	}
	wg.Wait()
	w.checkQuota("/home/ann")
	if w.exists("/home/ann/f") && !slices.Contains([]string{"", "content"}, w.content("/home/ann/f")) {
		t.Errorf("%q stands there", w.content("/home/ann/f"))
	}
	if left := w.staged(); len(left) > 0 {
		t.Errorf("staged: %v", left)
	}
}
