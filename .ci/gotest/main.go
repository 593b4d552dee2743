// Gotest runs `go test` with its arguments and prints what that would print,
// then each test that was skipped, with the reason. Where CI is set a skip fails
// the run: everything that the tests need is there, or has to be put there.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, "", os.Args[1:], os.Stdout, os.Getenv("CI") != "")
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "gotest:", err)
		os.Exit(1)
	}
}

// patience is how long go test may take to end its tests when it is interrupted.
const patience = 10 * time.Second

// run is `go test` in a folder. Its error is nil only where every package has
// told that it passed, go test says so too, and nothing was skipped that must run.
func run(ctx context.Context, dir string, args []string, out io.Writer, all bool) error {
	cmd := exec.CommandContext(ctx, "go", append([]string{"test", "-json"}, args...)...)
	cmd.Dir, cmd.Stderr = dir, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = patience
	lines, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("run go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("run go test: %w", err)
	}
	r := newReport(out)
	told := r.read(lines)
	_, _ = io.Copy(io.Discard, lines) // what came behind an error: go test must not wait for its reader
	ended := cmd.Wait()
	r.finish()
	switch {
	case told != nil:
		return fmt.Errorf("read what go test tells: %w", told)
	case ended != nil:
		return fmt.Errorf("go test: %w", ended)
	case r.failed > 0:
		return fmt.Errorf("%d packages failed", r.failed)
	case all && len(r.skips) > 0:
		return fmt.Errorf("%d tests were skipped, which CI does not accept", len(r.skips))
	}
	return nil
}
