package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// options are what the command line asks for.
type options struct {
	sizes  sizes
	rounds int
	only   *regexp.Regexp
	binary string
	data   string // where folders for data are made
	disk   bool
	json   string
	dir    string // of profiles; "": measure
}

// Places of the data, as the table calls them.
const (
	inMemory = "memory"
	onDisk   = "on a disk"
)

func parse(args []string, errs io.Writer) (*options, error) {
	o := &options{sizes: whole}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(errs)
	brief := flags.Bool("short", false, "move little, to see that all works: the figures say nothing")
	size := flags.Int64("size", 0, "MiB of the large file; 0: 1024, or 64 if -short")
	only := flags.String("run", "", "only works whose names match this expression")
	flags.IntVar(&o.rounds, "rounds", 5, "measured rounds; medians of fewer than 5 say little")
	flags.StringVar(&o.binary, "gateway", "bin/gatehouse", "the gateway's program")
	flags.StringVar(&o.data, "data", "/dev/shm", "where the data is, best in memory; configurations, logs and the gateway's store are in TMPDIR, best on a disk")
	flags.BoolVar(&o.disk, "disk", true, "measure small files with the data in TMPDIR too")
	flags.StringVar(&o.json, "json", "", "also write all samples to this file")
	flags.StringVar(&o.dir, "profile", "", "do not measure: write profiles of the gateway at each work to this folder")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 || o.rounds < 1 {
		return nil, fmt.Errorf("unexpected arguments, or no rounds: %v", args)
	}
	if *brief {
		o.sizes = short
	}
	if *size > 0 {
		o.sizes.large = *size << 20
	}
	var err error
	if o.only, err = regexp.Compile(*only); err != nil {
		return nil, err
	}
	o.binary, err = filepath.Abs(o.binary)
	return o, err
}

// measure runs all works that were asked for.
func (o *options) measure(ctx context.Context, log *slog.Logger) (all []*outcome, err error) {
	g, err := openGroups()
	if err != nil {
		log.Warn("no control group can be made: the processor time of children that have ended is counted in hundredths of a second", "err", err)
		g = nil
	}
	defer func() { err = errors.Join(err, g.close()) }()
	for _, place := range []struct{ name, dir string }{{inMemory, o.data}, {onDisk, ""}} {
		if place.name == onDisk && !o.disk || ctx.Err() != nil {
			continue
		}
		measured, err := o.measureIn(ctx, place.name, place.dir, g, log)
		all = append(all, measured...)
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// measureIn runs those works that are of interest with the data in one place.
func (o *options) measureIn(ctx context.Context, place, dir string, g *groups, log *slog.Logger) (all []*outcome, err error) {
	config, err := folder("")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(config)) }()
	data, err := folder(dir)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(data)) }()
	f, err := newFarm(config, data, o.binary, g, log)
	if err != nil {
		return nil, err
	}
	works := slices.DeleteFunc(f.works(o.sizes), func(w *work) bool {
		return !o.only.MatchString(w.name) || place == onDisk && !w.onDisk
	})
	if len(works) == 0 {
		return nil, nil
	}
	defer func() { err = errors.Join(err, f.close()) }()
	if err := f.begin(ctx, o.sizes, works); err != nil {
		return nil, err
	}
	if o.dir != "" {
		return nil, f.profile(ctx, works, filepath.Join(o.dir, strings.ReplaceAll(place, " ", "-")))
	}
	m := &match{farm: f, rounds: o.rounds, log: log}
	return m.run(ctx, works, place), ctx.Err()
}

// folder makes one that servers that are not root can pass.
func folder(in string) (string, error) {
	dir, err := os.MkdirTemp(in, "gatehouse-bench-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// report prints the table, and writes the samples.
func (o *options) report(out io.Writer, all []*outcome) error {
	if o.json != "" {
		file, err := os.Create(o.json)
		if err != nil {
			return err
		}
		if err := errors.Join(writeJSON(file, all), file.Close()); err != nil {
			return err
		}
	}
	return writeTable(out, all)
}
