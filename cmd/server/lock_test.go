package server

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
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

// What a kill has left of files that were being made, keys among them, goes with the
// next start, and nothing else does.
func TestAStartClearsTheDataFolder(t *testing.T) {
	dir := t.TempDir()
	for _, pattern := range unfinished {
		f, err := os.CreateTemp(dir, pattern)
		if err != nil {
			t.Fatal(err)
		}
		_ = f.Close()
	}
	kept := []string{".key-folder", "installation", "secret.key"}
	for _, name := range kept[1:] {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("kept"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, kept[0]), 0o700); err != nil {
		t.Fatal(err)
	}
	c := &core{data: dir}
	if err := c.takeData(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.unlock() }()
	entries, err := os.ReadDir(dir)
	var found []string
	for _, e := range entries {
		found = append(found, e.Name())
	}
	if want := append(kept, lockName); err != nil || !slices.Equal(found, slices.Sorted(slices.Values(want))) {
		t.Errorf("there is %q, %v, want %q", found, err, want)
	}
}
