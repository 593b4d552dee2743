package mount_test

import (
	"testing"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/backend/backendtest"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/mount"
)

// Folders that are only shown, on the way to a mount point, are made where they
// are first used, and outlast a loss of power from then on.
func TestShownFoldersLast(t *testing.T) {
	for sync, lasts := range map[string]bool{mount.SyncNone: false, mount.SyncClose: true} {
		var mounts []mount.Mount
		for _, at := range []string{"/", "/a/b/far"} {
			b, err := local.Open(t.TempDir(), local.Options{})
			if err != nil {
				t.Fatal(err)
			}
			power, err := backendtest.NewPower(b)
			if err != nil {
				t.Fatal(err)
			}
			mounts = append(mounts, mount.Mount{Path: path.MustParse(at), Backend: power, Sync: sync})
		}
		table, err := mount.New(mounts...)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := table.Close(); err != nil {
				t.Error(err)
			}
		})
		f, err := table.Open(t.Context(), path.MustParse("/a/b/f"), backend.How{Write: true, Create: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		left := mounts[0].Backend.(*backendtest.Power).Least()
		if !left["/a/b"].Mode.IsDir() == lasts {
			t.Errorf("sync %q: what is left is %v", sync, left)
		}
	}
}
