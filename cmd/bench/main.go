// Bench measures the gateway beside the servers that people would use instead,
// and beside the least that does the same work, in one run on one machine: what
// each costs the processors, how fast it is, how much memory it takes. It prints
// one table, with the goals.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, errs io.Writer) error {
	if len(args) == 2 && args[0] == floorCommand {
		return serveFloor(ctx, args[1])
	}
	o, err := parse(args, errs)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(errs, nil))
	all, err := o.measure(ctx, log)
	if len(all) == 0 {
		return err
	}
	return errors.Join(err, o.report(out, all))
}
