package main

import (
	"bufio"
	"bytes"
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

var update = flag.Bool("update", false, "write docs/clients.md anew from what the clients did")

// TestCompatibility runs the scripts of testdata/clients and holds the
// compatibility page against them: each begins with what it is about, and its
// line stands on the page only while it passes. With -update the page is
// written, with the versions that ran; all of them have to be there for it.
func TestCompatibility(t *testing.T) {
	names, err := filepath.Glob("testdata/clients/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatal("there are no client scripts", err)
	}
	p := params()
	p.Dir = "testdata/clients"
	p.Condition = orFile(p.Condition)
	ran := &outcomes{of: map[string]string{}}
	t.Run("run", func(t *testing.T) { testscript.RunT(watched{t, ran}, p) })
	var cases []compatible
	for _, name := range names {
		c := readCompatible(t, name)
		c.result = ran.of[strings.TrimSuffix(filepath.Base(name), ".txtar")]
		cases = append(cases, c)
	}
	const page = "../../docs/clients.md"
	if *update {
		for i := range cases {
			cases[i].measured = cases[i].ask(t)
		}
		if t.Failed() {
			return
		}
		writePage(t, page, cases)
		return
	}
	comparePage(t, page, cases)
}

// orFile answers [file:PATH] too, for clients that are libraries. In CI
// everything must be there.
func orFile(condition func(string) (bool, error)) func(string) (bool, error) {
	return func(cond string) (bool, error) {
		name, ok := strings.CutPrefix(cond, "file:")
		if !ok {
			return condition(cond)
		}
		_, err := os.Stat(name)
		if err != nil && os.Getenv("CI") != "" {
			return false, fmt.Errorf("%w, which CI does not accept", err)
		}
		return err == nil, nil
	}
}

// outcomes are what became of each script.
type outcomes struct {
	mu sync.Mutex
	of map[string]string
}

func (o *outcomes) note(name, what string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.of[name] = what
}

// watched is a test that notes what became of its scripts.
type watched struct {
	*testing.T
	outcomes *outcomes
}

func (w watched) Run(name string, f func(testscript.T)) {
	w.T.Run(name, func(t *testing.T) {
		t.Cleanup(func() {
			what := "passes"
			if t.Failed() {
				what = "fails"
			} else if t.Skipped() {
				what = "skipped"
			}
			w.outcomes.note(name, what)
		})
		f(watched{t, w.outcomes})
	})
}

func (w watched) Verbose() bool { return testing.Verbose() }

// A compatible is a client on the page: what a script, or a dialogue, says of it.
type compatible struct {
	client, door, ran, limits, source string
	version                           []string // the command that tells
	measured                          string
	result                            string
}

// readCompatible reads the comments at the head of a file.
func readCompatible(t *testing.T, name string) compatible {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var c compatible
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		line, comment := strings.CutPrefix(lines.Text(), "# ")
		key, value, ok := strings.Cut(line, ": ")
		if !comment || !ok {
			break
		}
		switch key {
		case "client":
			c.client = value
		case "door":
			c.door = value
		case "version":
			c.version = strings.Fields(value)
		case "ran", "did":
			c.ran = value
		case "limits":
			c.limits = value
		case "source":
			c.source = value
		default:
			t.Fatalf("%s: nobody knows what %q is", name, key)
		}
	}
	if c.client == "" || c.ran == "" || (c.version == nil) == (c.source == "") {
		t.Fatalf("%s does not say of which client it is, what it does, and either its version or its source", name)
	}
	return c
}

var versionNumber = regexp.MustCompile(`[0-9]+\.[0-9]+(\.[0-9]+)*(p[0-9]+)?`)

// ask asks a client for its version.
func (c compatible) ask(t *testing.T) string {
	t.Helper()
	if c.result != "passes" {
		t.Errorf("%s: %s; the page is written from clients that pass", c.client, c.result)
	}
	program, err := look(c.version[0])
	if err != nil {
		t.Error(err)
		return ""
	}
	out, _ := exec.Command(program, c.version[1:]...).CombinedOutput() // some leave with an error after they have told
	return string(versionNumber.Find(out))
}

// dialogues are the clients that do not run here.
func dialogues(t *testing.T) []compatible {
	t.Helper()
	names, err := filepath.Glob("../../protocols/*/testdata/dialogues/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	var found []compatible
	for _, name := range names {
		c := readCompatible(t, name)
		c.door = cmp.Or(c.door, "WebDAV")
		found = append(found, c)
	}
	sortCompatible(found)
	return found
}

const (
	tablesBegin = "<!-- written by a test: go test ./cmd/gatehouse -run Compatibility -update -->\n"
	tablesEnd   = "<!-- end of what the test writes -->\n"
)

// tables are the two of the page.
func tables(t *testing.T, cases []compatible) string {
	t.Helper()
	sortCompatible(cases)
	var b strings.Builder
	b.WriteString("| client | door | version | what is run | limits |\n| --- | --- | --- | --- | --- |\n")
	for _, c := range cases {
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", c.client, c.door, c.measured, c.ran, c.limits)
	}
	b.WriteString("\nReplayed:\n\n| client | door | what is replayed | source |\n| --- | --- | --- | --- |\n")
	for _, c := range dialogues(t) {
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", c.client, c.door, c.ran, c.source)
	}
	return b.String()
}

func sortCompatible(cases []compatible) {
	slices.SortFunc(cases, func(a, b compatible) int {
		return cmp.Or(cmp.Compare(a.door, b.door), cmp.Compare(a.client, b.client))
	})
}

// cut splits the page into what people write and what the test does.
func cut(t *testing.T, page string) (before, written, after string) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), tablesBegin)
	written, after, ends := strings.Cut(rest, tablesEnd)
	if !begins || !ends {
		t.Fatalf("%s has no place for the tables", page)
	}
	return before, written, after
}

func writePage(t *testing.T, page string, cases []compatible) {
	t.Helper()
	before, _, after := cut(t, page)
	text := before + tablesBegin + "\n" + tables(t, cases) + "\n" + tablesEnd + after
	if err := os.WriteFile(page, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// comparePage leaves the versions as the page has them: here others may run.
func comparePage(t *testing.T, page string, cases []compatible) {
	t.Helper()
	_, written, _ := cut(t, page)
	versions := map[string]string{}
	for line := range strings.Lines(written) {
		if cells := strings.Split(line, " | "); len(cells) == 5 {
			versions[cells[0]+" | "+cells[1]] = cells[2]
		}
	}
	for i, c := range cases {
		cases[i].measured = versions["| "+c.client+" | "+c.door]
	}
	if want := "\n" + tables(t, cases) + "\n"; written != want {
		t.Errorf("%s is not what the scripts say: go test ./cmd/gatehouse -run Compatibility -update", page)
	}
}
