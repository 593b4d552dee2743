package backup

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// A restore was cut off by a loss of power: before it was whole it is gone,
// after that it is completed.
func TestFinish(t *testing.T) {
	t.Run("nothing to do", func(t *testing.T) {
		dir := t.TempDir()
		if err := errors.Join(Finish(dir), Finish(filepath.Join(dir, "missing"))); err != nil {
			t.Error(err)
		}
		if left := names(t, dir); len(left) > 0 {
			t.Errorf("it has %q", left)
		}
	})
	t.Run("cut off while it was built", func(t *testing.T) {
		dir := t.TempDir()
		touch(t, filepath.Join(dir, building, "keys", "a"))
		if err := Finish(dir); err != nil {
			t.Fatal(err)
		}
		if left := names(t, dir); len(left) > 0 {
			t.Errorf("it has %q", left)
		}
	})
	t.Run("cut off while its files went up", func(t *testing.T) {
		dir := t.TempDir()
		touch(t, filepath.Join(dir, "events", "log", "1"))
		touch(t, filepath.Join(dir, whole, "keys", "a"))
		touch(t, filepath.Join(dir, whole, "state.db"))
		if _, err := Restore(t.Context(), bytes.NewReader(nil), pass, dir, openBolt); !errors.Is(err, ErrNotEmpty) {
			t.Errorf("restored over it: %v", err)
		}
		if err := Finish(dir); err != nil {
			t.Fatal(err)
		}
		if left := names(t, dir); !slices.Equal(left, []string{"events", "keys", "state.db"}) {
			t.Errorf("it has %q", left)
		}
	})
	t.Run("another restore runs", func(t *testing.T) {
		dir := t.TempDir()
		unlock, err := lock(dir)
		if err != nil {
			t.Fatal(err)
		}
		touch(t, filepath.Join(dir, building, "a"))
		if err := Finish(dir); err == nil {
			t.Error("it was taken away")
		}
		if err := unlock(); err != nil {
			t.Fatal(err)
		}
		if err := Finish(dir); err != nil {
			t.Error(err)
		}
	})
}

func touch(t *testing.T, path string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
}
