package local_test

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gatehouse/storage/backend"
	"gatehouse/storage/backend/local"
)

// Names of every length come out once each, however the pieces that are asked for
// lie to what the kernel tells at a time, and two folders never mix them up.
func TestNamesOfAllLengths(t *testing.T) {
	dir := t.TempDir()
	want := map[string]map[string]bool{"a": {}, "b": {}}
	for folder, names := range want {
		if err := os.Mkdir(filepath.Join(dir, folder), 0o755); err != nil {
			t.Fatal(err)
		}
		for length := 5; length <= 255; length++ {
			for i := range 2 {
				name := fmt.Sprintf("%s%03d%d%s", folder, length, i, strings.Repeat("\xff", length-5))
				names[name] = true
				if err := os.WriteFile(filepath.Join(dir, folder, name), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	back, err := local.Open(dir, local.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer back.Close()
	for _, piece := range []int{1, 7, 50, 1000} {
		a, errA := back.List(t.Context(), at("/a"))
		b, errB := back.List(t.Context(), at("/b"))
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		seen := map[string]map[string]bool{"a": {}, "b": {}}
		for ended := 0; ended < 2; {
			ended = 0
			for folder, d := range map[string]backend.Dir{"a": a, "b": b} {
				some, err := d.Next(piece)
				if err == io.EOF {
					ended++
				} else if err != nil || len(some) > piece {
					t.Fatal(len(some), err)
				}
				for _, i := range some {
					if seen[folder][i.Name] || !want[folder][i.Name] {
						t.Fatalf("in pieces of %d: %q in %s", piece, i.Name, folder)
					}
					seen[folder][i.Name] = true
				}
			}
		}
		for folder := range want {
			if len(seen[folder]) != len(want[folder]) {
				t.Errorf("in pieces of %d: %d names of %d", piece, len(seen[folder]), len(want[folder]))
			}
		}
		if a.Close() != nil || b.Close() != nil {
			t.Error("a folder did not close")
		}
	}
}
