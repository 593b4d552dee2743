package sftp_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// sent are the names that scp sends for what it is asked.
func (w *world) sent(asked string) (names []string, status int) {
	out, status := w.command("alice", "scp -f "+asked).says(strings.Repeat("\x00", 1000))
	for line := range strings.SplitSeq(out, "\n") {
		if _, entry, ok := strings.Cut(line, "C0640 0 "); ok {
			names = append(names, entry)
		}
	}
	slices.Sort(names)
	return names, status
}

// A pattern stands for what it does in a shell, each file once.
func TestPatternsOfSCP(t *testing.T) {
	w := serving(t)
	for _, name := range []string{"a/x", "a/y", "a/z*", "b/x", "b/.hidden", "b!/!x"} {
		w.put("alice", name, "")
	}
	for pattern, want := range map[string][]string{
		"/a/*":           {"x", "y", "z*"},
		"/a/[!x]":        {"y"},
		"/a/[^x]":        {"y"},
		"/a/[!x]*":       {"y", "z*"},
		"/*/x":           {"x", "x"},
		"/*/y":           {"y"},
		"/?/../a/[xy]":   {"x", "y"},
		"/*/../*/../a/y": {"y"},
		"/*/.hid*":       {".hidden"},
		`/?/z\*`:         {"z*"},
		`/a/[x"!"]`:      {"x"},
		`/b*/["!"]x`:     {"!x"},
		`/b\!/[a!]?`:     {"!x"},
	} {
		if got, status := w.sent(pattern); status != 0 || !slices.Equal(got, want) {
			t.Errorf("%s: status %d, %q, want %q", pattern, status, got, want)
		}
	}
	if _, status := w.sent("/a/[[:alpha:]]"); status != 127 {
		t.Errorf("a class of characters: status %d", status)
	}
}

// A few bytes of a pattern once had folders listed without end, the same ones
// again and again.
func TestPatternsOfSCPAreBounded(t *testing.T) {
	w := serving(t)
	const folders = 90
	for i := range folders {
		if err := os.MkdirAll(w.home("alice", fmt.Sprintf("d%02d", i), "e"), 0o750); err != nil {
			t.Fatal(err)
		}
	}
	again := "/*/../d*/.." + strings.Repeat("/d00*/..", 10) + "/zz*"
	if out, status := w.command("alice", "scp -f "+again).says("\x00"); status != 1 || !strings.Contains(out, "no such file") {
		t.Errorf("a folder that comes again is listed again: status %d, %q", status, out)
	}
	// Each looks into 181 folders, so that five come to their end.
	out, status := w.command("alice", "scp -f "+strings.Repeat("/d*/e*/nothing* ", 10)).says("\x00")
	if status != 1 || strings.Count(out, "too many folders") != 5 {
		t.Errorf("status %d, %q", status, out)
	}
}

// No name is as long as that: to try it on every name is work for nothing.
func TestLongPatternsAreRefused(t *testing.T) {
	w := serving(t)
	w.put("alice", strings.Repeat("a", 250), "")
	for _, pattern := range []string{"/*" + strings.Repeat("a", 60_000), "/*" + strings.Repeat("a", 255), "/" + strings.Repeat("*/", 5000)} {
		if out, status := w.command("alice", "scp -f "+pattern).says("\x00"); status != 1 || !strings.Contains(out, "the name is too long") {
			t.Errorf("%d bytes: status %d, %.200q", len(pattern), status, out)
		}
	}
}
