package mount_test

import (
	"testing"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/backend/backendtest"
	"gatehouse/storage/backend/local"
	"gatehouse/storage/mount"
)

func at(s string) path.Path { return path.MustParse(s) }

func disk(t *testing.T, dir string) backend.Backend {
	t.Helper()
	b, err := local.Open(dir, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func table(t *testing.T, mounts ...mount.Mount) *mount.Table {
	t.Helper()
	table, err := mount.New(mounts...)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestOneMount(t *testing.T) {
	backendtest.Run(t, func(t *testing.T) backend.Backend {
		return table(t, mount.Mount{Backend: disk(t, t.TempDir())})
	})
}

func TestBelowMountPoint(t *testing.T) {
	backendtest.RunBelow(t, at("/far/away"), func(t *testing.T) backend.Backend {
		return table(t,
			mount.Mount{Backend: disk(t, t.TempDir())},
			mount.Mount{Path: at("/far/away"), Backend: disk(t, t.TempDir())})
	})
}
