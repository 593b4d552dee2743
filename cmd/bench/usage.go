package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// processorTime is what the server and all its children have had of the
// processors, those that have ended too.
func (p *process) processorTime() (time.Duration, error) {
	if p.group != nil {
		return p.group.processorTime()
	}
	pids, err := p.pids()
	if err != nil {
		return 0, err
	}
	var sum time.Duration
	for _, pid := range pids {
		own, err := clockOf(pid)
		stat, failed := statOf(pid)
		if err = errors.Join(err, failed); gone(err) { // its parent has its time now
			continue
		}
		if err != nil {
			return 0, err
		}
		sum += own
		for _, f := range stat[13:15] { // of children that have ended and were waited for
			ticks, err := strconv.ParseInt(f, 10, 64)
			if err != nil {
				return 0, err
			}
			sum += time.Duration(ticks) * 10 * time.Millisecond
		}
	}
	return sum, nil
}

// clockOf is the processor time of all threads of one process, which has a clock
// of its own: clock_getcpuclockid(3).
func clockOf(pid int) (time.Duration, error) {
	var spent unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|2), &spent); err != nil {
		if errors.Is(err, unix.EINVAL) {
			return 0, fs.ErrNotExist
		}
		return 0, err
	}
	return time.Duration(spent.Nano()), nil
}

// memory is what the processes occupy: what several share is counted once.
func (p *process) memory() (sum int64, err error) {
	pids, err := p.pids()
	for _, pid := range pids {
		kib, err := kibibytes(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Pss:")
		if gone(err) {
			continue
		}
		if err != nil {
			return 0, err
		}
		sum += kib << 10
	}
	return sum, err
}

// occupied is what peak will begin at: what one process has, or several.
func (p *process) occupied() (int64, error) {
	if peak, err := p.peak(); err != nil || peak > 0 {
		return peak, err
	}
	return p.memory()
}

// peak is the most that a server of one process has occupied since forgetPeak;
// 0 for a server of several, which only sampling can tell of.
func (p *process) peak() (int64, error) {
	pids, err := p.pids()
	if err != nil || len(pids) != 1 {
		return 0, err
	}
	kib, err := kibibytes(fmt.Sprintf("/proc/%d/status", pids[0]), "VmHWM:")
	return kib << 10, err
}

func (p *process) forgetPeak() {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.cmd.Process.Pid), []byte("5"), 0o600)
}

// kibibytes reads one figure of a file of proc.
func kibibytes(name, key string) (int64, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, key); ok {
			return strconv.ParseInt(strings.Fields(v)[0], 10, 64)
		}
	}
	return 0, fs.ErrNotExist // of a process that has ended and was not waited for
}

// gone: the process ended while it was looked at.
func gone(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
}

// pids are the server's processes.
func (p *process) pids() ([]int, error) {
	if p.group != nil {
		return p.group.pids()
	}
	parents, err := parents()
	if err != nil {
		return nil, err
	}
	var ours []int
	for pid := range parents {
		for up := pid; up > 1; up = parents[up] {
			if up == p.cmd.Process.Pid {
				ours = append(ours, pid)
				break
			}
		}
	}
	return ours, nil
}

// parents has the parent of each process of the machine.
func parents() (map[int]int, error) {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	found := map[int]int{}
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			return nil, err
		}
		if stat, err := statOf(pid); err == nil {
			found[pid], _ = strconv.Atoi(stat[1])
		}
	}
	return found, nil
}

// statOf has the fields of proc's stat behind the name, the state first.
func statOf(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 15 {
		return nil, fs.ErrNotExist
	}
	return fields, nil
}
