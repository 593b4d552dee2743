package webdav

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// litmusExceptions are the tests of litmus 0.13 that do not pass, by suite and
// name; docs/webdav.md gives the reason of each.
var litmusExceptions = map[string]bool{}

// The whole of litmus passes, but for what is named.
func TestLitmus(t *testing.T) {
	program, err := exec.LookPath("litmus")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("CI does not accept that a client is missing")
		}
		t.Skip("SKIPPED: litmus is not installed, WebDAV compliance was not checked (Debian: apt-get install litmus)")
	}
	s := newSite(t)
	c := s.client(t, "alice")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	run := exec.CommandContext(ctx, program, "-k", s.server.URL+"/dav/", c.Name, c.Password)
	run.Dir = t.TempDir() // it writes its log there
	out, err := run.CombinedOutput()
	t.Logf("%v\n%s", err, out)
	tests, failed := readLitmus(out)
	for name := range failed {
		if !litmusExceptions[name] {
			t.Errorf("%s: %s", name, failed[name])
		}
	}
	for name := range litmusExceptions {
		if failed[name] == "" {
			t.Errorf("%s passes: it is no exception any more", name)
		}
	}
	if tests < 90 {
		t.Errorf("litmus ran %d tests, want all of them", tests)
	}
}

var (
	litmusSuite = regexp.MustCompile("^-> running `([a-z]+)'")
	litmusLine  = regexp.MustCompile(`^ *\d+\. ([a-z_0-9]+)\.* (pass|FAIL|SKIPPED|WARNING|.*)`)
)

// readLitmus counts the tests, and names those that did not pass cleanly.
func readLitmus(out []byte) (tests int, failed map[string]string) {
	failed = map[string]string{}
	suite := ""
	for line := range bytes.Lines(out) {
		text := strings.TrimSpace(string(line[bytes.LastIndexByte(bytes.TrimRight(line, "\r\n"), '\r')+1:]))
		if m := litmusSuite.FindStringSubmatch(text); m != nil {
			suite = m[1]
		}
		m := litmusLine.FindStringSubmatch(text)
		if m == nil {
			continue
		}
		tests++
		if m[2] != "pass" {
			failed[suite+"/"+m[1]] = text
		}
	}
	return tests, failed
}
