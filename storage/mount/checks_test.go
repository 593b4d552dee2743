package mount_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"
)

// Asking for no entries is a mistake of the caller, not the end of the folder.
func TestNextOfNothing(t *testing.T) {
	tree, _, _, _ := three(t)
	for _, p := range []string{"/", "/far", "/m"} {
		d, err := tree.List(t.Context(), at(p))
		must(t, err)
		for _, n := range []int{0, -1} {
			if _, err := d.Next(n); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s: Next(%d): %v", p, n, err)
			}
		}
		must(t, d.Close())
	}
}

// A folder on the way to a mount point is a folder, whatever stands in its
// place on disk.
func TestWayIsNoLink(t *testing.T) {
	tree, root, _, _ := three(t)
	must(t, os.Symlink("/etc", root+"/far"))
	if got, err := tree.Readlink(t.Context(), at("/far")); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("it leads to %q, %v", got, err)
	}
}
