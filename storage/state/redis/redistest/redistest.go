// Package redistest starts Redis servers for tests, on free ports of loopback
// and in folders that go with the test, and ends what it started.
package redistest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
)

// patience is how long a server may take to start, or to answer.
const patience = 30 * time.Second

// A Server is a Redis server of one test. Its address and its data stay the
// same when it is stopped and started again.
type Server struct {
	Addr string
	dir  string
	// first and args are the arguments before and after those that all have.
	first, args []string

	process *os.Process // nil while it is stopped
	gone    <-chan struct{}
}

// Start starts a server with further arguments, such as "--maxmemory", "2mb".
// It skips the test where Redis is not installed. Nothing is written to disk
// unless the arguments say so.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	program(t)
	s := &Server{dir: folder(t), args: append([]string{"--save", "", "--appendonly", "no"}, args...)}
	s.startAnywhere(t)
	return s
}

// program is the server's, which GATEHOUSE_REDIS_SERVER may name: a newer one, or
// Valkey.
func program(t testing.TB) string {
	t.Helper()
	named := os.Getenv("GATEHOUSE_REDIS_SERVER")
	path, err := exec.LookPath(cmp.Or(named, "redis-server"))
	switch {
	case err == nil:
		return path
	case named != "":
		t.Fatalf("GATEHOUSE_REDIS_SERVER: %v", err)
	}
	t.Skip("redis-server is not installed: the store was not tried on it (Debian: apt-get install redis-server)")
	return ""
}

// startAnywhere starts a server for the first time, on a free port.
func (s *Server) startAnywhere(t testing.TB) {
	t.Helper()
	// Between finding a port free and taking it another may have taken it.
	for range 20 {
		s.Addr = "127.0.0.1:" + Port(t)
		if s.tryToStart(t) {
			t.Cleanup(func() { s.Stop(t) })
			return
		}
	}
	t.Fatalf("redis-server does not start: %s", s.log())
}

// Start starts a server again that was stopped or killed.
func (s *Server) Start(t testing.TB) {
	t.Helper()
	if !s.tryToStart(t) {
		t.Fatalf("redis-server does not start again: %s", s.log())
	}
}

// Stop ends the server, which saves what it was told to save.
func (s *Server) Stop(t testing.TB) { s.end(t, syscall.SIGTERM) }

// Kill ends the server as kill -9 does.
func (s *Server) Kill(t testing.TB) { s.end(t, syscall.SIGKILL) }

// Pause has the server stand still until Resume.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGSTOP)
	for began := time.Now(); time.Since(began) < patience; time.Sleep(time.Millisecond) {
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.process.Pid))
		if err != nil || strings.Contains(string(status), "State:\tT") {
			return
		}
	}
	t.Error("redis-server does not stand still")
}

// Resume has a server go on that was paused.
func (s *Server) Resume(t testing.TB) { s.signal(t, syscall.SIGCONT) }

// URL is what a store opens.
func (s *Server) URL() string { return "redis://" + s.Addr }

// Do asks the server for something.
func (s *Server) Do(t testing.TB, args ...any) any {
	t.Helper()
	reply, err := s.Try(args...)
	if err != nil {
		t.Fatalf("%v: %v", args, err)
	}
	return reply
}

// Flush empties the server.
func (s *Server) Flush(t testing.TB) {
	t.Helper()
	s.Do(t, "FLUSHALL")
}

// Try asks the server for something that it may refuse.
func (s *Server) Try(args ...any) (any, error) {
	client := goredis.NewClient(&goredis.Options{Addr: s.Addr, DialTimeout: patience, ReadTimeout: patience, MaxRetries: -1, DialerRetries: 1})
	defer func() { _ = client.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return client.Do(ctx, args...).Result()
}

func (s *Server) tryToStart(t testing.TB) bool {
	t.Helper()
	_, port, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	args := append(s.first, "--port", port, "--bind", "127.0.0.1", "--dir", s.dir, "--logfile", filepath.Join(s.dir, "log"), "--daemonize", "no")
	args = append(args, s.args...)
	cmd := exec.Command(program(t), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} // a test binary that is killed leaves none
	if err := cmd.Start(); err != nil {
		t.Fatalf("start redis-server: %v", err)
	}
	gone := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended says its log
		close(gone)
	}()
	s.process, s.gone = cmd.Process, gone
	for began := time.Now(); time.Since(began) < patience; {
		select {
		case <-gone:
			s.process = nil
			return false
		default:
		}
		if s.isReady() {
			return true
		}
		time.Sleep(2 * time.Millisecond)
	}
	t.Fatalf("redis-server does not answer: %s", s.log())
	return false
}

// isReady reports that the server which answers is the one that was started, and
// has read its data: while it reads them it answers INFO, and LOADING to the rest.
func (s *Server) isReady() bool {
	reply, err := s.Try("INFO")
	info := fmt.Sprint(reply)
	return err == nil && strings.Contains(info, fmt.Sprintf("process_id:%d\r", s.process.Pid)) && !strings.Contains(info, "loading:1")
}

func (s *Server) end(t testing.TB, how syscall.Signal) {
	t.Helper()
	if s.process == nil {
		return
	}
	defer func() { s.process = nil }()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	late := time.After(patience)
	for {
		s.signal(t, how)
		select {
		case <-s.gone:
			return
		case <-again.C: // it refuses to end while it begins a file, and forgets that it was asked
		case <-late:
			t.Errorf("redis-server does not end: %s", s.log())
			s.signal(t, syscall.SIGKILL)
			return
		}
	}
}

func (s *Server) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := s.process.Signal(signal); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("signal redis-server: %v", err)
	}
}

func (s *Server) log() string {
	b, err := os.ReadFile(filepath.Join(s.dir, "log"))
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// folder is one with a short name.
func folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "redistest")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// Port is one that is free, below those that the system gives to connections: one
// of these could take it while its server is stopped. The scripts of cmd/gatehouse
// have theirs below it.
func Port(t testing.TB) string {
	t.Helper()
	const first, last = 22_001, 32_000
	var err error
	for range 100 {
		port := strconv.Itoa(first + rand.IntN(last-first))
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			_ = l.Close()
			return port
		}
	}
	t.Fatalf("no port is free: %v", err)
	return ""
}
