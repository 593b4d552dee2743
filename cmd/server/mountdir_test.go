package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A misspelt folder, or a disk that is not mounted, was made and served empty.
func TestAMountsFolderElsewhereMustBeThere(t *testing.T) {
	data, elsewhere := t.TempDir(), t.TempDir()
	for dir, want := range map[string]string{
		filepath.Join(data, "files"):     "",
		filepath.Join(data, "a", "deep"): "",
		elsewhere:                        "",
		filepath.Join(elsewhere, "typo"): "there is no folder " + filepath.Join(elsewhere, "typo"),
		data + "-beside":                 "there is no folder",
	} {
		err := mountDir(data, dir)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", dir, err, want)
		}
		if _, serr := os.Stat(dir); (serr == nil) != (want == "") {
			t.Errorf("%s: afterwards: %v", dir, serr)
		}
	}
}
