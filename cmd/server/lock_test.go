package server

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"gatehouse/storage/state/bolt"
)

// Of two gateways on one data folder the second is told, whatever keeps the state,
// and before it has taken out anything that the first may need.
func TestTheDataFolderIsOneGatewaysOwn(t *testing.T) {
	dir := t.TempDir()
	left := filepath.Join(dir, ".restoring")
	if err := os.Mkdir(left, 0o700); err != nil {
		t.Fatal(err)
	}
	unlock, err := lockData(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	c := &core{data: dir}
	if err := c.takeData(t.Context()); !errors.Is(err, bolt.ErrInUse) {
		t.Errorf("a second gateway: %v, want ErrInUse", err)
	}
	if _, err := os.Stat(left); err != nil {
		t.Errorf("a second gateway has taken out: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	if err := c.takeData(t.Context()); err != nil {
		t.Fatalf("after the first has ended: %v", err)
	}
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("what a restore left is there still: %v", err)
	}
	if err := c.unlock(); err != nil {
		t.Error(err)
	}
}
