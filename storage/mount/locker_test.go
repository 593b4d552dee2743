package mount_test

import (
	"context"
	"errors"
	"testing"

	"gatehouse/policy/path"
	"gatehouse/storage/backend"
	"gatehouse/storage/mount"
)

// keyless is a store that keeps no locks.
type keyless struct{ backend.Backend }

func (k keyless) Open(ctx context.Context, p path.Path, how backend.How) (backend.File, error) {
	f, err := k.Backend.Open(ctx, p, how)
	return struct{ backend.File }{f}, err
}

// Who would keep a file to one node is told where the store keeps no locks, and for
// which file.
func TestAStoreWithoutLocks(t *testing.T) {
	tree, err := mount.New(
		mount.Mount{Path: path.Root, Backend: disk(t, t.TempDir())},
		mount.Mount{Path: at("/m"), Backend: keyless{disk(t, t.TempDir())}})
	must(t, err)
	defer tree.Close()
	f, err := tree.Open(t.Context(), at("/m/f"), backend.How{Write: true, Create: true})
	must(t, err)
	defer f.Close()
	locker, ok := f.(backend.Locker)
	if !ok {
		t.Fatal("files of the tree are no lockers")
	}
	if _, err := locker.Lock(); !errors.Is(err, backend.ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}
