package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// groups is our folder in the hierarchy of control groups (version 2): what a
// group has had of the processors includes children that have ended, to the
// microsecond.
type groups struct{ dir string }

// openGroups makes the folder, which only root or a delegation may.
func openGroups() (*groups, error) {
	mount, err := groupMount()
	if err != nil {
		return nil, err
	}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(own)) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok {
			dir := filepath.Join(mount, path, "gatehouse-bench-"+strconv.Itoa(os.Getpid()))
			return &groups{dir}, os.Mkdir(dir, 0o755)
		}
	}
	return nil, errors.New("this process is in no control group of version 2")
}

func groupMount() (string, error) {
	mounts, err := os.Open("/proc/self/mounts")
	if err != nil {
		return "", err
	}
	defer func() { _ = mounts.Close() }()
	for lines := bufio.NewScanner(mounts); lines.Scan(); {
		if f := strings.Fields(lines.Text()); len(f) > 2 && f[2] == "cgroup2" {
			return f[1], nil
		}
	}
	return "", errors.New("control groups of version 2 are not mounted")
}

func (g *groups) close() error {
	if g == nil {
		return nil
	}
	return os.Remove(g.dir)
}

// open makes the group of a server.
func (g *groups) open(name string) (*group, error) {
	path := filepath.Join(g.dir, name)
	if err := os.Mkdir(path, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &group{path, dir}, nil
}

// A group holds the processes of a server.
type group struct {
	path string
	dir  *os.File
}

// close kills what is left of the server, and removes the group.
func (g *group) close() error {
	if g == nil {
		return nil
	}
	_ = os.WriteFile(filepath.Join(g.path, "cgroup.kill"), []byte("1"), 0o600)
	var err error
	for range 200 { // what is killed takes a moment to be gone
		if err = os.Remove(g.path); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

func (g *group) pids() ([]int, error) {
	text, err := os.ReadFile(filepath.Join(g.path, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	var pids []int
	for _, f := range strings.Fields(string(text)) {
		pid, err := strconv.Atoi(f)
		if err != nil {
			return nil, err
		}
		pids = append(pids, pid)
	}
	return pids, nil
}

func (g *group) processorTime() (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join(g.path, "cpu.stat"))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "usage_usec "); ok {
			us, err := strconv.ParseInt(strings.TrimSpace(v), 10, 64)
			return time.Duration(us) * time.Microsecond, err
		}
	}
	return 0, fmt.Errorf("no usage in %s", g.path)
}
