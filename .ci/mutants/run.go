package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"time"
)

// A binary is a package's tests, run in a directory of their own.
type binary struct{ file, dir string }

// run names the first test that fails while a mutant lives, "" for none.
func (b binary) run(i int, timeout time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.file, "-test.short", "-test.failfast", "-test.skip", documented)
	cmd.Dir, cmd.Env = b.dir, append(os.Environ(), fmt.Sprintf("MUTANT=%d", i))
	cmd.WaitDelay = time.Second
	out, err := cmd.CombinedOutput()
	if err == nil {
		return "", nil
	}
	if _, ok := err.(*exec.ExitError); !ok && ctx.Err() == nil {
		return "", err
	}
	if failed := failure.FindSubmatch(out); failed != nil {
		return string(failed[1]), nil
	}
	if bytes.Contains(out, []byte("panic: ")) {
		return "a panic", nil
	}
	if ctx.Err() != nil {
		return "running out of time", nil
	}
	return "an exit", nil
}

// sound refuses tests that fail without a mutant: they would kill every one.
func (b binary) sound(timeout time.Duration) error {
	killer, err := b.run(-1, timeout)
	if killer != "" {
		return fmt.Errorf("they fail without a mutant: %s", killer)
	}
	return err
}

// documented are tests that hold pages of the tree to the code: they fail where
// the tree is not around them.
const documented = "^(TestTheMatrixIsDocumented|TestTheRulesPageIsTrue)$"

var failure = regexp.MustCompile(`--- FAIL: (\S+)`)
