package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"time"
)

// A binary is a package's tests, run in a directory of their own.
type binary struct {
	file, dir string
	slow      []string      // the tests that take long, of a binary that was found sound
	took      time.Duration // all of them together
}

// run names the first test that fails while a mutant lives, "" for none. The tests
// that take long are left for the mutants that survive the others.
func (b binary) run(i int, timeout time.Duration) (string, error) {
	timeout = max(timeout, 3*b.took)
	killer, _, err := b.tests(i, timeout, "-test.skip", names(slices.Concat(b.slow, documented)))
	if killer != "" || err != nil || len(b.slow) == 0 {
		return killer, err
	}
	killer, _, err = b.tests(i, timeout, "-test.run", names(b.slow))
	return killer, err
}

// tests runs some of the tests, and returns what they print besides.
func (b binary) tests(i int, timeout time.Duration, which ...string) (killer string, printed []byte, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.file, append(which, "-test.short", "-test.failfast", "-test.v")...)
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), fmt.Sprintf("MUTANT=%d", i))
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return "", out, nil
	}
	if _, ok := err.(*exec.ExitError); !ok && ctx.Err() == nil {
		return "", out, err
	}
	if failed := failure.FindSubmatch(out); failed != nil {
		return string(failed[1]), out, nil
	}
	if bytes.Contains(out, []byte("panic: ")) {
		return "a panic", out, nil
	}
	if ctx.Err() != nil {
		return "running out of time", out, nil
	}
	return "an exit", out, nil
}

// sound refuses tests that fail without a mutant: they would kill every one. It
// finds out which take long, and how much patience they need on this machine.
func (b binary) sound(timeout time.Duration) (binary, error) {
	began := time.Now()
	killer, out, err := b.tests(-1, 5*timeout, "-test.skip", names(documented))
	b.took = time.Since(began)
	if killer != "" {
		return b, fmt.Errorf("they fail without a mutant: %s\n%s", killer, out[max(0, len(out)-2000):])
	}
	for _, passed := range passes.FindAllSubmatch(out, -1) {
		if took, err := time.ParseDuration(string(passed[2])); err == nil && took >= long {
			b.slow = append(b.slow, string(passed[1]))
		}
	}
	return b, err
}

// long is what a test takes that has to wait for the others.
const long = 100 * time.Millisecond

// documented are tests that hold pages of the tree to the code: they fail where
// the tree is not around them.
var documented = []string{"TestTheMatrixIsDocumented", "TestTheRulesPageIsTrue"}

// names is an expression for these tests.
func names(tests []string) string { return "^(" + strings.Join(tests, "|") + ")$" }

var (
	failure = regexp.MustCompile(`--- FAIL: (\S+)`)
	passes  = regexp.MustCompile(`(?m)^--- PASS: (\S+) \((\S+)\)$`)
)
