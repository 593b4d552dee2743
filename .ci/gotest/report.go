package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
)

// An event is a line of `go test -json`: go doc test2json, go help buildjson.
type event struct {
	Action, Package, Test, Output string
}

// A report is made while go test runs, package by package.
type report struct {
	out     io.Writer
	running map[string]*suite
	skips   []string
	failed  int
}

func newReport(out io.Writer) *report {
	return &report{out: out, running: map[string]*suite{}}
}

// read takes all that go test tells. What is no event is printed as it is.
func (r *report) read(from io.Reader) error {
	in := bufio.NewReader(from)
	for {
		line, err := in.ReadString('\n')
		var e event
		if json.Unmarshal([]byte(line), &e) == nil && e.Action != "" {
			r.take(e)
		} else {
			r.print(line)
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	if e.Action == "build-output" {
		r.print(e.Output)
	}
	if e.Package == "" {
		return
	}
	s := r.running[e.Package]
	if s == nil {
		s = &suite{tests: map[string]*test{}}
		r.running[e.Package] = s
	}
	if !s.take(e) {
		return
	}
	delete(r.running, e.Package)
	for _, t := range s.skipped() {
		r.skips = append(r.skips, e.Package+" "+t)
	}
	if e.Action != "fail" {
		r.print(s.verdict())
		return
	}
	r.failed++
	for _, line := range s.failure() {
		r.print(line)
	}
}

// finish tells of what has no end, and of what was skipped.
func (r *report) finish() {
	for name, s := range r.running {
		r.failed++
		for _, line := range s.failure() {
			r.print(line)
		}
		r.print("FAIL\t" + name + " [go test ended before its tests]\n")
	}
	clear(r.running)
	slices.Sort(r.skips)
	for _, s := range r.skips {
		r.print("skipped\t" + s + "\n")
	}
}

// print writes to a terminal or a log: where that is gone there is nobody to tell.
func (r *report) print(s string) { _, _ = fmt.Fprint(r.out, s) }

// A suite is what a package's tests have told so far.
type suite struct {
	lines []string // of no test
	tests map[string]*test
	order []string
}

// A test has said something, and has ended in some way or has not.
type test struct {
	lines []string
	end   string
}

// take notes an event, and tells whether it is the package's last one.
func (s *suite) take(e event) (last bool) {
	if e.Test == "" {
		if e.Action == "output" {
			s.lines = append(s.lines, e.Output)
		}
		return e.Action == "pass" || e.Action == "fail" || e.Action == "skip"
	}
	t := s.tests[e.Test]
	if t == nil {
		t = &test{}
		s.tests[e.Test] = t
		s.order = append(s.order, e.Test)
	}
	switch e.Action {
	case "output":
		if !strings.HasPrefix(e.Output, "=== ") {
			t.lines = append(t.lines, e.Output)
		}
	case "pass", "fail", "skip":
		t.end = e.Action
	}
	return false
}

// verdict is the one line of a package where all is well.
func (s *suite) verdict() string {
	for _, line := range slices.Backward(s.lines) {
		if strings.HasPrefix(line, "ok ") || strings.HasPrefix(line, "?") {
			return line
		}
	}
	return ""
}

// failure is all that helps to find a package's fault: the tests that failed or
// have no end, and what others said that no test should, each below its name.
func (s *suite) failure() []string {
	var all []string
	for _, name := range s.order {
		t := s.tests[name]
		if t.end == "fail" || t.end == "" || slices.ContainsFunc(t.lines, cries) {
			all = append(all, t.headFirst(name)...)
		}
	}
	return append(all, s.lines...)
}

// cries tells the runtime's words: of what runs beside a test, they are taken
// for the test's that spoke last.
func cries(line string) bool {
	return slices.ContainsFunc([]string{"WARNING: DATA RACE", "panic: ", "fatal error: ", "SIGQUIT: "}, func(word string) bool {
		return strings.HasPrefix(line, word)
	})
}

func (t *test) headFirst(name string) []string {
	head, rest := "", []string(nil)
	for _, line := range t.lines {
		if head == "" && heads(line) {
			head = line
		} else {
			rest = append(rest, line)
		}
	}
	if head == "" && len(rest) > 0 {
		head = "--- NO END: " + name + "\n"
	}
	return append([]string{head}, rest...)
}

func heads(line string) bool {
	line = strings.TrimLeft(line, " ")
	return strings.HasPrefix(line, "--- FAIL: ") || strings.HasPrefix(line, "--- PASS: ") || strings.HasPrefix(line, "--- SKIP: ")
}

// skipped lists the tests that were, with their words.
func (s *suite) skipped() []string {
	var all []string
	for _, name := range s.order {
		t := s.tests[name]
		if t.end != "skip" {
			continue
		}
		words := []string{name + ":"}
		for _, line := range t.lines {
			if !heads(line) {
				words = append(words, strings.TrimSpace(line))
			}
		}
		if len(words) == 1 {
			words = append(words, "no reason given")
		}
		all = append(all, strings.Join(words, " "))
	}
	return all
}
