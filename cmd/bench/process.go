package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// A process is a server that runs, with all its children.
type process struct {
	cmd   *exec.Cmd
	group *group        // nil where the machine lets us make none
	ended chan struct{} // closed when the first process is gone
	err   error         // how it ended
}

// launch starts a command in a group of its own, so that a signal from the
// terminal reaches us alone and what it costs is counted with its children.
func launch(cmd *exec.Cmd, groups *groups, name string) (*process, error) {
	p := &process{cmd: cmd, ended: make(chan struct{})}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if groups != nil {
		g, err := groups.open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = g.dir.Close() }()
		p.group = g
		cmd.SysProcAttr.UseCgroupFD, cmd.SysProcAttr.CgroupFD = true, int(g.dir.Fd())
	}
	if log, ok := cmd.Stderr.(*os.File); ok {
		defer func() { _ = log.Close() }() // the child has its own
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), p.group.close())
	}
	go func() { // ends with the process, which stop sees to
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// stop ends the process and its children, at first kindly.
func (p *process) stop() error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(10 * time.Second):
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) // of the children, those that stayed with it
	_ = p.cmd.Process.Kill()
	<-p.ended
	return p.group.close()
}

// answers waits until something listens at all of the addresses.
func (p *process) answers(ctx context.Context, addresses ...string) error {
	var d net.Dialer
	for _, address := range addresses {
		for {
			c, err := d.DialContext(ctx, "tcp", address)
			if err == nil {
				_ = c.Close()
				break
			}
			select {
			case <-p.ended:
				return fmt.Errorf("ended by itself: %v: %s", p.err, p.said())
			case <-ctx.Done():
				return fmt.Errorf("nothing listens at %s: %w", address, err)
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return nil
}

// said is the end of what it has said.
func (p *process) said() []byte {
	log, ok := p.cmd.Stderr.(*os.File)
	if !ok {
		return nil
	}
	text, _ := os.ReadFile(log.Name()) // by the name alone: it may be closed
	return bytes.TrimSpace(text[max(0, len(text)-1000):])
}

// logTo sends what a command says to a file.
func logTo(cmd *exec.Cmd, name string) error {
	log, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd.Stderr = log
	return nil
}

// freeAddress is one of loopback at which nothing listens, below the ports that
// the kernel gives to others while a server is started anew.
func freeAddress() (string, error) {
	var errs []error
	for range 100 {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", 20_000+rand.IntN(10_000)))
		if err == nil {
			return l.Addr().String(), l.Close()
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// find looks for a program where `.ci/peers` unpacks servers, and where Debian has
// them.
func find(name string) (string, error) {
	for _, dir := range append([]string{"bin/peers/usr/sbin", "/usr/sbin", "/sbin"}, filepath.SplitList(os.Getenv("PATH"))...) {
		path, err := filepath.Abs(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		if info, err := os.Stat(path); err == nil && info.Mode()&0o111 != 0 && !info.IsDir() {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", name, exec.ErrNotFound)
}

// beside is the folder of a program's modules.
func beside(program, folder string) string {
	return filepath.Join(filepath.Dir(program), "../lib", folder)
}
