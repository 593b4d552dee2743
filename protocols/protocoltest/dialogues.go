package protocoltest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A Dialogue is what a client sends and hears that does not run in the tests, written
// down in a file; README.md beside it says how.
type Dialogue struct {
	Client string
	file   string
}

// Dialogues are those in testdata/dialogues of the package under test.
func Dialogues(t testing.TB) []Dialogue {
	t.Helper()
	files, err := filepath.Glob("testdata/dialogues/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("there are no dialogues", err)
	}
	var all []Dialogue
	for _, file := range files {
		all = append(all, Dialogue{strings.TrimSuffix(filepath.Base(file), ".txt"), file})
	}
	return all
}

// Lines hands its lines to do, each as its first word and the rest. Its remarks have
// to say who the client is, what it did and where that is from.
func (d Dialogue) Lines(t testing.TB, do func(kind, rest string) error) {
	t.Helper()
	text, err := os.ReadFile(d.file)
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for i, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		kind, rest, _ := strings.Cut(line, " ")
		if kind == "#" {
			key, _, _ := strings.Cut(rest, ":")
			told[key] = true
		} else if err := do(kind, rest); err != nil {
			t.Fatalf("line %d, %s: %v", i+1, line, err)
		}
	}
	for _, key := range []string{"client", "did", "source"} {
		if !told[key] {
			t.Errorf("it does not say: # %s:", key)
		}
	}
}
