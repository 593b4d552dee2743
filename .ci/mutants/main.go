// Mutants takes each check of policy, guard, links, locks, quota, WebDAV's conditions and the
// local backend out, one at a time, and runs the tests of its package, those that are done
// quickly first: one of them must fail. What survives is printed, and fails the run.
// Arguments limit it to packages.
//
// All mutants of a package are built into one test binary, through an overlay
// that leaves the tree alone; an environment variable says which one lives.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

func main() {
	list := flag.Bool("list", false, "only list the mutants")
	match := flag.String("match", "", "only mutants with such a name (a regular expression)")
	jobs := flag.Int("jobs", runtime.GOMAXPROCS(0), "how many run at a time")
	timeout := flag.Duration("timeout", time.Minute, "for the tests of one mutant; what hangs is killed")
	flag.Parse()
	r := runner{only: flag.Args(), list: *list, match: regexp.MustCompile(*match), jobs: *jobs, timeout: *timeout}
	if err := r.run(); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

type runner struct {
	only    []string
	list    bool
	match   *regexp.Regexp
	jobs    int
	timeout time.Duration

	mu                    sync.Mutex
	total, same, survived int
}

func (r *runner) run() error {
	for _, t := range targets {
		if len(r.only) > 0 && !slices.Contains(r.only, t.dir) {
			continue
		}
		mutants, err := t.mutants()
		if err != nil {
			return err
		}
		if err := named(mutants, t); err != nil {
			return err
		}
		if r.list {
			for _, m := range mutants {
				fmt.Println(m)
			}
			r.total += len(mutants)
			continue
		}
		if err := r.test(t, mutants); err != nil {
			return err
		}
	}
	fmt.Printf("%d mutants, %d equivalent, %d survived\n", r.total, r.same, r.survived)
	if r.survived > 0 {
		return fmt.Errorf("%d checks can be taken out without a test that fails", r.survived)
	}
	return nil
}

// named refuses equivalent mutants of a package that it no longer has.
func named(mutants []mutant, t target) error {
	var gone []string
	for key := range equivalent {
		file, _, _ := strings.Cut(key, ": ")
		if path.Dir(file) == t.dir && !slices.ContainsFunc(mutants, func(m mutant) bool { return m.key() == key }) {
			gone = append(gone, key)
		}
	}
	if len(gone) > 0 {
		slices.Sort(gone)
		return fmt.Errorf("no such mutants, but equivalent:\n%s", strings.Join(gone, "\n"))
	}
	return nil
}

// test lets each mutant of a package live in turn.
func (r *runner) test(t target, mutants []mutant) error {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := builder{dir: dir, target: t, mutants: mutants}
	all, err := b.build(b.target.dir, -1)
	if err != nil {
		return err
	}
	if all, err = all.sound(r.timeout); err != nil {
		return fmt.Errorf("the tests of %s: %w", t.dir, err)
	}
	var wg sync.WaitGroup
	room, errs := make(chan struct{}, r.jobs), make([]error, len(mutants))
	for i, m := range mutants {
		if !r.match.MatchString(m.String()) {
			continue
		}
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			killer, err := b.kill(all, i, r.timeout)
			errs[i] = err
			r.report(m, killer)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (r *runner) report(m mutant, killer string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total++
	switch reason := equivalent[m.key()]; {
	case killer != "" && reason != "":
		fmt.Println("killed   ", m, "by", killer, "(not equivalent after all)")
	case killer != "":
		fmt.Println("killed   ", m, "by", killer)
	case reason != "":
		r.same++
		fmt.Println("same     ", m, "-", reason)
	default:
		r.survived++
		fmt.Println("SURVIVED ", m)
	}
}
